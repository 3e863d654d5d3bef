"""`kcenter`: again and again the seed that is farthest from all selected ones (core-set, arXiv
1708.00489).
"""

import numpy as np

from .criterion import Draws
from .evidence import Evidence
from .farthest import pick_farthest
from .points import make_vector_points, require_finite_rows


def kcenter(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """m positions, by Euclidean distance of their embeddings from all selected seeds.

    Seeds that past rounds selected count as picks. Where they may be selected again, they come
    last. In the first round the first seed is uniform. Ties are broken at random.
    """
    embedding_N_D = require_finite_rows(
        evidence.embedding_N_D, evidence.seeds, "embedding"
    )
    selected_ids = {
        pick.seed for past_round in evidence.past for pick in past_round.chosen.picks
    }
    centers = [i for i, seed in enumerate(evidence.seeds) if seed.id in selected_ids]
    # A random order of the candidates, because the first of equals is picked.
    generator = np.random.default_rng(draws("").getrandbits(64))
    candidates = generator.permutation(sorted(evidence.candidates)).tolist()
    positions = [*centers, *candidates]
    points = make_vector_points(embedding_N_D[positions])
    return [positions[row] for row in pick_farthest(points, m, len(centers))]
