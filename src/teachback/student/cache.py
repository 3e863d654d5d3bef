"""Keys and values of the rows that are being answered: written in place, where transformers' own cache is copied.

All rows' current token stands in one column, with padding on the left: that is how the models' masks, of sliding
windows too, stay right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple


class Placed(NamedTuple):
    """A prompt of so many tokens: it stands for `copies` rows, the first of which is row `first`."""

    first: int
    copies: int
    length: int


@dataclass
class Extent:
    """What all layers of a cache share.

    columns: of the longest prompt. capacity: columns in all. reading: the prompts of the next pass; none of them: what
    all prompts begin with is read; None: the rows are answered.
    """

    rows: int
    columns: int
    capacity: int
    reading: Sequence[Placed] | None = None


@dataclass
class Held:
    """past: what the model is given as past_key_values. extent: None where that is transformers' own cache."""

    past: Any
    extent: Extent | None = None

    def keep(self, stay: Sequence[int], stay_B: Any) -> None:
        """Only the rows `stay` go on, in this order (as `closed_up` gives it); stay_B: the same as a tensor."""
        if self.extent is None:
            self.past.reorder_cache(stay_B)
            return
        moved = [(to, place) for to, place in enumerate(stay) if to != place]
        for layer in self.past.layers:
            if isinstance(layer, in_place_layer()):
                layer.move(moved)


def closed_up(running: Sequence[bool]) -> list[int]:
    """Places of the rows that run, such that the last ones fill the gaps and no other row moves."""
    n = sum(running)
    movers = iter([b for b in range(n, len(running)) if running[b]])
    return [b if running[b] else next(movers) for b in range(n)]


def hold(config: Any, rows: int, columns: int, capacity: int) -> Held:
    """An empty cache for a model. Where a layer keeps more than keys and values (a state, say), transformers' own."""
    from transformers.cache_utils import DummyLayer, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    past = DynamicCache(config=config)
    if not {type(layer) for layer in past.layers} <= {DynamicLayer, DynamicSlidingWindowLayer, DummyLayer}:
        return Held(past)
    extent, kind = Extent(rows, columns, capacity), in_place_layer()
    past.layers = [
        layer if type(layer) is DummyLayer else kind(extent, is_sliding=layer.is_sliding) for layer in past.layers
    ]
    return Held(past, extent)


def joined(shared: Any, states: Any) -> Any:
    """What all prompts begin with, before what each goes on with."""
    import torch

    return torch.cat([shared.expand(states.shape[0], -1, -1, -1), states], dim=2)


@cache
def in_place_layer() -> Any:
    """The layer's class; torch is not imported before it is asked for."""
    from transformers.cache_utils import CacheLayerMixin

    class InPlaceLayer(CacheLayerMixin):  # type: ignore[misc]
        """keys and values: rows × heads × capacity × width, filled from the left. A sliding window keeps all columns:
        its mask says which are seen. length: columns in use, from the first new token on. shared: the keys and values
        of what all prompts begin with.
        """

        def __init__(self, extent: Extent, is_sliding: bool) -> None:
            super().__init__()
            self.extent, self.is_sliding, self.length = extent, is_sliding, 0
            self.shared: tuple[Any, Any] | None = None

        def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
            self.keys, self.values = (
                states.new_empty(self.extent.rows, states.shape[1], self.extent.capacity, states.shape[3])
                for states in (key_states, value_states)
            )
            self.is_initialized = True

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            if self.extent.reading is not None:
                return self.read(key_states, value_states, self.extent.reading)
            start = self.get_seq_length()
            rows, self.length = key_states.shape[0], start + key_states.shape[2]
            self.keys[:rows, :, start : self.length] = key_states
            self.values[:rows, :, start : self.length] = value_states
            return self.keys[:rows, :, : self.length], self.values[:rows, :, : self.length]

        def read(self, key_states: Any, value_states: Any, prompts: Sequence[Placed]) -> tuple[Any, Any]:
            if not prompts:
                self.shared = key_states, value_states
                return self.shared
            whole = key_states, value_states
            if self.shared is not None:
                whole = joined(self.shared[0], key_states), joined(self.shared[1], value_states)
            for buffer, states in zip((self.keys, self.values), whole, strict=True):
                for b, prompt in enumerate(prompts):
                    self.place(buffer[prompt.first : prompt.first + prompt.copies], states[b], prompt.length)
            return whole

        def place(self, rows: Any, states: Any, length: int) -> None:
            """At the right end of the prompts' columns. What is left of it is zero: never seen, but a number."""
            gap = self.extent.columns - length
            rows[:, :, :gap] = 0
            rows[:, :, gap : self.extent.columns] = states[:, :length]

        def move(self, moved: Sequence[tuple[int, int]]) -> None:
            """Rows, each (to, from), to where another row has ended."""
            used = self.get_seq_length()
            for to, place in moved if self.is_initialized else ():
                for buffer in (self.keys, self.values):
                    buffer[to, :, :used] = buffer[place, :, :used]

        def get_seq_length(self) -> int:
            if self.extent.reading is None:
                return max(self.length, self.extent.columns)
            return self.shared[0].shape[2] if self.extent.reading and self.shared is not None else 0

        def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
            return self.get_seq_length() + query_length, 0

        def get_max_length(self) -> int:
            return -1

    return InPlaceLayer
