"""`max_nll`: negative log-probability of the least likely token of the student's own answer."""

from math import nan

from .evidence import Evidence


def max_nll(evidence: Evidence) -> list[float]:
    """Nats.

    A long answer has more tokens to be the worst. An attempt without one has no score, which
    stops the run.
    """
    return [
        nan if attempt.max_nll is None else attempt.max_nll
        for attempt in evidence.attempts
    ]
