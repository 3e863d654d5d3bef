"""How many rows for what: small enough for minutes on a laptop, and so that a reserve remains."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import DataError
from ..tasks.keys import text_key
from ..tasks.splits import (
    Splits,
    SplitSizes,
    exclude_exercises,
    split_examples,
    unique_in_hash_order,
    with_gold_answers,
)
from ..types import Example, Scalar
from .survey import Survey

# Rows from which on the numbers below are taken as they are; a smaller file is shared out alike.
FULL = 300
SEEDS, DEV, TEST, PER_ROUND, ROUNDS = 48, 40, 100, 16, 3
OWN_TEST = 200  # at most, of a test file
FEWEST = 30  # answered rows
LEAST = 8  # seeds, and dev questions
READ = 200  # rows of a reserve: the untuned student reads each of them once
VALUES = range(2, 13)
FIELDS = 4  # at most, to break accuracy down by


@dataclass(frozen=True)
class Shares:
    """sizes: as the task takes them. reserve: rows with something to train on that are no seed,
    dev or test.

    by: the meta fields of dev and test worth breaking accuracy down by.
    """

    sizes: SplitSizes
    splits: Splits
    per_round: int
    rounds: int
    reserve: tuple[Example, ...]
    by: tuple[str, ...]

    @property
    def pairs(self) -> int:
        return self.per_round * self.rounds


def share(survey: Survey) -> Shares:
    """Raises DataError where too little is left for seeds or dev."""
    dev, test = (held.examples if held else None for held in (survey.dev, survey.test))
    pool = unique_in_hash_order(survey.examples, text_key)
    for held in (test, dev):
        pool = exclude_exercises(pool, held or (), text_key)
    n_dev, n_test = for_measuring(
        len(pool), len(with_gold_answers(pool)), dev, test, survey
    )
    scale = min(1.0, len(pool) / FULL)
    n_seeds, per_round = (
        max(LEAST, round(SEEDS * scale)),
        max(LEAST // 2, round(PER_ROUND * scale)),
    )
    aside = (0 if dev is not None else n_dev) + (0 if test is not None else n_test)
    if len(pool) - aside < n_seeds:
        raise DataError(
            f"{survey.path}: too few rows for seeds",
            got=f"{len(pool)} different questions, {aside} of them set aside to measure on",
            allowed=f"at least {LEAST + aside}",
        )
    sizes = SplitSizes(n_seeds, n_dev, n_test or None)
    splits = split_examples(survey.examples, sizes, key=text_key, dev=dev, test=test)
    reserve = exclude_exercises(
        [e for e in pool if teaches(e)],
        [*splits.seeds, *splits.dev, *splits.test],
        text_key,
    )
    return Shares(
        sizes,
        splits,
        per_round,
        ROUNDS,
        tuple(reserve),
        fields([*splits.dev, *splits.test]),
    )


def for_measuring(
    n: int,
    n_answered: int,
    dev: tuple[Example, ...] | None,
    test: tuple[Example, ...] | None,
    survey: Survey,
) -> tuple[int, int]:
    """How many rows for dev and test: of their own files, or of the file's rows that have an
    answer.
    """
    if dev is None and n_answered < FEWEST:
        raise DataError(
            f"{survey.path}: too few answered rows to set some aside to measure on",
            got=f"{n_answered} different ones of {n}",
            allowed=f"at least {FEWEST}, or a file of their own beside it "
            f"({survey.path.stem}_dev.jsonl)",
        )
    scale = min(1.0, n / FULL)
    own_test = (
        min(OWN_TEST, len(unique_in_hash_order(test, text_key)))
        if test is not None
        else 0
    )
    own_dev = (
        min(
            DEV,
            len(
                exclude_exercises(
                    unique_in_hash_order(dev, text_key), test or (), text_key
                )
            ),
        )
        if dev is not None
        else 0
    )
    n_dev = own_dev or max(LEAST, round(DEV * scale))
    n_test = own_test or (round(TEST * scale) if n >= 2 * FEWEST else 0)
    if dev is None and n_answered < n_dev + (0 if own_test else n_test):
        return min(n_dev, n_answered), own_test
    return n_dev, own_test or min(n_test, n_answered)


def teaches(e: Example) -> bool:
    return e.solution is not None or e.answer is not None


def fields(measured: list[Example]) -> tuple[str, ...]:
    """Those with 2 to 12 values, three rows a value or more, in at least half of the rows."""
    names = {name: None for e in measured for name in e.meta}
    return tuple(name for name in names if tells(e.meta.get(name) for e in measured))[
        :FIELDS
    ]


def tells(found: Iterable[Scalar]) -> bool:
    every = list(found)
    values = [v for v in every if v is not None]
    different = len(set(map(str, values)))
    whole = not any(isinstance(v, float) for v in values)
    return (
        whole
        and different in VALUES
        and 3 * different <= len(values)
        and 2 * len(values) >= len(every)
    )
