"""Seeds, dev and test without a common exercise.

Rows are split by a hash of each question's key, so a file's order doesn't matter. Questions that
two rows answer differently are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from ..errors import DataError
from ..types import Example
from .conflicts import conflict_note, drop_conflicts


@dataclass(frozen=True)
class SplitSizes:
    """How many rows of each split."""

    seeds: int | None = None  # None: all that are left
    # None: all rows of the split's own file; 0 rows if it has no file of its own.
    dev: int | None = None
    test: int | None = None


@dataclass(frozen=True)
class Splits:
    seeds: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    # On rows that were left out because they contradict each other.
    notes: tuple[str, ...] = ()


def split_examples(
    train: Sequence[Example],
    sizes: SplitSizes,
    *,
    key: Callable[[str], str],
    dev: Sequence[Example] | None = None,
    test: Sequence[Example] | None = None,
    seed: int = 0,
) -> Splits:
    """Takes seeds from `train`, and dev and test from their own rows or, without them, `train`.

    An exercise that occurs in several of them stays in test, or else in dev. Seeds may lack
    answers; dev and test may not. Raises DataError for splits that ask for more rows than there
    are, and for empty seeds or dev.
    """
    # Each question's key is needed several times, and is slow in a file of many rows.
    key = cache(key)
    pool = unique_in_hash_order(train, key, seed)

    tests: list[Example] = []
    if test is not None:
        tests = unique_in_hash_order(test, key, seed)
    elif sizes.test:
        tests = with_gold_answers(pool)
    tests = take_rows(require_answers(tests, "test"), sizes.test, "test")
    pool = exclude_exercises(pool, tests, key)

    devs: list[Example] = []
    if dev is not None:
        devs = exclude_exercises(unique_in_hash_order(dev, key, seed), tests, key)
    elif sizes.dev:
        devs = with_gold_answers(pool)
    devs = take_rows(require_answers(devs, "dev"), sizes.dev, "dev")
    if not devs:
        raise DataError(
            "nothing to evaluate on",
            fix="give dev rows, or set some of the seeds' rows aside",
        )

    seeds = take_rows(exclude_exercises(pool, devs, key), sizes.seeds, "seeds")
    if not seeds:
        raise DataError(
            "no rows are left for seeds",
            fix="set fewer rows aside for dev and test",
        )
    sources = {"the seeds": train, "dev": dev or (), "test": test or ()}
    notes = [
        conflict_note(dropped, name)
        for name, rows in sources.items()
        if (dropped := drop_conflicts(rows, key)[1])
    ]
    return Splits(tuple(seeds), tuple(devs), tuple(tests), tuple(notes))


def unique_in_hash_order(
    examples: Sequence[Example],
    key: Callable[[str], str],
    seed: int = 0,
) -> list[Example]:
    """One example per exercise, the first by id, in the order of a hash of (seed, key).

    Without the exercises that two examples answer differently.
    """
    key = cache(key)
    consistent, _ = drop_conflicts(examples, key)
    by_key = {}
    for example in sorted(consistent, key=content_order, reverse=True):
        by_key[key(example.question)] = example  # the last one stays: the first by id

    def hash_order(exercise: str) -> tuple[bytes, str]:
        return sha256(f"{seed}/{exercise}".encode()).digest(), exercise

    return [by_key[exercise] for exercise in sorted(by_key, key=hash_order)]


def content_order(example: Example) -> tuple[str, ...]:
    """Sorts by id. Rows without an id may have the same one, so the rest of a row counts too."""
    texts = (example.question, example.answer or "", example.solution or "")
    return (example.id, *texts, repr(sorted(example.meta.items())))


def exclude_exercises(
    examples: Sequence[Example],
    others: Sequence[Example],
    key: Callable[[str], str],
) -> list[Example]:
    """The examples whose exercise isn't among the others'."""
    excluded = {key(e.question) for e in others}
    if not excluded:
        return list(examples)
    return [e for e in examples if key(e.question) not in excluded]


def with_gold_answers(examples: Sequence[Example]) -> list[Example]:
    return [e for e in examples if e.answer is not None]


def require_answers(examples: list[Example], split: str) -> list[Example]:
    missing = [e.id for e in examples if e.answer is None]
    if missing:
        raise DataError(
            f"{len(missing)} rows of {split} have no answer",
            got=", ".join(missing[:5]),
            fix="seeds may lack answers, dev and test may not: name the column that holds them",
        )
    return examples


def take_rows(examples: Sequence[Example], n: int | None, split: str) -> list[Example]:
    if n is not None and len(examples) < n:
        raise DataError(
            f"too few rows for {split}",
            got=f"{len(examples)} different ones, {n} asked for",
            fix="ask for fewer",
        )
    return list(examples[:n])
