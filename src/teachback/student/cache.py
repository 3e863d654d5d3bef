"""Keys and values of the rows that are being answered: written in place, where transformers' own cache is copied.

All rows' current token stands in one column, with padding on the left: that is how the models' masks, of sliding
windows too, stay right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Placed(NamedTuple):
    """A prompt of so many tokens: it stands for `copies` rows, the first of which is row `first`."""

    first: int
    copies: int
    length: int


@dataclass
class Extent:
    """What all layers of a cache share.

    columns: of the longest prompt; 0 where prompts are read whole. capacity: columns in all. reading: the prompts of
    the next pass; none of them: what all prompts begin with is read; None: the rows are answered.
    """

    rows: int
    columns: int
    capacity: int
    reading: Sequence[Placed] | None = None


@dataclass
class Held:
    """past: what the model is given as past_key_values. extent: None where a layer keeps a state too, so that prompts
    have to be read whole, padded on the left."""

    past: Any
    extent: Extent | None = None

    def keep(self, stay: Sequence[int], stay_B: Any) -> None:
        """Only the rows `stay` go on, in this order (as `closed_up` gives it); stay_B: the same as a tensor."""
        from .in_place import InPlaceLayer

        moved = [(to, place) for to, place in enumerate(stay) if to != place]
        for layer in self.past.layers:
            if isinstance(layer, InPlaceLayer):
                layer.move(moved)
            else:
                layer.reorder_cache(stay_B)


def closed_up(running: Sequence[bool]) -> list[int]:
    """Places of the rows that run, such that the last ones fill the gaps and no other row moves."""
    n = sum(running)
    movers = iter([b for b in range(n, len(running)) if running[b]])
    return [b if running[b] else next(movers) for b in range(n)]


def hold(config: Any, rows: int, columns: int, capacity: int) -> Held:
    """An empty cache for a model. A layer that keeps a state (a convolution's, say) is transformers' own."""
    from transformers import cache_utils
    from transformers.cache_utils import (
        DynamicCache,
        DynamicLayer,
        DynamicSlidingWindowLayer,
    )

    from .in_place import InPlaceLayer

    past, ours = DynamicCache(config=config), (DynamicLayer, DynamicSlidingWindowLayer)
    nothing = getattr(
        cache_utils, "DummyLayer", None
    )  # of a layer that keeps nothing; 5.17 has none yet
    apart = {type(layer) for layer in past.layers} <= {
        *ours,
        nothing,
    }  # a row can be read without the others
    extent = Extent(rows, columns if apart else 0, capacity)
    past.layers = [
        InPlaceLayer(extent, is_sliding=layer.is_sliding)
        if type(layer) in ours
        else layer
        for layer in past.layers
    ]
    return Held(past, extent if apart else None)
