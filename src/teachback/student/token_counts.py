"""Tokens of a text, by the student's tokenizer."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def make_token_counter(folder: Path) -> Callable[[str], int]:
    """count(text). The tokenizer in the folder is loaded when the first text is counted."""

    @cache
    def load_tokenizer() -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder)

    @cache
    def count(text: str) -> int:
        return len(load_tokenizer()(text, add_special_tokens=False).input_ids)

    return count
