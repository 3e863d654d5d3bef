"""Game of 24: the solver, the program and the splits."""

import json
import time
from collections import Counter
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from random import Random

import pytest

from teachback.errors import ConfigError, DataError
from teachback.rng import draw
from teachback.tasks import make24
from teachback.tasks.game24 import load_game24, puzzle_example, write_puzzle
from teachback.tasks.game24_answers import verify_game24
from teachback.types import Example, Exercise, Task


@pytest.fixture(scope="module")
def task() -> Task:
    return load_game24(path=None, largest=13, seeds=200, dev=60, test=100, seed=0)


def numbers(question: str) -> tuple[int, ...]:
    return tuple(map(int, question.split()))


# ---- the solver


def test_there_are_1362_puzzles_and_they_are_found_in_time() -> None:
    for cached in (make24.classic_puzzles, make24.puzzle_level, make24.solution_forms):
        cached.cache_clear()
    start = time.process_time()
    puzzles = make24.classic_puzzles()
    assert time.process_time() - start < 4  # 1 s on a core of its own
    assert len(puzzles) == len(set(puzzles)) == 1362
    assert Counter(map(make24.puzzle_level, puzzles)) == {
        0: 228,
        1: 218,
        2: 209,
        3: 306,
        4: 401,
    }
    assert sum(map(make24.needs_fraction, puzzles)) == 16


def test_solutions_are_right_and_there_are_none_for_the_others() -> None:
    solvable = set(make24.classic_puzzles())
    for puzzle in solvable:
        text = make24.first_solution(puzzle)
        assert verify_game24(" ".join(map(str, puzzle)), str(text)).outcome == "right"
        steps = [line.split(" (left: ") for line in str(text).split("\n")[:3]]
        assert len(steps) == 3
        assert not any(
            "-" in word[1:] or word.startswith("-")
            for _, left in steps
            for word in left.split()
        )
        assert ("/" in "".join(left for _, left in steps)) == make24.needs_fraction(
            puzzle
        )
    others = [
        p for p in combinations_with_replacement(range(1, 14), 4) if p not in solvable
    ]
    assert len(others) == 1820 - 1362
    assert all(
        make24.first_solution(puzzle) is None for puzzle in Random(0).sample(others, 40)
    )


def test_ways_that_commute_or_associate_are_one() -> None:
    assert len(make24.solution_forms((6, 6, 6, 6), True, 24)) == 1
    ways = make24.solution_forms((6, 6, 6, 6), True, 24)[24]
    assert {(form.kind, form.up, form.down) for form in ways} >= {
        ("+", ("6", "6", "6", "6"), ())
    }
    assert make24.solution_forms((2, 3), True) == {
        5: {make24.SolutionForm("+", ("2", "3"), ())},
        6: {make24.SolutionForm("*", ("2", "3"), ())},
        1: {make24.SolutionForm("+", ("3",), ("2",))},
    }
    assert make24.puzzle_level((3, 3, 8, 8)) == 4
    assert make24.puzzle_level((1, 1, 1, 1)) is None
    assert make24.puzzle_level((4, 5, 6, 10)) is not None


# ---- the program


def rows(task: Task, seed: Example, n: int) -> list[Exercise]:
    assert task.write is not None
    return [task.write(seed, draw(0, 0, "teacher", seed.id, k)) for k in range(n)]


def test_the_program_writes_right_rows_that_are_in_no_split(task: Task) -> None:
    taken = {task.key(row.question) for row in (*task.seeds, *task.dev, *task.test)}
    assert len(taken) == 360
    written = [row for seed in task.seeds for row in rows(task, seed, 20)]
    assert all(
        task.verify(row.question, row.text).outcome == "right" for row in written
    )
    questions = {task.key(row.question) for row in written}
    assert not questions & taken
    assert len(questions) > 950  # of the 1002 that are left
    assert max(max(numbers(question)) for question in questions) == 13


def test_the_same_draw_is_the_same_exercise(task: Task) -> None:
    assert rows(task, task.seeds[0], 8) == rows(task, task.seeds[0], 8)
    assert len(set(rows(task, task.seeds[0], 8))) > 4
    again = load_game24(path=None, largest=13, seeds=200, dev=60, test=100, seed=0)
    assert rows(again, task.seeds[3], 8) == rows(task, task.seeds[3], 8)


@pytest.mark.parametrize(
    ("level", "shares"),
    [
        (0, (0.8, 0.2, 0, 0, 0)),
        (2, (0, 0.2, 0.6, 0.2, 0)),
        (3, (0, 0, 0.2, 0.6, 0.2)),
        (4, (0, 0, 0, 0.2, 0.8)),
    ],
)
def test_levels_follow_the_seed(
    task: Task, level: int, shares: tuple[float, ...]
) -> None:
    seed = next(row for row in task.seeds if row.meta["level"] == level)
    found = Counter(
        make24.puzzle_level(numbers(row.question)) for row in rows(task, seed, 1000)
    )
    assert all(abs(found[i] / 1000 - share) < 0.05 for i, share in enumerate(shares))
    assert all(found[i] == 0 for i, share in enumerate(shares) if share == 0)


def test_puzzles_of_a_level_are_equally_likely() -> None:
    seed = puzzle_example((3, 3, 8, 8))
    drawn = Counter(
        write_puzzle(seed, Random(i), largest=13, taken=frozenset()).question
        for i in range(8000)
    )
    hardest = [
        n
        for question, n in drawn.items()
        if make24.puzzle_level(numbers(question)) == 4
    ]
    expected = sum(hardest) / 401
    assert len(hardest) == 401
    assert (
        sum((n - expected) ** 2 / expected for n in hardest) < 500
    )  # chi square of 400 degrees: 400 ± 28


