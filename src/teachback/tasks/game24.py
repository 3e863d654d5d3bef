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

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..errors import ConfigError, DataError
from ..graders.final import MAX_ANSWER_CHARS
from ..types import Example, Grade, PositiveInt, Scalar, Settings, Task, Written
from . import make24
from .expression import read_equation
from .jsonl_file import read_jsonl
from .keys import text_key
from .make24 import GOAL, LEVELS, MAX_CLASSIC_NUMBER, Puzzle
from .splits import SplitSizes, exclude_exercises, split_examples
from .table import ExampleColumns, examples_from_rows

MAX_PUZZLE_DRAWS = 20_000  # for one exercise; 1820 puzzles have four numbers up to 13
MAX_PUZZLE_CHARS = 200
FOUR_NUMBERS = re.compile(r"[0-9]{1,3}(?:[ \t\n,;]{1,9}[0-9]{1,3}){3}")
# Not graders.final: a "*" is a sign here. As prose, "(1 * 2) + (3 * 4)" has words in bold type.
EXPRESSION_MARK = re.compile(
    r"\banswer\b(?:[ \t]is)?[ \t*_]{0,5}:(?:\*\*)?|(?<!#)####(?!#)|\\boxed(?=\{)",
    re.IGNORECASE,
)
BRACE = re.compile(r"[{}]")
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


def puzzle_target(example: Example) -> str | None:
    """The solution as it is: it ends in "Answer: …"."""
    return example.solution


def grade_game24(example: Example, text: str) -> Grade:
    """Right if the final answer uses the question's numbers, each once, and makes exactly 24.

    If the answer is an equation, all its sides must be 24. The final answer follows the last
    "Answer:" or "####", on its line or the next, or is in the last \\boxed{}. The grade is
    "unparsed" without one, or if it is no expression (see `expression.read_equation`). Steps
    are not graded.
    """
    return verify_game24(example.question, text)


def verify_game24(question: str, text: str) -> Grade:
    """As `grade_game24`, which needs no gold answer either.

    A question that isn't four numbers from 1 to 999 is "unparsed". One that has no solution is
    "wrong" whatever the answer, and the reason says so.
    """
    puzzle = read_puzzle(question)
    answer = final_expression(text)
    if puzzle is None:
        reason = "the question is not four whole numbers from 1 to 999"
        return Grade("unparsed", answer, reason=reason)
    if answer is None:
        reason = "no final answer: no 'Answer: …', no '#### …', no \\boxed{…}"
        return Grade("unparsed", reason=reason)
    try:
        flaw = expression_flaw(puzzle, answer)
    except ValueError as error:
        return Grade("unparsed", answer, reason=f"no expression: {error}")
    if flaw is None:
        return Grade("right", answer, True)
    if make24.first_solution(puzzle) is None:
        flaw = f"the numbers of the question can't make {GOAL}"
    return Grade("wrong", answer, reason=flaw)


def expression_flaw(puzzle: Puzzle, answer: str) -> str | None:
    """What is wrong with an expression, or None. Raises ValueError if it can't be read."""
    try:
        sides = read_equation(answer)
    except ZeroDivisionError:
        return "it divides by zero"
    numbers = sides[0].numbers
    if tuple(sorted(numbers)) != puzzle:
        return f"it uses {puzzle_text(numbers)}, not {puzzle_text(puzzle)} once each"
    for side in sides:
        if side.value != GOAL:
            return f"{str(side.value)[:40]} is not {GOAL}"
    return None


def puzzle_text(numbers: Sequence[int]) -> str:
    """The numbers in ascending order: "4 5 6 10"."""
    return " ".join(map(str, sorted(numbers)))[:80]


def final_expression(text: str) -> str | None:
    """What follows the last mark; None without one. Time is linear in the text's length."""
    marks = list(EXPRESSION_MARK.finditer(text))
    if not marks:
        return None
    last = marks[-1]
    rest = text[last.end() : last.end() + MAX_ANSWER_CHARS]
    if last[0].startswith("\\"):
        return boxed_expression(rest)
    first_line, *_ = rest.lstrip().split("\n", 1)
    return first_line.strip() or None


def boxed_expression(rest: str) -> str | None:
    """What is in the braces that `rest` begins with."""
    depth = 0
    for brace in BRACE.finditer(rest):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return rest[1 : brace.start()].strip() or None
    return None


def read_puzzle(question: str) -> Puzzle | None:
    """The four numbers in ascending order; None for any other question."""
    if len(question) > MAX_PUZZLE_CHARS:
        return None
    text = question.strip()
    if FOUR_NUMBERS.fullmatch(text) is None:
        return None
    numbers = sorted(map(int, re.findall("[0-9]+", text)))
    return tuple(numbers) if numbers[0] > 0 else None


def game24_key(question: str) -> str:
    """The numbers in ascending order, or a hash of a text that is no puzzle."""
    puzzle = read_puzzle(question)
    return text_key(question) if puzzle is None else puzzle_text(puzzle)


def write_puzzle(
    seed: Example,
    rng: Random,
    *,
    largest: int,
    taken: frozenset[str],
) -> Written:
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
            return Written(puzzle_text(puzzle), str(make24.first_solution(puzzle)))
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
