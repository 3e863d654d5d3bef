"""A layer of the cache. Imports torch and transformers: `cache.hold` does it, not a module's own import."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import CacheLayerMixin

from .cache import Extent, Placed


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
            states.new_empty(
                self.extent.rows, states.shape[1], self.extent.capacity, states.shape[3]
            )
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, Any]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.extent.reading is not None:
            return self.read(key_states, value_states, self.extent.reading)
        start = self.get_seq_length()
        rows, self.length = key_states.shape[0], start + key_states.shape[2]
        self.keys[:rows, :, start : self.length] = key_states
        self.values[:rows, :, start : self.length] = value_states
        return self.keys[:rows, :, : self.length], self.values[:rows, :, : self.length]

    def read(
        self, key_states: Any, value_states: Any, prompts: Sequence[Placed]
    ) -> tuple[Any, Any]:
        if not prompts:
            self.shared = key_states, value_states
            return self.shared
        whole = key_states, value_states
        if self.shared is not None:
            whole = (
                joined(self.shared[0], key_states),
                joined(self.shared[1], value_states),
            )
        for buffer, states in zip((self.keys, self.values), whole, strict=True):
            for b, prompt in enumerate(prompts if self.extent.rows else ()):
                self.place(
                    buffer[prompt.first : prompt.first + prompt.copies],
                    states[b],
                    prompt.length,
                )
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
        return (
            self.shared[0].shape[2]
            if self.extent.reading and self.shared is not None
            else 0
        )

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


def joined(shared: Any, states: Any) -> Any:
    """What all prompts begin with, before what each goes on with."""
    return torch.cat([shared.expand(states.shape[0], -1, -1, -1), states], dim=2)
