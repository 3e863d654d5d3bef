"""`badge`: k-means++ seeding on gradient embeddings of the student's own answers (BADGE, Ash et
al., arXiv 1906.03671).

The picks are uncertain, because a long gradient is far from everything. They are diverse, because
a pick makes the rows near it unlikely.
"""

import numpy as np

from .criterion import Draws
from .evidence import Evidence
from .points import make_vector_points, require_finite_rows
from .seeding import draw_kmeans_centers


def badge(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """m positions, in the order of the draws.

    The first is drawn in proportion to the squared length of its gradient. k-means++ draws the
    first uniformly, which here could give a seed without a gradient. The paper's code takes the
    longest gradient, which would be the same seed in every round.
    """
    # Sorted, so that the draws don't depend on the order of the candidates.
    candidates = sorted(evidence.candidates)
    gradient_N_M = require_finite_rows(
        evidence.gradient_N_M, evidence.seeds, "gradient"
    )
    points = make_vector_points(gradient_N_M[candidates])
    generator = np.random.default_rng(draws("").getrandbits(64))
    return [candidates[row] for row in draw_kmeans_centers(points, m, generator)]
