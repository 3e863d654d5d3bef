"""Carry-over: the same student on the seeds it was asked about and on the rows made from them."""

from collections.abc import Callable, Sequence
from statistics import median

from ..types import Attempt, Carried, Curated, Transfer
from .statistics import spearman


def transfer(
    fresh: Curated,
    seed_attempts: Sequence[Attempt],
    row_attempts: Sequence[Attempt],
    score: Callable[[Sequence[Attempt]], Sequence[float]] | None = None,
) -> Transfer:
    """row_attempts: the student's own answers to the fresh rows' questions, in their order. score: the criterion's."""
    if not fresh.rows:
        return Transfer((), None, None, None)
    seed_of = {attempt.id: attempt for attempt in seed_attempts}
    seeds = [seed_of[str(row.seed)] for row in fresh.rows]
    scores = (
        [*zip(score(seeds), score(row_attempts), strict=True)]
        if score
        else [(None, None)] * len(seeds)
    )
    pairs = tuple(
        Carried(row.id, seed.id, seed.nll, attempt.nll, *scored)
        for row, seed, attempt, scored in zip(
            fresh.rows, seeds, row_attempts, scores, strict=True
        )
    )
    known = [(a, b) for a, b in scores if a is not None and b is not None]
    return Transfer(
        pairs,
        *summary([(p.seed_loss, p.row_loss) for p in pairs]),
        *(summary(known) if known else ()),
    )


def summary(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float | None]:
    """Both medians, and Spearman's rho over the pairs."""
    seeds, rows = ([*column] for column in zip(*pairs, strict=True))
    return median(seeds), median(rows), spearman(seeds, rows)
