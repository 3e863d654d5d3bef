"""Four numbers that make 24: the first solution, all solutions, and how hard that is.

Computed exactly, with whole numbers and fractions. No step is negative, as none needs to be:
|a + b| is the sum or the difference of |a| and |b|, and |ab| and |a/b| are what |a| and |b|
make. So whatever makes 24 (or -24) with negative steps makes 24 without.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache, lru_cache
from itertools import combinations, combinations_with_replacement, permutations
from typing import NamedTuple

GOAL = 24
MAX_CLASSIC_NUMBER = 13  # of the published game
LEVELS = (0, 4)  # easiest, hardest
MIN_SCORES = (6, 4, 3, 2)  # of level 0, 1, 2 and 3
ExactNumber = int | Fraction
Puzzle = tuple[int, ...]  # four numbers in ascending order


class SolutionForm(NamedTuple):
    """A sum (up minus down), a product (up over down), or a number."""

    kind: str  # "+", "*" or ""
    up: tuple[str, ...]  # sorted
    down: tuple[str, ...]  # sorted


class Operand(NamedTuple):
    """A number that is left, and the expression that made it."""

    value: ExactNumber
    text: str


@lru_cache(maxsize=1 << 16)
def puzzle_level(puzzle: Puzzle) -> int | None:
    """From 0 (easy) to 4, from the numbers alone; None if they can't make 24.

    The level follows from a score. The score is the number of different solutions whose steps
    are whole numbers (see `solution_forms`), plus 2 if one of them only adds and subtracts. A
    score of 6 or more is level 0, 4 or 5 is level 1, 3 is level 2, and 2 is level 3. Level 4 has
    at most one solution, and includes the 16 classic puzzles that need a fraction: a level of
    their own would soon be used up.

    The 1362 classic puzzles are 228, 218, 209, 306 and 401 by level. On game24_train.jsonl the
    mean share of people who solve a puzzle falls from 96 % (level 0) to 71 % (level 4); its
    Spearman correlation with the level is -0.71. The weights were chosen by those shares;
    grades don't depend on them.
    """
    if needs_fraction(puzzle):
        return LEVELS[1] if solution_forms(puzzle, False, GOAL) else None
    return sum(puzzle_score(puzzle) < min_score for min_score in MIN_SCORES)


def has_level(puzzle: Puzzle, level: int) -> bool:
    """Same as puzzle_level(puzzle) == level, without a slow search for fractions if possible."""
    if level != LEVELS[1] and needs_fraction(puzzle):
        return False
    return puzzle_level(puzzle) == level


def needs_fraction(puzzle: Puzzle) -> bool:
    """Whether no solution has only whole numbers as steps; there may be no solution at all."""
    return puzzle_score(puzzle) == 0


@lru_cache(maxsize=1 << 16)
def puzzle_score(puzzle: Puzzle) -> int:
    forms = solution_forms(puzzle, True, GOAL).get(GOAL, frozenset())
    has_plain_sum = any(map(is_plain_sum, forms))
    return len(forms) + 2 * has_plain_sum


def is_plain_sum(form: SolutionForm) -> bool:
    """Whether the form only adds and subtracts the puzzle's numbers."""
    return form.kind == "+" and all(map(str.isdigit, form.up + form.down))


@cache
def classic_puzzles() -> tuple[Puzzle, ...]:
    """All 1362 puzzles of numbers 1..13 that can be solved; takes about a second, once."""
    numbers = range(1, MAX_CLASSIC_NUMBER + 1)
    puzzles = combinations_with_replacement(numbers, 4)
    return tuple(puzzle for puzzle in puzzles if puzzle_level(puzzle) is not None)


@lru_cache(maxsize=4096)
def solution_forms(
    numbers: tuple[int, ...],
    whole: bool,
    goal: int | None = None,
) -> Mapping[ExactNumber, frozenset[SolutionForm]]:
    """The values that the numbers make, each used once, and the forms that make each value.

    Solutions that differ by commuting or associating are one form. whole: every step is a whole
    number. goal: the only value to return.
    """
    if len(numbers) == 1:
        return {numbers[0]: frozenset([SolutionForm("", (str(numbers[0]),), ())])}
    forms: dict[ExactNumber, set[SolutionForm]] = {}
    for left, right in partitions(numbers):
        for a, forms_a in solution_forms(left, whole).items():
            for b, forms_b in solution_forms(right, whole).items():
                for value, sign, swap in possible_results(a, b, whole):
                    if goal is not None and value != goal:
                        continue
                    first, second = (forms_b, forms_a) if swap else (forms_a, forms_b)
                    forms.setdefault(value, set()).update(
                        join_forms(x, y, sign) for x in first for y in second
                    )
    return {value: frozenset(its_forms) for value, its_forms in forms.items()}


