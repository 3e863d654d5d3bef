"""Exact numbers over every row of the real files: the gold and rewritings of it are right, near
misses are wrong.

Some seconds of CPU for about 100,000 grades: that no row is left out is the point.
"""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from teachback.graders.number import grade_number, read_number
from teachback.types import Example

ROWS = {
    "gsm8k_train": 7173,
    "gsm8k_test": 1319,
    "svamp_test": 1000,
    "gsm_hard_test": 1319,
}

SAME: list[Callable[[Decimal], str]] = [
    lambda v: f"Answer: ${v:,f}",
    lambda v: f"**Answer:** {v:f}{'' if '.' in f'{v:f}' else '.'}00 units",
    lambda v: f"so it is $\\boxed{{{v:,f}}}$.",
    lambda v: f"The answer is {2 * v:f}/2.",
    lambda v: f"#### {v:.3e} " if v == Decimal(f"{v:.3e}") else f"Answer: x = {v:f}",
    lambda v: f"Final answer: $\\frac{{{3 * v:f}}}{{3}}$ dollars",
    lambda v: f"Answer:\n**\u2212{-v:,f}%**" if v < 0 else f"Answer:\n**{v:,f}%**",
]


def examples(path: Path) -> list[Example]:
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return [Example(r["id"], r["question"], r["answer"], r["solution"]) for r in rows]


def near_misses(digits: str, turn: int) -> Iterator[str]:
    """The sign flipped; one digit changed; two neighbours swapped.

    `turn` moves over the places from row to row.
    """
    yield digits.removeprefix("-") if digits.startswith("-") else f"-{digits}"
    places = [i for i, c in enumerate(digits) if c.isdigit()]
    i = places[turn % len(places)]
    yield f"{digits[:i]}{(int(digits[i]) + 1) % 10}{digits[i + 1 :]}"
    if neighbours := list(pairwise(places)):
        i, j = neighbours[turn % len(neighbours)]
        yield f"{digits[:i]}{digits[j]}{digits[i + 1 : j]}{digits[i]}{digits[j + 1 :]}"


@pytest.mark.parametrize("name", ROWS)
def test_gold_and_its_rewritings_are_right(data: Path, name: str) -> None:
    rows = examples(data / f"{name}.jsonl")
    assert len(rows) == ROWS[name]
    for i, e in enumerate(rows):
        value = Decimal(e.answer or "")
        texts = [
            f"Answer: {e.answer}",
            e.solution or "",
            *(SAME[(i + k) % len(SAME)](value) for k in range(3)),
        ]
        for text in filter(None, texts):
            assert grade_number(e, text).outcome == "right", (e.id, text)


@pytest.mark.parametrize("name", ROWS)
def test_near_misses_are_wrong_and_not_unparsed(data: Path, name: str) -> None:
    for i, e in enumerate(examples(data / f"{name}.jsonl")):
        digits = f"{Decimal(e.answer or ''):f}"
        for miss in near_misses(digits, i):
            text = f"Answer: {miss}" if i % 2 else f"#### ${miss}"
            same = Decimal(miss) == Decimal(digits)  # -0, and swaps of equal digits
            assert grade_number(e, text).outcome == ("right" if same else "wrong"), (
                e.id,
                text,
            )


def test_another_rows_gold_is_never_right(data: Path) -> None:
    """Answers of the file moved on by one row; by value, since neighbours may share it."""
    rows = examples(data / "gsm8k_test.jsonl") + examples(data / "gsm_hard_test.jsonl")
    for e, other in pairwise(rows):
        same = Decimal(e.answer or "") == Decimal(other.answer or "")
        assert grade_number(e, f"Answer: {other.answer}").outcome == (
            "right" if same else "wrong"
        )


def test_golds_are_read_to_the_last_digit(data: Path) -> None:
    for e in examples(data / "gsm_hard_test.jsonl"):
        value = read_number(e.answer or "")
        assert value == Decimal(e.answer or "")
        assert float(value or 0) == float(e.answer or "")
        digits = f"{Decimal(e.answer or ''):f}"
        longer = f"{digits}{'' if '.' in digits else '.'}{'0' * 20}1"
        assert grade_number(e, f"Answer: {longer}").outcome == "wrong"


def test_a_solution_without_its_mark_is_unparsed(data: Path) -> None:
    for e in examples(data / "gsm8k_train.jsonl"):
        assert (
            grade_number(e, (e.solution or "").partition("####")[0]).outcome
            == "unparsed"
        ), e.id
