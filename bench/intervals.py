"""Do the statistics of a comparison keep what they promise? Simulated comparisons whose truth is known.

An answer is right with the chance of logit⁻¹(skill − difficulty of the item + its repeat + its arm and repeat): 8
repeats, 600 fresh items each or the same 200, difficulties and repeats drawn anew in every simulation. Reported: the
share of 95 % intervals that hold the true difference, of comparisons of equal arms in which any test rejects, and of
ratios of samples between equal arms whose interval holds 1.

The gate: intervals hold the truth in 93 to 97 %, ratios in 93 % or more, and a family of 12 comparisons of equal arms
has an error in at most 6 %. ratio: the 6 % / the largest such share.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from bench.against import Outcome, peak_mib
from teachback.compare.stats import (
    Interval,
    crossed,
    max_t,
    paired_t,
    samples_to_target,
    sign_flip,
)

SIMULATED, REPEATS, ARMS, FRESH, SHARED, SEED = 2000, 8, 12, 600, 200, 7
ITEM, REPEAT, UNIT, TASTE = 1.5, 0.3, 0.25, 0.5  # standard deviations, in logits
WITHIN, ERROR = (0.93, 0.97), 0.06
ROUNDS = 5

Draw = Callable[[np.random.Generator], Interval | None]


def bench(quick: bool) -> Outcome:
    n = 200 if quick else SIMULATED
    coverage = {
        "fresh items": share(n, fresh_items),
        "shared items": share(n, shared_items),
        "shared items that arms do unlike": share(
            n, lambda generator: shared_items(generator, TASTE)
        ),
        "shared items, 20 of them": share(
            n, lambda generator: shared_items(generator, TASTE, items=20)
        ),
        "ratio of samples": share(n, ratio_of_samples),
    }
    errors = {
        f"{ARMS} comparisons, {which}": rejected(n, which == "shared items")
        for which in ("fresh items", "shared items")
    }
    slack = 2 * sqrt(0.05 * 0.95 / n) if quick else 0.0
    least, most, error = WITHIN[0] - slack, WITHIN[1] + slack, ERROR + slack
    outside = [
        name
        for name, one in coverage.items()
        if one < least or (one > most and not name.startswith("ratio"))
    ]
    outside += [
        f"errors, {name}" for name, one in errors.items() if max(one.values()) > error
    ]
    facts = {
        "work": {
            "simulated": n,
            "repeats": REPEATS,
            "comparisons": ARMS,
            "fresh": FRESH,
            "shared": SHARED,
            "seed": SEED,
        },
        "coverage": coverage,
        "errors": errors,
        "outside": outside,
    }
    worst = max(max(one.values()) for one in errors.values())
    return Outcome(
        ERROR / max(worst, 1 / n), 0.0 if quick else 1.0, not outside, peak_mib(), facts
    )


def share(n: int, draw: Draw) -> float:
    """Of the simulations, those whose interval holds the truth. One that has no interval says nothing."""
    found = [draw(np.random.default_rng([SEED, k])) for k in range(n)]
    given = [one for one in found if one is not None]
    return round(sum(0.0 in one for one in given) / len(given), 4)


def right(
    generator: np.random.Generator,
    skill_A: Any,
    items: int,
    shared: bool,
    taste: float = 0.0,
) -> Any:
    """Answers (A, R, I), 1 for right."""
    arms, once = len(skill_A), 1 if shared else REPEATS
    logit = (
        np.reshape(skill_A, (arms, 1, 1))
        - ITEM * generator.standard_normal((1, once, items))
        + REPEAT * generator.standard_normal((1, REPEATS, 1))
        + UNIT * generator.standard_normal((arms, REPEATS, 1))
        + taste * generator.standard_normal((arms, once, items))
    )
    return generator.random(logit.shape) < 1 / (1 + np.exp(-logit))


def truth(gap: float, taste: float = 0.0) -> float:
    """The difference in accuracy over all repeats and items: a logit that is normal, integrated."""
    spread = sqrt(ITEM**2 + REPEAT**2 + UNIT**2 + taste**2)
    x, weight = np.polynomial.hermite_e.hermegauss(60)
    mean = [
        float((weight / (1 + np.exp(-(skill + spread * x)))).sum() / weight.sum())
        for skill in (gap, 0.0)
    ]
    return mean[0] - mean[1]


def less(found: Interval | None, by: float) -> Interval | None:
    return found and Interval(found.estimate - by, found.low - by, found.high - by)


def fresh_items(generator: np.random.Generator) -> Interval | None:
    arm_R_I, other_R_I = right(generator, [0.4, 0.0], FRESH, shared=False)
    return less(paired_t(arm_R_I.mean(1) - other_R_I.mean(1)), truth(0.4))


def shared_items(
    generator: np.random.Generator, taste: float = 0.0, items: int = SHARED
) -> Interval | None:
    arm_R_I, other_R_I = right(generator, [0.4, 0.0], items, shared=True, taste=taste)
    return less(crossed(arm_R_I.astype(float) - other_R_I), truth(0.4, taste))


def rejected(n: int, shared: bool) -> dict[str, float]:
    """Of n comparisons of equal arms, those that find something: by the primary test, and by any of the family's."""
    primary = family = 0
    for k in range(n):
        right_A_R_I = right(
            np.random.default_rng([SEED, k]), [0.0] * (ARMS + 1), SHARED, shared
        )
        accuracy_A_R = right_A_R_I.mean(2)
        difference_K_R = accuracy_A_R[1:] - accuracy_A_R[0]
        primary += sign_flip(difference_K_R[0]) < 0.05
        family += min(max_t(difference_K_R)) < 0.05
    return {"primary": round(primary / n, 4), "family": round(family / n, 4)}


def ratio_of_samples(generator: np.random.Generator) -> Interval | None:
    """Learning curves of two equal arms; the log of the ratio is 0."""
    spent_P = np.arange(ROUNDS + 1) * 40.0
    rise_P = 1.6 * (1 - np.exp(-np.arange(ROUNDS + 1) / 2))
    skill_R_P = [
        [
            rise_P + np.cumsum(UNIT / 2 * generator.standard_normal(ROUNDS + 1))
            for _ in range(REPEATS)
        ]
        for _ in "ab"
    ]
    accuracy = [
        generator.binomial(FRESH, 1 / (1 + np.exp(0.5 - np.array(one)))) / FRESH
        for one in skill_R_P
    ]
    found = samples_to_target([spent_P] * REPEATS, *accuracy).ratio
    return found and Interval(*np.log([found.estimate, found.low, found.high]))
