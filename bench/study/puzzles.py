"""Game of 24 for a student of the study's size: can it learn it?

It is a closed world of 1362 puzzles. The student is made on KNOWN of them, in every
order of their numbers. A third of the seeds are known puzzles, the rest are new; dev and
test are new. The prompt is the numbers alone.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from random import Random
from typing import Any

from teachback.tasks import game24, make24
from teachback.types import Example, Task

KNOWN = 500
LARGEST = make24.MAX_CLASSIC_NUMBER


def puzzles(options: Mapping[str, Any], repeat: int) -> Task:
    """The same in every repeat, because the world is small. Options:

    seeds, dev, test: numbers of puzzles.
    """
    task = load_task(options["dev"], options["test"])
    first = KNOWN - options["seeds"] // 3
    seeds = task.seeds[first : first + options["seeds"]]
    examples = (*seeds, *task.dev, *task.test)
    taken = frozenset(task.key(example.question) for example in examples)
    write = partial(game24.write_puzzle, largest=LARGEST, taken=taken)
    return replace(task, name="puzzles", seeds=seeds, prompt=str, write=write)


@cache
def load_task(dev: int = 60, test: int = 200) -> Task:
    return game24.load_game24(
        path=None, largest=LARGEST, seeds=1000, dev=dev, test=test, seed=1
    )


def known_puzzles() -> tuple[Example, ...]:
    return load_task().seeds[:KNOWN]


def shuffle_numbers(puzzle: Example, rng: Random) -> Example:
    numbers = puzzle.question.split()
    return replace(puzzle, question=" ".join(rng.sample(numbers, len(numbers))))
