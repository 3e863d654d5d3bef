"""Game of 24: four numbers, each used once with + - * /, make 24.

The data is that of Tree of Thoughts (arXiv 2305.10601). The answer is an expression, and only
the expression is graded. The steps before it help to find it, but whoever finds it without them
has solved the puzzle. `make24` solves puzzles and says how hard they are.

With numbers of 1..13 the world is closed: 1362 puzzles can be solved, so any generator makes
those of the test too. `write_puzzle` never hands out one of dev or test, by their key. Few
puzzles are new near the end of a long run: 500 draws from a thousand puzzles are some 400
different ones, and the others are refused as duplicates. With a `largest` above 13 the
program's puzzles hardly repeat; dev and test stay within 1..13.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..errors import ConfigError, DataError
from ..files.json_rows import read_jsonl
from ..types import Example, Exercise, PositiveInt, Scalar, Settings, Task
from . import make24
from .game24_answers import (
    game24_key,
    grade_game24,
    puzzle_target,
    puzzle_text,
    read_puzzle,
    verify_game24,
)
from .make24 import GOAL, LEVELS, MAX_CLASSIC_NUMBER, Puzzle
from .splits import SplitSizes, exclude_exercises, split_examples
from .table import ExampleColumns, examples_from_rows

MAX_PUZZLE_DRAWS = 20_000  # for one exercise; 1820 puzzles have four numbers up to 13
# The example is no puzzle of any split: its numbers are too large.
GAME24_PROMPT = """\
Use each of the four numbers exactly once, with + - * / and parentheses, to make 24.
Write one step a line with the numbers that are left, then the whole expression. \
For 2 2 40 60, that is:
60 - 40 = 20 (left: 2 2 20)
2 + 2 = 4 (left: 20 4)
20 + 4 = 24 (left: 24)
Answer: (60 - 40) + (2 + 2) = 24

