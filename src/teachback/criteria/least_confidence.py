"""`least_confidence`: −log P(ŷ given x) of the student's own answer, as a whole (Settles 2009,
3.1).
"""

from .evidence import Evidence


def least_confidence(evidence: Evidence) -> list[float]:
    """Nats. A sum over the answer's tokens, so by its definition it grows with their number."""
    return [attempt.nll * attempt.n_tokens for attempt in evidence.attempts]
