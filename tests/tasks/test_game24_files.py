"""Game of 24: the published puzzles. All golds, their rewritings, and near misses."""

import re
from pathlib import Path
from random import Random

import pytest

from teachback.metrics.statistics import spearman
from teachback.tasks import make24
from teachback.tasks.expression import read_equation
from teachback.tasks.game24 import load_game24, read_puzzle_file
from teachback.tasks.game24_answers import (
    final_expression,
    game24_key,
    grade_game24,
    verify_game24,
)
from teachback.types import Example


@pytest.fixture(scope="module")
def puzzles(data: Path) -> list[Example]:
    return [
        row
        for split in ("train", "test")
        for row in read_puzzle_file(data / f"game24_{split}.jsonl")
    ]


def expression(row: Example) -> str:
    return str(final_expression(str(row.solution))).removesuffix(" = 24")


def outcome(row: Example, answer: str) -> str:
    found = grade_game24(row, f"Answer: {answer}")
    assert verify_game24(row.question, f"Answer: {answer}") == found
    return found.outcome


def test_all_golds_are_right_and_our_solutions_are_the_same(
    puzzles: list[Example],
) -> None:
    assert len(puzzles) == 1262
    for row in puzzles:
        assert grade_game24(row, str(row.solution)).outcome == "right"
        assert (
            make24.first_solution(tuple(map(int, row.question.split()))) == row.solution
        )


def swapped(text: str) -> str:
    """The operands of the outermost + or *, where there is one, the other way round."""
    depth = 0
    for i, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and sign in "+*":
            return f"{text[i + 1 :]} {sign} {text[:i]}"
    return text


def test_rewritings_that_keep_the_value_are_right(puzzles: list[Example]) -> None:
    for row in puzzles:
        plain = expression(row)
        rewritten = [
            plain,
            plain.replace(" ", ""),
            plain.replace(" ", "   ") + "  =  24 ",
            plain.replace("*", "×").replace("/", "÷").replace("-", "−"),
            "$" + plain.replace("*", r"\times").replace("/", r"\div") + " = 24$",
            "((" + re.sub(r"(\d+)", r"(\1)", plain) + ")) = (24)",
            swapped(plain),
            f"**{plain} = 24**",
        ]
        assert [outcome(row, text) for text in rewritten] == ["right"] * len(
            rewritten
        ), rewritten
    assert sum(swapped(expression(row)) != expression(row) for row in puzzles) > 800


def test_near_misses_are_wrong(puzzles: list[Example]) -> None:
    rng, signs = Random(0), 0
    for row in puzzles:
        plain = expression(row)
        numbers = list(re.finditer("[0-9]+", plain))
        one, two = rng.sample(numbers, 2)
        changed = (
            plain[: one.start()]
            + str(int(one[0]) + rng.choice((1, 10)))
            + plain[one.end() :]
        )
        misses = [
            changed,
            f"{plain} + {one[0]} - {one[0]}",
            f"({plain}) * 1 * 1 / 1",
            "4 * 6",
            "24",
            f"{plain} = 25",
        ]
        misses.append(
            re.sub(r"\(?\d+ \S \d+\)?", one[0], plain, count=1)
        )  # a number is left out
        if one[0] != two[0]:  # one number twice, the other not at all
            misses.append(plain[: one.start()] + two[0] + plain[one.end() :])
        sign = rng.choice(list(re.finditer(r"[-+*/]", plain)))
        other = (
            plain[: sign.start()]
            + rng.choice("+-*/".replace(sign[0], ""))
            + plain[sign.end() :]
        )
        if value(other) != 24:
            signs += 1
            misses.append(other)
        assert [outcome(row, text) for text in misses] == ["wrong"] * len(misses), (
            misses
        )
    assert signs > 1100


def value(text: str) -> object:
    try:
        return read_equation(text)[0].value
    except ZeroDivisionError:
        return None


def test_solutions_of_other_puzzles_are_wrong(puzzles: list[Example]) -> None:
    others = puzzles[1:] + puzzles[:1]
    found = [
        grade_game24(row, str(other.solution))
        for row, other in zip(puzzles, others, strict=True)
    ]
    assert {grade.outcome for grade in found} == {"wrong"}


def test_levels_go_with_how_many_people_solve_a_puzzle(data: Path) -> None:
    from teachback.files.json_rows import read_jsonl

    pairs: list[tuple[float, float]] = []
    for row in read_jsonl(data / "game24_train.jsonl"):
        meta = row["meta"]
        assert isinstance(meta, dict)
        puzzle = tuple(map(int, str(row["question"]).split()))
        assert make24.needs_fraction(puzzle) is not meta["integer_solution"]
        pairs.append(
            (float(make24.puzzle_level(puzzle) or 0), float(meta["human_solved_rate"]))
        )
    rho = spearman([level for level, _ in pairs], [rate for _, rate in pairs])
    assert rho is not None
    assert rho == pytest.approx(-0.709, abs=0.01)
    means = [
        sum(r for i, r in pairs if i == n) / sum(i == n for i, _ in pairs)
        for n in range(5)
    ]
    assert means == sorted(means, reverse=True)
    assert (round(means[0], 2), round(means[4], 2)) == (0.96, 0.71)


def test_the_published_split(data: Path) -> None:
    task = load_game24(path=data, largest=13, seeds=200, dev=60, test=None, seed=0)
    assert (len(task.seeds), len(task.dev), len(task.test)) == (200, 60, 100)
    assert {row.meta["rank"] for row in task.test} == set(range(901, 1001))
    assert all(
        row.id.startswith("game24_train") and "rank" not in row.meta
        for row in (*task.seeds, *task.dev)
    )
    assert (
        len({game24_key(row.question) for row in (*task.seeds, *task.dev, *task.test)})
        == 360
    )
    few = load_game24(path=data, largest=13, seeds=200, dev=60, test=20, seed=0)
    assert few.test == task.test[:20]
    assert few.write is not None
    taken = {
        game24_key(row.question) for row in (*few.seeds, *few.dev, *task.test)
    }  # all of the published test
    assert (
        not {
            game24_key(few.write(seed, Random(i)).question)
            for i in range(5)
            for seed in few.seeds
        }
        & taken
    )
