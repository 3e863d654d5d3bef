"""Criteria of the study: references, and rules that users ask about.

The plans name them as arms.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from random import Random

import numpy as np

from teachback.criteria.evidence import Evidence
from teachback.criteria.learnability import learnability
from teachback.criteria.loss import loss

Draws = Callable[[str], Random]


def longest(evidence: Evidence) -> list[int]:
    """The longest answers: what remains of a loss-like score without the loss."""
    return [attempt.n_tokens for attempt in evidence.attempts]


def again(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """Random selection with other numbers: A/A."""
    number = {
        i: second_number(draws(evidence.seeds[i].id)) for i in evidence.candidates
    }
    return sorted(number, key=lambda i: (-number[i], i))[:m]


def second_number(rng: Random) -> float:
    """`random` takes the first."""
    rng.random()
    return rng.random()


def equal_hops(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """As many seeds of each number of hops, as long as there are any.

    What a criterion could gain by allocation alone if it knew the levels, and which
    seeds can't be learnt.
    """
    queues = queues_by(evidence, "hops", draws)
    learnable = [queue for hops, queue in sorted(queues.items(), key=str) if hops != 0]
    return take_turns(learnable, m)


def queues_by(evidence: Evidence, field: str, draws: Draws) -> dict[object, list[int]]:
    """The candidates in random order, by their value of a meta field."""
    queues: dict[object, list[int]] = defaultdict(list)
    for i in again(evidence, len(evidence.candidates), draws):
        queues[evidence.seeds[i].meta[field]].append(i)
    return queues


def take_turns(queues: Iterable[Sequence[int]], m: int) -> list[int]:
    """The first of each queue, then the second of each, up to m."""
    queues = list(queues)
    turns = []
    for k in range(m):
        turns += [queue[k] for queue in queues if k < len(queue)]
    return turns[:m]


def wrong_then_loss(evidence: Evidence) -> list[float]:
    return wrong_first(evidence, loss(evidence))


def wrong_then_learnability(evidence: Evidence) -> list[float]:
    return wrong_first(evidence, learnability(evidence))


def wrong_first(evidence: Evidence, second: Sequence[float]) -> list[float]:
    """Wrong attempts first; among equals the larger second score decides."""
    low, high = min(second), max(second)
    scores = []
    for right, score in zip(evidence.right, second, strict=True):
        tie_break = (score - low) / (high - low) / 2 if high > low else 0.0
        scores.append((not right) + tie_break)
    return scores


def judge_30(evidence: Evidence) -> list[float]:
    return scripted_marks(evidence, 0.3)


def judge_60(evidence: Evidence) -> list[float]:
    return scripted_marks(evidence, 0.6)


def judge_100(evidence: Evidence) -> list[float]:
    return scripted_marks(evidence, 1.0)


def scripted_marks(evidence: Evidence, rho: float) -> list[float]:
    """Minus a scripted judge's mark, 1 to 10, of each attempt.

    Before rounding, marks correlate by rho with whether the attempts are right.
    """
    right_N = np.array(evidence.right, float)
    signal_N = (right_N - right_N.mean()) / (right_N.std() or 1.0)
    round_number = len(evidence.past)
    noise_N = np.array(
        [Random(f"{seed.id} {round_number}").gauss(0, 1) for seed in evidence.seeds]
    )
    mark_N = 5.5 + 2 * (rho * signal_N + (1 - rho**2) ** 0.5 * noise_N)
    return [-float(mark) for mark in np.clip(np.round(mark_N), 1, 10)]
