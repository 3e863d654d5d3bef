"""`true_loss`: mean negative log-probability of the gold solution (arXiv 2512.00884, which finds
`loss` better).
"""

from .evidence import Evidence


def true_loss(evidence: Evidence) -> list[float]:
    """Nats a token, the end token included.

    Seeds whose gold solution is wrong, or can't be learnt, score highest.
    """
    return list(evidence.gold_nll)
