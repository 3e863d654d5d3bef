"""JSON that somebody else wrote: read and looked into without ever raising."""

import json
from typing import Any, TypeGuard


def parse_json(text: str) -> Any:
    """None where the text is no JSON, is nested too deep, or is null."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        # Python refuses whole numbers of thousands of digits, and JSON allows raw control
        # characters nowhere. Some servers send either.
        return json.loads(text, strict=False, parse_int=_parse_whole_number)
    except (ValueError, RecursionError):
        return None


def _parse_whole_number(digits: str) -> int | float:
    # 4,300 digits are Python's limit.
    return int(digits) if len(digits) < 4_000 else float(digits)


def value_at(value: Any, *path: str | int) -> Any:
    """What lies at a path in JSON. None: there is no such thing."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def text_at(value: object, *path: str | int) -> str:
    """The text at a path, stripped; empty where there is none."""
    text = value_at(value, *path)
    return text.strip() if isinstance(text, str) else ""


def count_at(value: object, *path: str) -> int:
    count = value_at(value, *path)
    return count if is_count(count) else 0


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