@pytest.mark.parametrize("largest", [20, 30])
def test_an_open_world_has_larger_numbers(largest: int) -> None:
    task = load_game24(path=None, largest=largest, seeds=30, dev=30, test=30, seed=0)
    written = [row for seed in task.seeds for row in rows(task, seed, 4)]
    assert all(
        task.verify(row.question, row.text).outcome == "right" for row in written
    )
    above = sum(max(numbers(row.question)) > 13 for row in written)
    assert above > 0.6 * len(written)
    assert max(max(numbers(row.question)) for row in written) in (largest - 1, largest)
    assert (
        max(max(numbers(row.question)) for row in (*task.seeds, *task.dev, *task.test))
        == 13
    )
    assert len({row.question for row in written}) > 0.95 * len(written)


def test_an_empty_level_and_a_seed_that_is_no_puzzle_are_refused() -> None:
    everything = frozenset(
        " ".join(map(str, puzzle)) for puzzle in make24.classic_puzzles()
    )
    with pytest.raises(ConfigError, match="level"):
        write_puzzle(
            puzzle_example((3, 3, 8, 8)), Random(0), largest=13, taken=everything
        )
    for question in ("1 1 1 1", "one two"):
        with pytest.raises(DataError, match="seed s"):
            write_puzzle(
                Example("s", question), Random(0), largest=13, taken=frozenset()
            )


# ---- splits


def test_splits_of_the_closed_world(task: Task) -> None:
    assert (len(task.seeds), len(task.dev), len(task.test)) == (200, 60, 100)
    assert len({row.id for row in (*task.seeds, *task.dev, *task.test)}) == 360
    assert (task.exact, task.templated, task.by) == (True, True, ("level",))
    for row in (*task.seeds, *task.dev, *task.test):
        assert task.grade(row, str(task.target(row))).outcome == "right"
        assert row.meta == {
            "level": make24.puzzle_level(numbers(row.question)),
            "integer_solution": "/" not in left(row),
        }
    more = load_game24(path=None, largest=13, seeds=300, dev=60, test=100, seed=0)
    assert (more.seeds[:200], more.dev, more.test) == (task.seeds, task.dev, task.test)
    assert (
        load_game24(path=None, largest=13, seeds=200, dev=60, test=100, seed=1).test
        != task.test
    )


def left(row: Example) -> str:
    return "".join(line.partition("(left")[2] for line in str(row.solution).split("\n"))


def test_what_can_not_be_split_is_refused() -> None:
    with pytest.raises(DataError, match="too few rows for seeds"):
        load_game24(path=None, largest=13, seeds=1300, dev=60, test=100, seed=0)
    with pytest.raises(ConfigError, match="largest"):
        load_game24(path=None, largest=12, seeds=10, dev=10, test=10, seed=0)
    with pytest.raises(ConfigError, match="test"):
        load_game24(path=None, largest=13, seeds=10, dev=10, test=None, seed=0)


def put(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    (folder / f"game24_{name}.jsonl").write_text(
        "\n".join(map(json.dumps, rows)), encoding="utf-8"
    )


def as_row(puzzle: tuple[int, ...], **changes: object) -> dict[str, object]:
    row = puzzle_example(puzzle)
    return {
        "id": row.id,
        "question": row.question,
        "answer": "24",
        "solution": row.solution,
        "meta": {},
        **changes,
    }


def test_files_are_split_by_key_whatever_their_order(tmp_path: Path) -> None:
    given = [as_row(puzzle) for puzzle in make24.classic_puzzles()[:120]]
    put(
        tmp_path,
        "test",
        [
            {**row, "id": f"t{i}", "meta": {"rank": 900 + i}}
            for i, row in enumerate(given[:30])
        ],
    )
    put(tmp_path, "train", given)  # the test's puzzles among them: they stay in test
    first = load_game24(path=tmp_path, largest=13, seeds=70, dev=20, test=None, seed=0)
    assert {row.meta["rank"] for row in first.test} == {900 + i for i in range(30)}
    keys = [
        {first.key(row.question) for row in rows}
        for rows in (first.seeds, first.dev, first.test)
    ]
    assert [len(k) for k in keys] == [70, 20, 30]
    assert not any(a & b for a, b in pairwise([*keys, keys[0]]))
    put(tmp_path, "train", given[::-1])
    again = load_game24(path=tmp_path, largest=13, seeds=60, dev=20, test=10, seed=0)
    assert (again.seeds, again.dev, again.test) == (
        first.seeds[:60],
        first.dev,
        first.test[:10],
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": "1 1 1 1"}, "not four numbers that make 24"),
        ({"question": "4 5 6"}, "not four numbers"),
        ({"solution": "Answer: 1 + 1"}, "its solution is wrong"),
        ({"solution": "no idea"}, "its solution is unparsed"),
        ({"question": 24}, "no question"),
    ],
)
def test_bad_rows_are_refused_by_name(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    put(tmp_path, "test", [as_row((4, 5, 6, 10))])
    put(tmp_path, "train", [as_row((1, 2, 3, 4)), as_row((3, 3, 8, 8), **change)])
    with pytest.raises(DataError, match=message):
        load_game24(path=tmp_path, largest=13, seeds=1, dev=1, test=None, seed=0)


def test_a_row_without_solution_gets_one(tmp_path: Path) -> None:
    put(tmp_path, "test", [as_row((4, 5, 6, 10))])
    put(
        tmp_path,
        "train",
        [as_row((1, 2, 3, 4), solution=None), as_row((3, 3, 8, 8), solution=None)],
    )
    task = load_game24(path=tmp_path, largest=13, seeds=1, dev=1, test=None, seed=0)
    assert all(
        task.grade(row, str(task.target(row))).outcome == "right"
        for row in (*task.seeds, *task.dev)
    )
