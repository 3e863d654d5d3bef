"""Game of 24 for a student of the study's size, to see whether it learns it: a closed world of 1362 puzzles.

The student is made on KNOWN of them, in every order of their numbers. Seeds are a third known ones, the rest new; dev
and test are new. The prompt is the numbers alone.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from random import Random
from typing import Any

from teachback.tasks import game24, make24
from teachback.types import Example, Task

KNOWN, LARGEST = 500, make24.MAX_CLASSIC_NUMBER


def puzzles(options: Mapping[str, Any], repeat: int) -> Task:
    """seeds, dev, test: how many. The same in every repeat: the world is small."""
    task = split(options["dev"], options["test"])
    first = KNOWN - options["seeds"] // 3
    seeds = task.seeds[first : first + options["seeds"]]
    taken = frozenset(task.key(e.question) for e in (*seeds, *task.dev, *task.test))
    write = partial(game24.write_puzzle, largest=LARGEST, taken=taken)
    return replace(task, name="puzzles", seeds=seeds, prompt=str, write=write)


@cache
def split(dev: int = 60, test: int = 200) -> Task:
    return game24.load_game24(
        path=None, largest=LARGEST, seeds=1000, dev=dev, test=test, seed=1
    )


def known() -> tuple[Example, ...]:
    return split().seeds[:KNOWN]


def shuffled(puzzle: Example, rng: Random) -> Example:
    numbers = puzzle.question.split()
    return replace(puzzle, question=" ".join(rng.sample(numbers, len(numbers))))
