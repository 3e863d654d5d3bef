"""`entropy`: mean entropy of the distributions that the student's answer was chosen from (Settles
2009, 3.1).
"""

from math import nan

from .evidence import Evidence


def entropy(evidence: Evidence) -> list[float]:
    """Nats a token. An attempt without the signal scores NaN, which stops the run."""
    return [
        nan if attempt.entropy is None else attempt.entropy
        for attempt in evidence.attempts
    ]
