"""Decides how many rows are seeds, dev and test, and which are left for a pool to hand out.

The first run takes minutes on a laptop, and the pool has a row for every pair of the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

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

# Files of this size or more get the numbers below. Smaller files get less, in proportion.
FULL_SIZE_ROWS = 300
N_SEEDS = 48
N_DEV = 40
N_TEST = 100
N_PER_ROUND = 16
N_ROUNDS = 3
# Of a file for test: it costs no rows of the user's file, but each question takes time.
MAX_TEST_FILE_ROWS = 200
# With fewer, a dev set can't be spared. A file of twice as many can spare a test set too.
MIN_ANSWERED_ROWS = 30
# Of seeds, and of dev questions: fewer say nothing.
MIN_SPLIT_ROWS = 8
# A field that accuracy is broken down by has this many values, and this many rows for each.
FIELD_VALUE_COUNTS = range(2, 13)
MIN_ROWS_PER_VALUE = 3
MAX_BREAKDOWN_FIELDS = 4


@dataclass(frozen=True)
class RowShares:
    """Which of a file's rows are for what."""

    # As the task takes them; dev and test may come from files of their own.
    sizes: SplitSizes
    splits: Splits
    # How many rows the teacher gives each round.
    per_round: int
    rounds: int
    # Rows to train on that are no seed, dev or test.
    reserve: tuple[Example, ...]
    # Meta fields of dev and test that accuracy is broken down by.
    by: tuple[str, ...]

    @property
    def n_pairs(self) -> int:
        """How many rows the teacher gives in the whole run."""
        return self.per_round * self.rounds


def share_rows(survey: Survey) -> RowShares:
    """Raises DataError where too few rows are left for seeds or dev."""
    key = cache(text_key)
    dev = survey.dev.examples if survey.dev else None
    test = survey.test.examples if survey.test else None
    file_examples = (*(test or ()), *(dev or ()))
    pool = unique_in_hash_order(survey.examples, key)
    pool = exclude_exercises(pool, file_examples, key)

    n_dev, n_test = size_dev_and_test(pool, survey)
    n_seeds = max(MIN_SPLIT_ROWS, scale_to_file(N_SEEDS, len(pool)))
    per_round = max(MIN_SPLIT_ROWS // 2, scale_to_file(N_PER_ROUND, len(pool)))
    n_set_aside = (n_dev if dev is None else 0) + (n_test if test is None else 0)
    if len(pool) - n_set_aside < n_seeds:
        raise DataError(
            f"{survey.path}: too few rows for seeds",
            got=f"{len(pool)} different questions, {n_set_aside} of them set aside to measure on",
            allowed=f"at least {MIN_SPLIT_ROWS + n_set_aside}",
        )

    sizes = SplitSizes(n_seeds, n_dev, n_test or None)
    splits = split_examples(survey.examples, sizes, key=key, dev=dev, test=test)
    held_out_examples = (*splits.dev, *splits.test)
    trainable = [example for example in pool if is_trainable(example)]
    return RowShares(
        sizes=sizes,
        splits=splits,
        per_round=per_round,
        rounds=N_ROUNDS,
        reserve=tuple(
            exclude_exercises(trainable, (*splits.seeds, *held_out_examples), key)
        ),
        by=find_breakdown_fields(held_out_examples),
    )


def size_dev_and_test(pool: Sequence[Example], survey: Survey) -> tuple[int, int]:
    """How many rows for dev and for test, of their own files or else of the pool's answered rows.

    Raises DataError where dev has no file and too few rows have an answer.
    """
    n_answered = len(with_gold_answers(pool))
    if survey.dev is None and n_answered < MIN_ANSWERED_ROWS:
        raise DataError(
            f"{survey.path}: too few answered rows to set some aside to measure on",
            got=f"{n_answered} different ones of {len(pool)}",
            allowed=f"at least {MIN_ANSWERED_ROWS}, or a file of their own beside it "
            f"({survey.path.stem}_dev{survey.path.suffix})",
        )

    n_dev_file, n_test_file = count_held_out_rows(survey)
    n_dev = n_dev_file or max(MIN_SPLIT_ROWS, scale_to_file(N_DEV, len(pool)))
    n_test_from_pool = 0
    if not n_test_file and len(pool) >= 2 * MIN_ANSWERED_ROWS:
        n_test_from_pool = scale_to_file(N_TEST, len(pool))
    if survey.dev is None and n_answered < n_dev + n_test_from_pool:
        # Dev comes first: every round is measured on it, and test only once.
        return min(n_dev, n_answered), n_test_file
    return n_dev, n_test_file or min(n_test_from_pool, n_answered)


def count_held_out_rows(survey: Survey) -> tuple[int, int]:
    """How many rows to take of the files for dev and for test; 0 without a file."""
    test = survey.test.examples if survey.test else ()
    dev = survey.dev.examples if survey.dev else ()
    unique_test = unique_in_hash_order(test, text_key)
    # A question that is in both stays in test, as in `split_examples`.
    unique_dev = exclude_exercises(unique_in_hash_order(dev, text_key), test, text_key)
    return min(N_DEV, len(unique_dev)), min(MAX_TEST_FILE_ROWS, len(unique_test))


def scale_to_file(n: int, n_rows: int) -> int:
    """`n`, or in proportion less of it for a file of fewer than FULL_SIZE_ROWS rows."""
    return round(n * min(1.0, n_rows / FULL_SIZE_ROWS))


def is_trainable(example: Example) -> bool:
    return example.solution is not None or example.answer is not None


def find_breakdown_fields(examples: Sequence[Example]) -> tuple[str, ...]:
    """The first meta fields that divide the examples into a few groups of a useful size."""
    fields = []
    for name in dict.fromkeys(name for e in examples for name in e.meta):
        if is_breakdown_field([e.meta.get(name) for e in examples]):
            fields.append(name)
    return tuple(fields[:MAX_BREAKDOWN_FIELDS])


def is_breakdown_field(cells: Sequence[Scalar]) -> bool:
    """Has 2 to 12 values, 3 rows a value or more, and a value in at least half of the rows."""
    values = [cell for cell in cells if cell is not None]
    n_different = len(set(map(str, values)))
    # A fraction is a measurement, not a group.
    has_fractions = any(isinstance(value, float) for value in values)
    return (
        not has_fractions
        and n_different in FIELD_VALUE_COUNTS
        and len(values) >= MIN_ROWS_PER_VALUE * n_different
        and 2 * len(values) >= len(cells)
    )
