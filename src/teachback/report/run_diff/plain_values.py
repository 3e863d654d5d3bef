"""Compares two values as JSON has them, and tells rounding from everything else."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ...errors import escape_controls
from ..diagnosis.words import shorten_text
from .values import KeyChange

# float32 sums in another order differ by about 1e-6 of their size, and training on them makes more
# of it. What differs by more than this is called another number, whatever the reason.
ROUNDING = 1e-3
DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
MAX_SHOWN_CHARS = 60  # of a value in a table


class Leaf(NamedTuple):
    """A place in both values at which they differ. None: nothing is there."""

    key: str
    left: object
    right: object


@dataclass(frozen=True)
class PlainDifference:
    """All places at which two values differ."""

    leaves: tuple[Leaf, ...]

    @property
    def gaps(self) -> list[float]:
        """|Δ| of the numbers that differ."""
        return [gap for leaf in self.leaves if (gap := measure_gap(leaf)) is not None]

    @property
    def max_gap(self) -> float | None:
        return max(self.gaps, default=None)

    @property
    def is_rounding(self) -> bool:
        return all(map(is_rounding, self.leaves))


def compare_plain(left: object, right: object) -> PlainDifference:
    return PlainDifference(tuple(iterate_leaves(left, right)))


def iterate_leaves(left: object, right: object, key: str = "") -> Iterator[Leaf]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in dict.fromkeys([*left, *right]):
            inner = f"{key}.{name}" if key else str(name)
            yield from iterate_leaves(left.get(name), right.get(name), inner)
    elif isinstance(left, list) and isinstance(right, list):
        for i in range(max(len(left), len(right))):
            left_item = left[i] if i < len(left) else None
            right_item = right[i] if i < len(right) else None
            yield from iterate_leaves(left_item, right_item, f"{key}[{i}]")
    elif left != right or isinstance(left, bool) != isinstance(right, bool):
        yield Leaf(key, left, right)


def measure_gap(leaf: Leaf) -> float | None:
    """|Δ| of two numbers of which one is a float at least; None for anything else."""
    left, right = leaf.left, leaf.right
    if isinstance(left, bool) or isinstance(right, bool):
        return None
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        return None
    if isinstance(left, int) and isinstance(right, int):
        return None
    return abs(left - right)


def is_rounding(leaf: Leaf) -> bool:
    gap = measure_gap(leaf)
    if gap is None:
        return False
    sizes = [abs(side) for side in leaf[1:] if isinstance(side, int | float)]
    return gap <= ROUNDING * max(1.0, *sizes)


def show_value(value: object, limit: int = MAX_SHOWN_CHARS) -> str:
    """A value in one line that a terminal shows as it is, with its digests cut short."""
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return show_line(DIGEST.sub(r"\1…", text), limit)


def show_line(text: str, limit: int = MAX_SHOWN_CHARS) -> str:
    """A text from elsewhere in one line, with its beginning and its end."""
    line = escape_controls(text).replace("\n", "\\n").replace("\t", "\\t")
    return shorten_text(line, limit)


def compare_keys(
    left: dict[str, object], right: dict[str, object]
) -> tuple[KeyChange, ...]:
    """left, right: flat, by dotted key."""
    return tuple(
        KeyChange(key, left.get(key), right.get(key))
        for key in sorted({*left, *right})
        if left.get(key) != right.get(key)
    )
