"""`max_nll`: negative log-probability of the least likely token of the student's own answer."""

from math import nan

from .evidence import Evidence


def max_nll(evidence: Evidence) -> list[float]:
    """Nats.

    It tends to grow with the answer's length: more tokens, and one of them is the worst. An
    attempt without the signal scores NaN, which stops the run.
    """
    return [
        nan if attempt.max_nll is None else attempt.max_nll
        for attempt in evidence.attempts
    ]
