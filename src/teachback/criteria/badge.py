"""`badge`: k-means++ seeding on gradient embeddings of the student's own answers (BADGE, Ash et
al., arXiv 1906.03671).

Uncertain, because long gradients are far from everything, and diverse, because near ones are
picked but once.
"""

import numpy as np

from .criterion import Draws
from .evidence import Evidence
from .points import usable, vectors
from .seeding import seeding


def badge(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """m positions in the order that they were drawn in.

    The first is drawn by the squared length of its gradient. k-means++ begins uniformly, which
    here may be at a seed without a gradient; the paper's code begins at the longest one, which
    would be the same seed again and again.
    """
    candidates = sorted(evidence.candidates)
    gradient_N_M = usable(evidence.gradient_N_M, evidence.seeds, "gradient")
    generator = np.random.default_rng(draws("").getrandbits(64))
    return [
        candidates[i] for i in seeding(vectors(gradient_N_M[candidates]), m, generator)
    ]
