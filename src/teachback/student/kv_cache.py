"""The keys and values of the rows that are being answered.

They are written in place; transformers' own cache would copy all columns for each token.
All rows' current token is in the same column, with padding on the left, so the models'
masks stay right, those of sliding windows too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .cache_state import CacheState


@dataclass
class KVCache:
    past: Any  # the model's past_key_values
    # None where a layer keeps more than keys and values: prompts are then read whole,
    # padded on the left.
    state: CacheState | None = None

    def keep_rows(self, rows: Sequence[int], row_B: Any) -> None:
        """Drop all other rows. rows: as `compact_rows` orders them; row_B: as a tensor."""
        from .cache_layer import InPlaceLayer

        moves = [(to, source) for to, source in enumerate(rows) if to != source]
        for layer in self.past.layers:
            if isinstance(layer, InPlaceLayer):
                layer.move_rows(moves)
            else:
                layer.reorder_cache(row_B)


def compact_rows(active: Sequence[bool]) -> list[int]:
    """Indices of the active rows: the last ones fill the gaps, and no other row moves."""
    n = sum(active)
    movers = iter([i for i in range(n, len(active)) if active[i]])
    return [i if active[i] else next(movers) for i in range(n)]


def make_kv_cache(
    config: Any, rows: int, prompt_columns: int, capacity: int
) -> KVCache:
    """An empty cache for a model with this config.

    A layer that keeps another state (a convolution's, say) is transformers' own.
    """
    from transformers import cache_utils
    from transformers.cache_utils import (
        DynamicCache,
        DynamicLayer,
        DynamicSlidingWindowLayer,
    )

    from .cache_layer import InPlaceLayer

    # Those that keep keys and values only.
    replaceable = (DynamicLayer, DynamicSlidingWindowLayer)
    # The class of a layer that keeps nothing; transformers 5.17 has none yet.
    stateless = getattr(cache_utils, "DummyLayer", None)
    past = DynamicCache(config=config)
    layer_types = {type(layer) for layer in past.layers}
    rows_are_independent = layer_types <= {*replaceable, stateless}
    columns = prompt_columns if rows_are_independent else 0
    state = CacheState(rows, columns, capacity)

    layers = []
    for layer in past.layers:
        if type(layer) in replaceable:
            layers.append(InPlaceLayer(state, layer.is_sliding))
        else:
            layers.append(layer)
    past.layers = layers
    return KVCache(past, state if rows_are_independent else None)
