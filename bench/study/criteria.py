"""Criteria of the study alone: references, and rules that users ask about. Named in its plan as arms."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random

import numpy as np

from teachback.criteria.evidence import Evidence
from teachback.criteria.learnability import learnability as passes
from teachback.criteria.loss import loss

Draws = Callable[[str], Random]


def longest(evidence: Evidence) -> list[int]:
    """The longest answers: what remains of a loss-like score when the loss is taken away."""
    return [attempt.n_tokens for attempt in evidence.attempts]


def again(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """Random with other numbers: A/A."""
    drawn = {
        i: [one.random(), one.random()][1]
        for i in evidence.candidates
        for one in [draws(evidence.seeds[i].id)]
    }
    return sorted(drawn, key=lambda i: (-drawn[i], i))[:m]


def equal_hops(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """As many seeds of each number of hops, as far as there are: what a criterion could gain by allocation alone, if it
    knew the levels and which seeds have nothing to teach."""
    by_hops = defaultdict[object, list[int]](list)
    for i in again(evidence, len(evidence.candidates), draws):
        by_hops[evidence.seeds[i].meta["hops"]].append(i)
    useful = [queue for hops, queue in sorted(by_hops.items(), key=str) if hops != 0]
    turns = [queue[k] for k in range(m) for queue in useful if k < len(queue)]
    return turns[:m]


def wrong_then_loss(evidence: Evidence) -> list[float]:
    return tied_by(evidence, loss(evidence))


def wrong_then_learnability(evidence: Evidence) -> list[float]:
    return tied_by(evidence, passes(evidence))


def tied_by(evidence: Evidence, second: Sequence[float]) -> list[float]:
    """Wrong attempts first, and among equals those of the larger second score."""
    low, high = min(second), max(second)
    within = [
        (score - low) / (high - low) / 2 if high > low else 0.0 for score in second
    ]
    return [
        (not right) + part for right, part in zip(evidence.right, within, strict=True)
    ]


def judge_30(evidence: Evidence) -> list[float]:
    return marks(evidence, 0.3)


def judge_60(evidence: Evidence) -> list[float]:
    return marks(evidence, 0.6)


def judge_100(evidence: Evidence) -> list[float]:
    return marks(evidence, 1.0)


def marks(evidence: Evidence, rho: float) -> list[float]:
    """Minus a mark from 1 to 10 of each attempt by a scripted judge: it correlates by rho with whether the attempt is
    right, before it is rounded."""
    right = np.array(evidence.right, float)
    seen = (right - right.mean()) / (right.std() or 1.0)
    luck = np.array(
        [
            Random(f"{seed.id} {len(evidence.past)}").gauss(0, 1)
            for seed in evidence.seeds
        ]
    )
    wanted = 5.5 + 2 * (rho * seen + (1 - rho**2) ** 0.5 * luck)
    return [-float(mark) for mark in np.clip(np.round(wanted), 1, 10)]
