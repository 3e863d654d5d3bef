"""Seeds, dev and test that share no exercise, by a hash of each question's key: the order of a file doesn't matter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ..errors import DataError
from ..types import Example


@dataclass(frozen=True)
class Sizes:
    """How many rows of each split; None: all there are. Of dev and test, None without a file of their own means 0."""

    seeds: int | None = None
    dev: int | None = None
    test: int | None = None


@dataclass(frozen=True)
class Splits:
    seeds: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]


def split(
    train: Sequence[Example],
    sizes: Sizes,
    *,
    key: Callable[[str], str],
    dev: Sequence[Example] | None = None,
    test: Sequence[Example] | None = None,
    seed: int = 0,
) -> Splits:
    """Seeds from `train`, and dev and test from rows of their own or, without them, set aside from `train`.

    An exercise that occurs in several of them stays in test, or else in dev. Seeds may lack answers; what is measured
    on may not. Raises DataError for splits that ask for more than there is, and for empty seeds or dev.
    """
    pool = by_hash(train, key, seed)
    tests = (
        by_hash(test, key, seed)
        if test is not None
        else answered(pool)
        if sizes.test
        else []
    )
    tests = take(with_answers(tests, "test"), sizes.test, "test")
    pool = without(pool, tests, key)
    devs = (
        without(by_hash(dev, key, seed), tests, key)
        if dev is not None
        else answered(pool)
        if sizes.dev
        else []
    )
    devs = take(with_answers(devs, "dev"), sizes.dev, "dev")
    if not devs:
        raise DataError(
            "nothing to evaluate on",
            fix="give dev rows, or set some of the seeds' rows aside",
        )
    seeds = take(without(pool, devs, key), sizes.seeds, "seeds")
    if not seeds:
        raise DataError(
            "no rows are left for seeds", fix="set fewer rows aside for dev and test"
        )
    return Splits(tuple(seeds), tuple(devs), tuple(tests))


def by_hash(
    examples: Sequence[Example], key: Callable[[str], str], seed: int = 0
) -> list[Example]:
    """In an order that doesn't depend on the file's; of those that are the same exercise, the first by id."""
    one_each = {
        key(e.question): e for e in sorted(examples, key=lambda e: e.id, reverse=True)
    }
    return [
        one_each[k]
        for k in sorted(
            one_each, key=lambda k: (sha256(f"{seed}/{k}".encode()).digest(), k)
        )
    ]


def without(
    examples: Sequence[Example], others: Sequence[Example], key: Callable[[str], str]
) -> list[Example]:
    taken = {key(e.question) for e in others}
    return [e for e in examples if key(e.question) not in taken]


def answered(examples: Sequence[Example]) -> list[Example]:
    return [e for e in examples if e.answer is not None]


def with_answers(examples: list[Example], name: str) -> list[Example]:
    if missing := [e.id for e in examples if e.answer is None]:
        raise DataError(
            f"{len(missing)} rows of {name} have no answer",
            got=", ".join(missing[:5]),
            fix="seeds may lack answers, dev and test may not: name the column that holds them",
        )
    return examples


def take(examples: Sequence[Example], n: int | None, name: str) -> list[Example]:
    if n is not None and len(examples) < n:
        raise DataError(
            f"too few rows for {name}",
            got=f"{len(examples)} different ones, {n} asked for",
            fix="ask for fewer",
        )
    return list(examples[:n])
