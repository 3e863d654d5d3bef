"""Measures carry-over: one student's loss on the selected seeds and on the rows made from them."""

from collections.abc import Callable, Sequence
from statistics import median

from ..types import Attempt, CarryOver, CarryOverPair, Curation
from .statistics import spearman


def measure_carry_over(
    fresh: Curation,
    seed_attempts: Sequence[Attempt],
    row_attempts: Sequence[Attempt],
    score: Callable[[Sequence[Attempt]], Sequence[float]] | None = None,
) -> CarryOver:
    """Compare each fresh row with its seed, by loss and by the criterion's score.

    row_attempts: the student's answers to the fresh rows' questions, in the rows' order.
    score: the criterion's own, if it can score an attempt.
    """
    if not fresh.rows:
        return CarryOver((), None, None, None)
    attempt_by_id = {attempt.id: attempt for attempt in seed_attempts}
    seeds = [attempt_by_id[str(row.seed)] for row in fresh.rows]
    seed_scores = score(seeds) if score else None
    row_scores = score(row_attempts) if score else None

    pairs = []
    for i, (row, seed, attempt) in enumerate(
        zip(fresh.rows, seeds, row_attempts, strict=True)
    ):
        pair = CarryOverPair(
            row=row.id,
            seed=seed.id,
            seed_loss=seed.nll,
            row_loss=attempt.nll,
            seed_score=None if seed_scores is None else seed_scores[i],
            row_score=None if row_scores is None else row_scores[i],
        )
        pairs.append(pair)

    seed_losses = [seed.nll for seed in seeds]
    row_losses = [attempt.nll for attempt in row_attempts]
    losses = summarize_pairs(seed_losses, row_losses)
    if seed_scores is None or row_scores is None:
        return CarryOver(tuple(pairs), *losses)
    scores = summarize_pairs(seed_scores, row_scores)
    return CarryOver(tuple(pairs), *losses, *scores)


def summarize_pairs(
    seed_values: Sequence[float], row_values: Sequence[float]
) -> tuple[float, float, float | None]:
    """Return both medians and Spearman's rho."""
    rho = spearman(seed_values, row_values)
    return median(seed_values), median(row_values), rho