Numbers: """


def game24_prompt(question: str) -> str:
    """The rules and the form of the answer, then the puzzle."""
    return GAME24_PROMPT + question


def write_puzzle(
    seed: Example,
    rng: Random,
    *,
    largest: int,
    taken: frozenset[str],
) -> Exercise:
    """A puzzle of the seed's level (probability 0.6), or one level easier or harder (0.2 each).

    Levels are clipped at the ends. The puzzle is drawn uniformly from all sets of four numbers
    in 1..largest that have this level and whose key isn't `taken`. Raises DataError for a seed
    that is no puzzle, and ConfigError when MAX_PUZZLE_DRAWS draws find none.
    """
    level = seed_level(seed) + rng.choices((0, -1, 1), (0.6, 0.2, 0.2))[0]
    level = min(max(level, LEVELS[0]), LEVELS[1])
    for _ in range(MAX_PUZZLE_DRAWS):
        # Four different places of largest + 3, each less the number of places before it: so
        # every multiset is equally likely.
        places = sorted(rng.sample(range(1, largest + 4), 4))
        puzzle = tuple(place - i for i, place in enumerate(places))
        if make24.has_level(puzzle, level) and puzzle_text(puzzle) not in taken:
            return Exercise(puzzle_text(puzzle), str(make24.first_solution(puzzle)))
    raise ConfigError(
        f"game24: no puzzle of level {level} was found that isn't in the splits",
        got=f"{len(taken)} in the splits, numbers up to {largest}",
        fix="smaller splits, or a larger task.largest",
    )


def solve_game24(question: str) -> str | None:
    """The text that answers a question; None for no puzzle, or one without a solution."""
    puzzle = read_puzzle(question)
    return None if puzzle is None else make24.first_solution(puzzle)


def seed_level(seed: Example) -> int:
    puzzle = read_puzzle(seed.question)
    level = None if puzzle is None else make24.puzzle_level(puzzle)
    if level is None:
        raise DataError(
            f"seed {seed.id}: not four numbers that make {GOAL}",
            got=seed.question[:80],
        )
    return level


class Game24Settings(Settings):
    """Four numbers that make 24. With a path, test is the published one."""

    name: Literal["game24"]
    # A folder with game24_train.jsonl and game24_test.jsonl.
    path: Path | None = None
    # The largest number in the program's puzzles. Above 13 the world is open.
    largest: Annotated[int, Field(ge=13, le=30)] = 13
    seeds: PositiveInt = 200
    dev: PositiveInt = 60
    test: PositiveInt | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _check_test(self) -> "Game24Settings":
        if self.path is None and self.test is None:
            raise ValueError(
                "test: say how many puzzles to set aside, or give task.path for the published test"
            )
        return self


def load_game24(
    *,
    path: Path | None,
    largest: int,
    seeds: int,
    dev: int,
    test: int | None,
    seed: int,
) -> Task:
    """The task, with splits that share no puzzle.

    path: a folder with game24_train.jsonl, from which seeds and dev come, and
    game24_test.jsonl, the published test (ranks 901 to 1000). Without a path all 1362 puzzles
    are split; their ranks, by how people did, are only known from the file. Either way a hash
    of (seed, key) decides, so a file's order doesn't matter.
    largest: of the numbers in the program's puzzles, 13 or more.
    test: None takes all of the published test.

    The program never writes a puzzle of dev or of the whole published test. Nor does it write a
    seed, which would be refused as a duplicate. The task is `templated`: with numbers masked
    every question is "# # # #", so only `key` tells them apart.

    Raises ConfigError, and DataError for rows that are bad or too few.
    """
    check_game24_settings(path, largest, test)
    published_test = None
    if path is None:
        train = classic_examples()
    else:
        published_test = read_puzzle_file(path / "game24_test.jsonl")
        train = read_puzzle_file(path / "game24_train.jsonl")
        train = exclude_exercises(train, published_test, game24_key)
    sizes = SplitSizes(seeds, dev, test)
    splits = split_examples(
        train, sizes, key=game24_key, test=published_test, seed=seed
    )

    examples = [*splits.seeds, *splits.dev, *splits.test, *(published_test or [])]
    taken = frozenset(game24_key(example.question) for example in examples)
    return Task(
        name="game24",
        seeds=splits.seeds,
        dev=splits.dev,
        test=splits.test,
        prompt=game24_prompt,
        target=puzzle_target,
        grade=grade_game24,
        verify=verify_game24,
        exact=True,
        key=game24_key,
        write=partial(write_puzzle, largest=largest, taken=taken),
        templated=True,
        by=("level",),
    )


def check_game24_settings(path: Path | None, largest: int, test: int | None) -> None:
    """Raises ConfigError."""
    if largest < MAX_CLASSIC_NUMBER:
        raise ConfigError(
            "game24: largest is too small",
            got=largest,
            allowed=f"{MAX_CLASSIC_NUMBER} or more",
        )
    if path is None and test is None:
        raise ConfigError(
            "game24: without a path there is no published test",
            fix="say how many puzzles to set aside: test",
        )


def classic_examples() -> list[Example]:
    return [puzzle_example(puzzle) for puzzle in make24.classic_puzzles()]


def puzzle_example(puzzle: Puzzle) -> Example:
    return Example(
        id=f"game24-{'-'.join(map(str, puzzle))}",
        question=puzzle_text(puzzle),
        answer=str(GOAL),
        solution=make24.first_solution(puzzle),
        meta=puzzle_meta(puzzle),
    )


def puzzle_meta(puzzle: Puzzle) -> dict[str, Scalar]:
    return {
        "level": make24.puzzle_level(puzzle),
        "integer_solution": not make24.needs_fraction(puzzle),
    }


def read_puzzle_file(file: Path) -> list[Example]:
    examples = examples_from_rows(read_jsonl(file), str(file), ExampleColumns())
    return [checked_puzzle_row(example, file) for example in examples]


def checked_puzzle_row(example: Example, file: Path) -> Example:
    """The row with its level, its rank if the file has one, and a solution.

    The solution is ours if the file has none. Raises DataError for a row that is no puzzle, or
    whose solution is wrong.
    """
    where = f"{file}, row {example.id}"
    puzzle = read_puzzle(example.question)
    if puzzle is None or make24.puzzle_level(puzzle) is None:
        raise DataError(
            f"{where}: not four numbers that make {GOAL}",
            got=example.question[:80],
        )
    solution = example.solution
    if solution is None:
        solution = str(make24.first_solution(puzzle))
    grade = verify_game24(example.question, solution)
    if grade.outcome != "right":
        raise DataError(f"{where}: its solution is {grade.outcome}", got=grade.reason)

    meta = puzzle_meta(puzzle)
    if "rank" in example.meta:
        meta["rank"] = example.meta["rank"]
    return replace(example, answer=str(GOAL), solution=solution, meta=meta)
