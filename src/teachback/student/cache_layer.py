"""One layer of the key-value cache.

It imports torch and transformers, so it is itself imported inside of functions only.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import CacheLayerMixin

from .cache_state import CachedPrompt, CacheState


class InPlaceLayer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values, rows × heads × capacity × width, filled from the left.

    A sliding window keeps all columns: its mask says which are seen.
    """

    def __init__(self, state: CacheState, is_sliding: bool) -> None:
        super().__init__()
        self.state = state
        self.is_sliding = is_sliding
        self.length = 0  # columns in use, once a token was decoded
        # Keys and values of the prefix that all prompts share.
        self.prefix: tuple[Any, Any] | None = None

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        self.keys = self._new_buffer(key_states)
        self.values = self._new_buffer(value_states)
        self.is_initialized = True

    def _new_buffer(self, states: Any) -> Any:
        _, heads, _, width = states.shape
        return states.new_empty(self.state.rows, heads, self.state.capacity, width)

    def update(
        self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any
    ) -> tuple[Any, Any]:
        """Store what a pass computed. Returns the keys and values that it attends to."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.state.prompts is not None:
            return self._read(key_states, value_states, self.state.prompts)
        start = self.get_seq_length()
        rows = key_states.shape[0]
        self.length = start + key_states.shape[2]
        self.keys[:rows, :, start : self.length] = key_states
        self.values[:rows, :, start : self.length] = value_states
        return self.keys[:rows, :, : self.length], self.values[:rows, :, : self.length]

    def _read(
        self, key_states: Any, value_states: Any, prompts: Sequence[CachedPrompt]
    ) -> tuple[Any, Any]:
        if not prompts:
            self.prefix = key_states, value_states
            return self.prefix
        keys = key_states
        values = value_states
        if self.prefix is not None:
            keys = join_prefix(self.prefix[0], key_states)
            values = join_prefix(self.prefix[1], value_states)
        if self.state.rows:
            for buffer, states in ((self.keys, keys), (self.values, values)):
                for prompt, prompt_states in zip(prompts, states, strict=True):
                    self._place(buffer, prompt, prompt_states)
        return keys, values

    def _place(self, buffer: Any, prompt: CachedPrompt, states: Any) -> None:
        """Write a prompt into its rows, at the right end of the prompts' columns.

        The columns before it are never seen, but must hold numbers: they are zero.
        """
        rows = buffer[prompt.first_row : prompt.first_row + prompt.copies]
        end = self.state.prompt_columns
        start = end - prompt.length
        rows[:, :, :start] = 0
        rows[:, :, start:end] = states[:, : prompt.length]

    def move_rows(self, moves: Sequence[tuple[int, int]]) -> None:
        """Move rows, each (to, from), to where another row has ended."""
        if not self.is_initialized:
            return
        n_columns = self.get_seq_length()
        for to, source in moves:
            for buffer in (self.keys, self.values):
                buffer[to, :, :n_columns] = buffer[source, :, :n_columns]

    def get_seq_length(self) -> int:
        prompts = self.state.prompts
        if prompts is None:
            return max(self.length, self.state.prompt_columns)
        if prompts and self.prefix is not None:
            return int(self.prefix[0].shape[2])
        return 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


def join_prefix(prefix: Any, states: Any) -> Any:
    """The shared prefix, then each prompt's own continuation."""
    return torch.cat([prefix.expand(states.shape[0], -1, -1, -1), states], dim=2)
