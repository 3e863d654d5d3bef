"""`influence`: would learning the gold solution help on dev? A simplification of LESS (arXiv
2402.04333).
"""

from .evidence import Evidence


def influence(evidence: Evidence) -> list[float]:
    """Cosine of the gold solution's gradient with the mean of dev's normalised ones: the head's
    layer only, of the current student only, without the optimiser's state.
    """
    import numpy as np

    assert evidence.gold_gradient_N_M is not None
    assert evidence.dev_gradient_M is not None
    gold_N_M, dev_M = (
        evidence.gold_gradient_N_M.astype(np.float64),
        evidence.dev_gradient_M.astype(np.float64),
    )
    norm_N = np.linalg.norm(gold_N_M, axis=1) * np.linalg.norm(dev_M)
    with np.errstate(
        invalid="ignore", divide="ignore"
    ):  # no gradient: no score, which stops the run
        return [float(cosine) for cosine in gold_N_M @ dev_M / norm_N]
