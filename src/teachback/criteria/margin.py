"""`margin`: minus the mean gap p₁ − p₂ between the two likeliest tokens (Settles 2009, 3.1)."""

from math import nan

from .evidence import Evidence


def margin(evidence: Evidence) -> list[float]:
    """Between −1 and 0. An attempt without a gap scores NaN, which stops the run."""
    return [
        nan if attempt.gap is None else -attempt.gap for attempt in evidence.attempts
    ]
