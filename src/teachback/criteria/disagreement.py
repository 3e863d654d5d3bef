"""`disagreement`: how much k sampled answers disagree (Settles 2009, 3.2; self-consistency,
arXiv 2203.11171).
"""

from collections import Counter
from collections.abc import Sequence
from math import log

from ..types import Grade
from .evidence import Evidence


def disagreement(evidence: Evidence) -> list[float]:
    """The entropy of a seed's sampled final answers, in nats.

    Samples without a final answer count as one more answer.
    """
    return [vote_entropy(samples) for samples in evidence.samples]


def vote_entropy(samples: Sequence[Grade]) -> float:
    votes = Counter(grade.answer for grade in samples)
    total = votes.total()
    return sum(n / total * log(total / n) for n in votes.values())
