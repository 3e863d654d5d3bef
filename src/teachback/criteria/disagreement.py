"""`disagreement`: how much k sampled answers disagree (Settles 2009, 3.2; self-consistency,
2203.11171).
"""

from collections import Counter
from math import log

from .evidence import Evidence


def disagreement(evidence: Evidence) -> list[float]:
    """Entropy, in nats, of the final answers of a seed's samples; no answer is an answer of its
    own.
    """
    return [
        spread(Counter(grade.answer for grade in samples))
        for samples in evidence.samples
    ]


def spread(votes: Counter[str | None]) -> float:
    total = votes.total()
    return sum(n / total * log(total / n) for n in votes.values())
