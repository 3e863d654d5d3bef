"""`facility`: the seeds that stand best for all seeds, by facility location on their embeddings
(e.g. Wei et al. 2015, *Submodularity in Data Subset Selection and Active Learning*), the seeds
weighted by a score.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import CriterionError
from .coverage import coverage
from .criterion import Criterion, CriterionSettings, Draws
from .evidence import Evidence
from .points import usable


class FacilitySettings(CriterionSettings):
    # The criterion whose score weights the seeds; null: all seeds weigh the same.
    weight: str | None = "loss"

    def uses(self) -> tuple[str, ...]:
        return () if self.weight is None else (self.weight,)

    def arguments(self, members: Mapping[str, Criterion]) -> dict[str, Any]:
        return {"weight": None if self.weight is None else members[self.weight].score}


def facility(
    evidence: Evidence,
    m: int,
    draws: Draws,
    *,
    weight: Callable[[Evidence], Sequence[float]] | None = None,
) -> list[int]:
    """m positions: each time the candidate that most raises Σ_i w_i · cos(i, likest pick), over
    all seeds.

    A seed's weight is the rank of its score, 1/N for the lowest to 1 for the highest: positive,
    and the same whatever the score's scale. Without a score all weigh the same. Ties are broken
    at random.
    """
    embedding_N_D = usable(evidence.embedding_N_D, evidence.seeds, "embedding")
    length_N = np.linalg.norm(embedding_N_D, axis=1)
    if not length_N.all():
        lost = [evidence.seeds[i].id for i in np.flatnonzero(length_N == 0).tolist()]
        raise CriterionError(
            f"the embeddings of {len(lost)} seeds are zero", got=", ".join(lost[:10])
        )
    unit_N_D = np.asarray(embedding_N_D / length_N[:, None], np.float32)
    weight_N = (
        np.ones(len(unit_N_D), np.float32)
        if weight is None
        else ranks(evidence, weight(evidence))
    )
    generator = np.random.default_rng(draws("").getrandbits(64))
    return coverage(
        unit_N_D, generator.permutation(sorted(evidence.candidates)), weight_N, m
    )


def ranks(
    evidence: Evidence, scores: Sequence[float]
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """rank_N / N; equal scores share the mean of their ranks.

    Raises CriterionError where a score is no number.
    """
    score_N = np.asarray(scores, np.float64)
    bad = [
        f"{evidence.seeds[i].id}: {score_N[i]}"
        for i in np.flatnonzero(~np.isfinite(score_N)).tolist()
    ]
    if bad:
        raise CriterionError(
            f"{len(bad)} seeds have no weight: their score is no number",
            got=", ".join(bad[:10]),
        )
    _, place_N, count = np.unique(score_N, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    return np.asarray(rank[place_N] / len(score_N), np.float32)
