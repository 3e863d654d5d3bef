"""`influence`: would learning the gold solution help on dev? A simplification of LESS (arXiv
2402.04333).
"""

from .evidence import Evidence


def influence(evidence: Evidence) -> list[float]:
    """Cosine of the gold solution's gradient with the mean of dev's normalised gradients.

    LESS uses all layers, several checkpoints and the optimiser's state. This uses the head's
    layer of the current student.
    """
    import numpy as np

    assert evidence.gold_gradient_N_M is not None
    assert evidence.dev_gradient_M is not None
    gold_N_M = evidence.gold_gradient_N_M.astype(np.float64)
    dev_M = evidence.dev_gradient_M.astype(np.float64)
    length_N = np.linalg.norm(gold_N_M, axis=1) * np.linalg.norm(dev_M)
    # A gradient of length 0 gives NaN, which stops the run and names the seed.
    with np.errstate(invalid="ignore", divide="ignore"):
        return [float(cosine) for cosine in gold_N_M @ dev_M / length_N]
