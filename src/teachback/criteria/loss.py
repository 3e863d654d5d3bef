"""`loss`: mean negative log-probability of the student's own greedy answer (the best criterion of
arXiv 2512.00884).
"""

from .evidence import Evidence


def loss(evidence: Evidence) -> list[float]:
    """Nats a token, the end token included.

    Needs the attempts and nothing else: no gold answers, no second pass.
    """
    return [attempt.nll for attempt in evidence.attempts]
