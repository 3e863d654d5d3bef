"""Carry-over: the same student on the seeds it was asked about and on the rows made from them."""

from collections.abc import Sequence
from statistics import median

from .stats import spearman
from .types import Attempt, Carried, Curated, Transfer


def transfer(fresh: Curated, seed_attempts: Sequence[Attempt], row_attempts: Sequence[Attempt]) -> Transfer:
    """row_attempts: the student's own answers to the fresh rows' questions, in their order."""
    loss = {attempt.id: attempt.nll for attempt in seed_attempts}
    pairs = tuple(
        Carried(row.id, str(row.seed), loss[str(row.seed)], attempt.nll)
        for row, attempt in zip(fresh.rows, row_attempts, strict=True)
    )
    if not pairs:
        return Transfer((), None, None, None)
    seeds, rows = [pair.seed_loss for pair in pairs], [pair.row_loss for pair in pairs]
    return Transfer(pairs, median(seeds), median(rows), spearman(seeds, rows))
