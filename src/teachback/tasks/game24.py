"""Game of 24 (the data of Tree of Thoughts, arXiv 2305.10601): four numbers, each used once with + - * /, make 24.

The answer is an expression, and the expression is what is graded. The steps before it are not: they help to find it,
and someone who finds it without them has won. `make24` solves the puzzles and says how hard they are.

With numbers of 1..13 the world is closed: all 1362 puzzles that can be solved are known, so any generator of puzzles
makes those of the test. `write` never hands out one of dev or test, by their key. It also means that few are new near
the end of a long run: 500 draws from a thousand puzzles are some 400 different ones, and the rest is refused as
duplicates. With a `largest` above 13 the program's puzzles hardly repeat; dev and test stay within 1..13.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from ..errors import ConfigError, DataError
from ..types import Example, Grade, Scalar, Task, Written
from . import make24
from .expression import read_equation
from .jsonl_file import read_jsonl
from .keys import text_key
from .make24 import CLASSIC, GOAL, LEVELS, Puzzle
from .splits import Sizes, split, without
from .table import Columns, examples

TRIES = 20_000  # puzzles that are drawn for one exercise; there are 1820 of four numbers up to 13
LONGEST = 2000  # characters of a final answer
NUMBERS = re.compile(r"[0-9]{1,3}(?:[ \t\n,;]{1,9}[0-9]{1,3}){3}")
# A reader of our own: a "*" is a sign here. Read as prose, "(1 * 2) + (3 * 4)" has words in bold type.
MARK = re.compile(
    r"\banswer\b(?:[ \t]is)?[ \t*_]{0,5}:(?:\*\*)?|(?<!#)####(?!#)|\\boxed(?=\{)",
    re.IGNORECASE,
)
BRACE = re.compile(r"[{}]")
PROMPT = """\
Use each of the four numbers exactly once, with + - * / and parentheses, to make 24.
Write one step a line with the numbers that are left, then the whole expression. For 2 2 40 60, that is:
60 - 40 = 20 (left: 2 2 20)
2 + 2 = 4 (left: 20 4)
20 + 4 = 24 (left: 24)
Answer: (60 - 40) + (2 + 2) = 24

Numbers: """


def prompt(question: str) -> str:
    """The rule and the answer form, by an example that is no puzzle of any split: its numbers are too large."""
    return PROMPT + question


def target(example: Example) -> str | None:
    """The solution as it is: it ends in "Answer: …"."""
    return example.solution


def grade(example: Example, text: str) -> Grade:
    """Right: the final answer uses the question's numbers, each once, and makes 24 exactly; so does all after an "=".

    The final answer is what follows the last "Answer:" or "####" on its line or the next, or is in the last \\boxed{}.
    "unparsed" without one, or when it is no expression (see `expression.read_equation`). The steps are not judged.
    """
    return verify(example.question, text)


def verify(question: str, text: str) -> Grade:
    """As `grade`, which needs no gold answer either. A question that isn't four numbers from 1 to 999 is "unparsed";
    one that can't be solved is "wrong" whatever the answer, and the reason says so."""
    puzzle, answer = read_puzzle(question), final_expression(text)
    if puzzle is None:
        return Grade(
            "unparsed",
            answer,
            reason="the question is not four whole numbers from 1 to 999",
        )
    if answer is None:
        return Grade(
            "unparsed",
            reason="no final answer: no 'Answer: …', no '#### …', no \\boxed{…}",
        )
    try:
        reason = flaw(puzzle, answer)
    except ValueError as error:
        return Grade("unparsed", answer, reason=f"no expression: {error}")
    if reason and make24.solution(puzzle) is None:
        reason = f"the numbers of the question can't make {GOAL}"
    return Grade("wrong" if reason else "right", answer, not reason, reason)


def flaw(puzzle: Puzzle, answer: str) -> str | None:
    """What is wrong with an expression, or None. Raises ValueError if it can't be read."""
    try:
        expression, *others = read_equation(answer)
    except ZeroDivisionError:
        return "it divides by zero"
    if tuple(sorted(expression.numbers)) != puzzle:
        return f"it uses {shown(expression.numbers)}, not {shown(puzzle)} once each"
    wrong = next(
        (side.value for side in (expression, *others) if side.value != GOAL), GOAL
    )
    return None if wrong == GOAL else f"{str(wrong)[:40]} is not {GOAL}"


def shown(numbers: Sequence[int]) -> str:
    return " ".join(map(str, sorted(numbers)))[:80]


def final_expression(text: str) -> str | None:
    """What follows the last mark, without the mark; None without one. Linear in the text's length."""
    marks = list(MARK.finditer(text))
    if not marks:
        return None
    rest = text[marks[-1].end() : marks[-1].end() + LONGEST]
    if marks[-1][0].startswith("\\"):
        return boxed(rest)
    return rest.lstrip().split("\n", 1)[0].strip() or None


def boxed(rest: str) -> str | None:
    """Up to the brace that closes the first one."""
    depth = 0
    for brace in BRACE.finditer(rest):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return rest[1 : brace.start()].strip() or None
    return None


def read_puzzle(question: str) -> Puzzle | None:
    """The four numbers in ascending order; they may be set apart by commas. None for any other question."""
    text = question[:200].strip()
    if len(question) > 200 or NUMBERS.fullmatch(text) is None:
        return None
    numbers = sorted(map(int, re.findall("[0-9]+", text)))
    return tuple(numbers) if numbers[0] > 0 else None


