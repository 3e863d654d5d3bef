"""`learnability`: 4p(1 − p), p the pass rate over k sampled answers: 1 where the student is right
half of the time.

The variance of a right answer, which is what a policy gradient has to learn from (cf. arXiv
2408.15099).
"""

from .evidence import Evidence


def learnability(evidence: Evidence) -> list[float]:
    """Between 0 and 1.

    Always right and never right are both 0: nothing to learn, or nothing to learn it from.
    """
    rates = [
        sum(grade.outcome == "right" for grade in samples) / len(samples)
        for samples in evidence.samples
    ]
    return [4 * p * (1 - p) for p in rates]
