"""Tokens of a text, by the student's tokenizer."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from .loading import load_tokenizer


def make_token_counter(folder: Path) -> Callable[[str], int]:
    """count(text). The tokenizer in the folder is loaded when the first text is counted."""

    load = cache(partial(load_tokenizer, folder))

    @cache
    def count(text: str) -> int:
        return len(load()(text, add_special_tokens=False).input_ids)

    return count
