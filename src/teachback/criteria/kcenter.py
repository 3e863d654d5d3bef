"""`kcenter`: the seed farthest from all that were selected, again and again (core-set, arXiv
1708.00489).
"""

import numpy as np

from .criterion import Draws
from .evidence import Evidence
from .farthest import farthest
from .points import usable, vectors


def kcenter(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """m positions, in Euclidean distance of their embeddings, starting from the seeds that past
    rounds selected.

    Those, where they may be selected again, come last. In the first round the first seed is
    uniform; ties are broken at random.
    """
    embedding_N_D = usable(evidence.embedding_N_D, evidence.seeds, "embedding")
    selected = {pick.seed for r in evidence.past for pick in r.chosen.picks}
    used = [i for i, seed in enumerate(evidence.seeds) if seed.id in selected]
    generator = np.random.default_rng(draws("").getrandbits(64))
    rows = [
        *used,
        *(int(i) for i in generator.permutation(sorted(evidence.candidates))),
    ]
    return [rows[i] for i in farthest(vectors(embedding_N_D[rows]), m, len(used))]
