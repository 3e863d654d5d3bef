"""`egl`: expected squared length of the head's gradient, (1 − ‖p‖²)‖h‖² a token, exactly (Settles
2009, 4.2).
"""

from math import nan

from .evidence import Evidence


def egl(evidence: Evidence) -> list[float]:
    """Mean over the answer's tokens. An attempt without it scores NaN, which stops the run."""
    return [
        nan if attempt.egl is None else attempt.egl for attempt in evidence.attempts
    ]
