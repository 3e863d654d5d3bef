"""`facility`: the seeds that represent all seeds best, by facility location on their embeddings
(Wei et al. 2015, *Submodularity in Data Subset Selection and Active Learning*). A score weights the
seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import CriterionError
from .coverage import Float32Array, pick_by_coverage
from .criterion import Criterion, CriterionSettings, Draws
from .evidence import Evidence
from .points import require_finite_rows


class FacilitySettings(CriterionSettings):
    # The criterion whose score weights the seeds; null: all seeds weigh the same.
    weight: str | None = "loss"

    def member_names(self) -> tuple[str, ...]:
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
    """m positions. Each is the candidate that most raises Σ_i w_i · cos(i, most similar pick), over
    all seeds i.

    A seed's weight is the rank of its score: 1/N for the lowest, 1 for the highest. So it is
    positive, whatever the score's scale. Without a score all weigh the same. Ties are broken at
    random.
    """
    unit_N_D = unit_embeddings(evidence)
    if weight is None:
        weight_N = np.ones(len(unit_N_D), np.float32)
    else:
        weight_N = rank_weights(evidence, weight(evidence))
    # A random order of the candidates, because the first of equals is picked.
    generator = np.random.default_rng(draws("").getrandbits(64))
    candidate_C = generator.permutation(sorted(evidence.candidates))
    return pick_by_coverage(unit_N_D, candidate_C, weight_N, m)


def unit_embeddings(evidence: Evidence) -> Float32Array:
    """unit_N_D: the embeddings at length 1. Raises CriterionError for one that is zero."""
    embedding_N_D = require_finite_rows(
        evidence.embedding_N_D, evidence.seeds, "embedding"
    )
    length_N = np.linalg.norm(embedding_N_D, axis=1)
    zero_rows = np.flatnonzero(length_N == 0).tolist()
    if zero_rows:
        zero_ids = [evidence.seeds[row].id for row in zero_rows]
        raise CriterionError(
            f"the embeddings of {len(zero_ids)} seeds are zero",
            got=", ".join(zero_ids[:10]),
        )
    return np.asarray(embedding_N_D / length_N[:, None], np.float32)


def rank_weights(evidence: Evidence, scores: Sequence[float]) -> Float32Array:
    """weight_N: rank / N; equal scores share the mean of their ranks.

    Raises CriterionError for a score that is not a finite number.
    """
    score_N = np.asarray(scores, np.float64)
    bad_rows = np.flatnonzero(~np.isfinite(score_N)).tolist()
    if bad_rows:
        bad_scores = [f"{evidence.seeds[row].id}: {score_N[row]}" for row in bad_rows]
        raise CriterionError(
            f"{len(bad_scores)} seeds have no weight: their score is no number",
            got=", ".join(bad_scores[:10]),
        )
    # U distinct scores, in order.
    _, distinct_N, count_U = np.unique(score_N, return_inverse=True, return_counts=True)
    rank_U = np.cumsum(count_U) - (count_U - 1) / 2
    return np.asarray(rank_U[distinct_N] / len(score_N), np.float32)
