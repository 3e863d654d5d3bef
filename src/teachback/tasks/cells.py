"""What a row holds under a column's name, or within a nested column: `answers.text[0]`."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from .cell_error import CellError
from .chat_turns import read_chat_part, read_turns

# "name.key" and "name[0]" step into a list or an object.
PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
MAX_CELL_CHARS = 80
READABLE_CELL = "a text, a number, true or false"

PathStep = str | int


def find_cell(row: Mapping[str, object], path: str) -> object:
    """The cell; None if it is empty, or there is no such column.

    path: a column's name, or a name with steps into it: `.key` of an object (of a list of
    objects: of each), `[0]` of a list, `.system`, `.user` and `.assistant` of a chat. A nested
    cell may be text in JSON, as in a CSV. Raises CellError for a chat or JSON that can't be read.
    """
    if path in row:
        return row[path]
    for name, steps in split_path(path):
        if name in row:
            return follow_steps(row[name], steps)
    return None


def has_column(row: Mapping[str, object], path: str) -> bool:
    return path in row or any(name in row for name, _ in split_path(path))


@lru_cache(maxsize=256)
def split_path(path: str) -> tuple[tuple[str, tuple[PathStep, ...]], ...]:
    """Every reading of a path as a name and steps, the longest name first: a name may hold dots."""
    readings: list[tuple[str, tuple[PathStep, ...]]] = []
    for match in PATH_STEP.finditer(path):
        rest = path[match.start() :]
        found = list(PATH_STEP.finditer(rest))
        if sum(len(step[0]) for step in found) != len(rest):
            continue
        steps = tuple(step[1] or int(step[2]) for step in found)
        readings.append((path[: match.start()], steps))
    return tuple(reversed(readings))


def follow_steps(value: object, steps: Sequence[PathStep]) -> object:
    for step in steps:
        value = parse_nested(value)
        turns = read_turns(value) if isinstance(step, str) else None
        if turns is not None:
            value = read_chat_part(turns, str(step))
        else:
            value = take_step(value, step)
        if value is None:
            return None
    return value


def take_step(value: object, step: PathStep) -> object:
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step)
    if not isinstance(value, list):
        return None
    if isinstance(step, int):
        return value[step] if step < len(value) else None
    if all(isinstance(part, dict) for part in value):
        return [part.get(step) for part in value]
    return None


def parse_nested(value: object) -> object:
    """A list or an object; as a text in JSON it is read. Raises CellError for JSON with errors."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise CellError(f"is no JSON: {error}") from error


def cell_as_text(value: object) -> str | None:
    """None for an empty cell, or a blank one. Numbers keep the text that their file has.

    Raises CellError for a list, an object, bytes and NaN.
    """
    if value is None:
        return None
    if isinstance(value, list | dict | bytes | tuple):
        raise CellError("is no text", READABLE_CELL)
    if isinstance(value, float) and not math.isfinite(value):
        raise CellError("is not a finite number", READABLE_CELL)
    text = str(value)
    return text if text.strip() else None


def excerpt(value: object) -> str:
    return repr(value)[:MAX_CELL_CHARS]
