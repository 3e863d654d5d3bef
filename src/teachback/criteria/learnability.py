"""`learnability`: 4p(1 − p), p the pass rate over k sampled answers: 1 where the student is right
half of the time.

p(1 − p) is the variance of being right. A policy gradient learns from that variance (cf. arXiv
2408.15099).
"""

from collections.abc import Sequence

from ..types import Grade
from .evidence import Evidence


def learnability(evidence: Evidence) -> list[float]:
    """Between 0 and 1.

    A seed that is always right has nothing left to teach, and one that is never right gives
    nothing to learn from. Both score 0.
    """
    rates = [pass_rate(samples) for samples in evidence.samples]
    return [4 * p * (1 - p) for p in rates]


def pass_rate(samples: Sequence[Grade]) -> float:
    return sum(grade.outcome == "right" for grade in samples) / len(samples)
