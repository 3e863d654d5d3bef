"""What the layers of a key-value cache share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class CachedPrompt(NamedTuple):
    """A prompt that is read once for several rows."""

    first_row: int
    copies: int
    length: int  # tokens


@dataclass
class CacheState:
    """The size of a cache, and what the next pass reads."""

    rows: int
    prompt_columns: int  # of the longest prompt; 0 where prompts are read whole
    capacity: int  # columns in all
    # The prompts of the next pass; none: it reads the prefix that all prompts share;
    # None: the pass decodes.
    prompts: Sequence[CachedPrompt] | None = None