def partitions(numbers: tuple[int, ...]) -> set[tuple[Puzzle, Puzzle]]:
    """The ways to cut the numbers in two parts that aren't empty; each pair of parts once."""
    places = range(len(numbers))
    pairs = set()
    for size in range(1, len(numbers)):
        for part in combinations(places, size):
            left = tuple(numbers[i] for i in part)
            right = tuple(numbers[i] for i in places if i not in part)
            if (len(left), left) > (len(right), right):
                left, right = right, left
            pairs.add((left, right))
    return pairs


def possible_results(
    a: ExactNumber,
    b: ExactNumber,
    whole: bool,
) -> Iterator[tuple[ExactNumber, str, bool]]:
    """What two values make: the value, the sign, and whether b comes first."""
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
        value = apply_sign(sign, b, a, whole) if swap else apply_sign(sign, a, b, whole)
        if value is not None:
            yield value, sign, swap


def apply_sign(
    sign: str,
    a: ExactNumber,
    b: ExactNumber,
    whole: bool,
) -> ExactNumber | None:
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


def join_forms(a: SolutionForm, b: SolutionForm, sign: str) -> SolutionForm:
    kind = "+" if sign in "+-" else "*"
    up, down = form_parts(a, kind)
    more_up, more_down = form_parts(b, kind)
    if sign in "-/":
        more_up, more_down = more_down, more_up
    return SolutionForm(
        kind, tuple(sorted(up + more_up)), tuple(sorted(down + more_down))
    )


def form_parts(
    form: SolutionForm, kind: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The form's up and down in a form of `kind`; one of another kind becomes a single part."""
    if form.kind in ("", kind):
        return form.up, form.down
    return (f"({form.kind.join(form.up)} {form.kind.join(form.down)})",), ()


@lru_cache(maxsize=1 << 14)
def first_solution(puzzle: Puzzle) -> str | None:
    """Three steps and the answer, one a line; None if there is no solution.

    It is the first that a search over pairs and signs finds, with whole numbers as steps if
    possible. For the puzzles of game24_train.jsonl it equals the file's to the letter.
    """
    operands = tuple(Operand(number, str(number)) for number in puzzle)
    lines = search_steps(operands, True) or search_steps(operands, False)
    return None if lines is None else "\n".join(lines)


def search_steps(operands: tuple[Operand, ...], whole: bool) -> list[str] | None:
    """The steps to 24 and the answer, or None; the recursion is at most 4 deep."""
    if len(operands) == 1:
        last = operands[0]
        return [f"Answer: {last.text} = {GOAL}"] if last.value == GOAL else None
    for i, j in permutations(range(len(operands)), 2):
        a, b = operands[i], operands[j]
        rest = tuple(o for k, o in enumerate(operands) if k not in (i, j))
        for sign in "+*-/" if i < j else "-/":
            value = apply_sign(sign, a.value, b.value, whole)
            if value is None:
                continue
            text = f"{in_brackets(a.text)} {sign} {in_brackets(b.text)}"
            left = (*rest, Operand(value, text))
            lines = search_steps(left, whole)
            if lines is not None:
                return [step_line(a, sign, b, left), *lines]
    return None


def step_line(a: Operand, sign: str, b: Operand, left: tuple[Operand, ...]) -> str:
    """One step, as in "4 * 5 = 20 (left: 6 10 20)". left: its last operand is the result."""
    values = [str(operand.value) for operand in left]
    step = (
        f"{in_brackets(str(a.value))} {sign} {in_brackets(str(b.value))} = {values[-1]}"
    )
    return f"{step} (left: {' '.join(values)})"


def in_brackets(text: str) -> str:
    return text if text.isdigit() else f"({text})"