def key(question: str) -> str:
    """The numbers in ascending order: "4 5 6 10". Any other question is known by a hash of its text, without spaces."""
    puzzle = read_puzzle(question)
    return text_key(question) if puzzle is None else shown(puzzle)


def write(
    seed: Example, rng: Random, *, largest: int, taken: frozenset[str]
) -> Written:
    """A puzzle of the seed's level (probability 0.6), or one level easier or harder (0.2 each, clipped at the ends).

    Drawn uniformly from all sets of four numbers in 1..largest that have this level and aren't `taken`, by key.
    Raises DataError for a seed that is no puzzle, ConfigError when TRIES draws find nothing.
    """
    wanted = level_of(seed) + rng.choices((0, -1, 1), (0.6, 0.2, 0.2))[0]
    wanted = min(max(wanted, LEVELS[0]), LEVELS[1])
    for _ in range(TRIES):
        # Four different places of largest + 3, less the number of those before each: every multiset is as likely.
        places = sorted(rng.sample(range(1, largest + 4), 4))
        puzzle = tuple(place - i for i, place in enumerate(places))
        if make24.has_level(puzzle, wanted) and shown(puzzle) not in taken:
            return Written(shown(puzzle), str(make24.solution(puzzle)))
    raise ConfigError(
        f"game24: no puzzle of level {wanted} was found that isn't in the splits",
        got=f"{len(taken)} in the splits, numbers up to {largest}",
        fix="smaller splits, or a larger task.largest",
    )


def solve(question: str) -> str | None:
    """The text that a question should be answered with; None for what is no puzzle, or has no solution."""
    puzzle = read_puzzle(question)
    return None if puzzle is None else make24.solution(puzzle)


def level_of(seed: Example) -> int:
    puzzle = read_puzzle(seed.question)
    level = None if puzzle is None else make24.level(puzzle)
    if level is None:
        raise DataError(
            f"seed {seed.id}: not four numbers that make {GOAL}", got=seed.question[:80]
        )
    return level


def load(
    *,
    path: Path | None,
    largest: int,
    seeds: int,
    dev: int,
    test: int | None,
    seed: int,
) -> Task:
    """The task with splits that share no puzzle; largest: of the numbers in the program's puzzles, 13 or more.

    path: a folder with game24_train.jsonl, from which seeds and dev come, and game24_test.jsonl, the published test
    (ranks 901 to 1000; test None: all of it). None: an honest split of our own of all 1362 puzzles (how hard they were
    for people, which the ranks go by, isn't known without the file). Either way by a hash of (seed, key), so the order
    of a file doesn't matter. The program never writes a puzzle of dev or of the published test, however much of that is
    used, nor a seed, which would be refused as a duplicate. `templated`: with its numbers masked every question is
    "# # # #", so only `key` tells them apart. Raises ConfigError and DataError (bad rows, or too few).
    """
    if largest < CLASSIC:
        raise ConfigError(
            "game24: largest is too small", got=largest, allowed=f"{CLASSIC} or more"
        )
    if path is None and test is None:
        raise ConfigError(
            "game24: without a path there is no published test",
            fix="say how many puzzles to set aside: test",
        )
    tests = None if path is None else rows(path / "game24_test.jsonl")
    train = (
        classic()
        if path is None
        else without(rows(path / "game24_train.jsonl"), tests or [], key)
    )
    splits = split(train, Sizes(seeds, dev, test), key=key, test=tests, seed=seed)
    everything = (*splits.seeds, *splits.dev, *splits.test, *(tests or []))
    return Task(
        name="game24",
        seeds=splits.seeds,
        dev=splits.dev,
        test=splits.test,
        prompt=prompt,
        target=target,
        grade=grade,
        verify=verify,
        exact=True,
        key=key,
        write=partial(
            write,
            largest=largest,
            taken=frozenset(key(example.question) for example in everything),
        ),
        templated=True,
        by=("level",),
    )


def classic() -> list[Example]:
    return [made(puzzle) for puzzle in make24.classic()]


def made(puzzle: Puzzle) -> Example:
    id = f"game24-{'-'.join(map(str, puzzle))}"
    return Example(id, shown(puzzle), str(GOAL), make24.solution(puzzle), about(puzzle))


def about(puzzle: Puzzle) -> dict[str, Scalar]:
    return {
        "level": make24.level(puzzle),
        "integer_solution": not make24.needs_fraction(puzzle),
    }


def rows(file: Path) -> list[Example]:
    return [
        checked(example, file)
        for example in examples(read_jsonl(file), str(file), Columns())
    ]


def checked(example: Example, file: Path) -> Example:
    """The row with its level, its rank where the file has one, and a solution (ours, where the file has none)."""
    where, puzzle = f"{file}, row {example.id}", read_puzzle(example.question)
    if puzzle is None or make24.level(puzzle) is None:
        raise DataError(
            f"{where}: not four numbers that make {GOAL}", got=example.question[:80]
        )
    solution = (
        example.solution
        if example.solution is not None
        else str(make24.solution(puzzle))
    )
    if (found := verify(example.question, solution)).outcome != "right":
        raise DataError(f"{where}: its solution is {found.outcome}", got=found.reason)
    rank = {name: example.meta[name] for name in ("rank",) if name in example.meta}
    return replace(
        example, answer=str(GOAL), solution=solution, meta={**about(puzzle), **rank}
    )
