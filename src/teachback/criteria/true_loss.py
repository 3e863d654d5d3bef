"""`true_loss`: mean negative log-probability of the gold solution (arXiv 2512.00884, which finds
`loss` better).
"""

from .evidence import Evidence


def true_loss(evidence: Evidence) -> list[float]:
    """Nats a token, the end token included.

    Wrongly solved seeds and unlearnable ones score highest.
    """
    return list(evidence.gold_nll)
