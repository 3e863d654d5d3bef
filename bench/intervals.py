"""Do the statistics of a comparison keep their promises? Simulations with a known truth.

An answer is right with probability logit⁻¹(skill − difficulty of the item + its repeat
+ its arm and repeat): 8 repeats, 600 fresh items each or the same 200, difficulties and
repeats drawn anew in every simulation. Reported are three shares: of 95 % intervals
that contain the true difference, of comparisons of equal arms in which any test rejects,
and of ratios of samples between equal arms whose interval contains 1.

The gate: intervals contain the truth in 93 to 97 %, ratios in 93 % or more, and a family
of 12 comparisons of equal arms has an error in at most 6 %. `ratio` is the 6 % over the
largest such share.
"""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

import numpy as np

from bench.outcome import Outcome
from bench.process import peak_mib
from teachback.compare.curve_statistics import find_samples_to_target
from teachback.compare.paired_tests import (
    Interval,
    crossed_interval,
    max_t_p_values,
    paired_t_interval,
    sign_flip_p_value,
)

SIMULATIONS = 2000
QUICK_SIMULATIONS = 200
REPEATS = 8
ARMS = 12
FRESH_ITEMS = 600
SHARED_ITEMS = 200
ROUNDS = 5
SEED = 7

# Standard deviations, in logits: of items, of repeats, of an arm in a repeat, and of an
# item in an arm.
ITEM_SD = 1.5
REPEAT_SD = 0.3
UNIT_SD = 0.25
TASTE_SD = 0.5

MIN_COVERAGE, MAX_COVERAGE = 0.93, 0.97
MAX_ERROR = 0.06

Generator = np.random.Generator
Simulate = Callable[[Generator], Interval | None]


def bench(quick: bool) -> Outcome:
    n = QUICK_SIMULATIONS if quick else SIMULATIONS
    coverage = {name: coverage_of(n, simulate) for name, simulate in SIMULATED.items()}
    errors = {
        f"{ARMS} comparisons, fresh items": error_rates(n, shared=False),
        f"{ARMS} comparisons, shared items": error_rates(n, shared=True),
    }
    outside = names_outside(coverage, errors, slack(n) if quick else 0.0)
    worst_error = max(max(rates.values()) for rates in errors.values())
    facts = {
        "work": {
            "simulated": n,
            "repeats": REPEATS,
            "comparisons": ARMS,
            "fresh": FRESH_ITEMS,
            "shared": SHARED_ITEMS,
            "seed": SEED,
        },
        "coverage": coverage,
        "errors": errors,
        "outside": outside,
    }
    ratio = MAX_ERROR / max(worst_error, 1 / n)
    target = 0.0 if quick else 1.0
    return Outcome(ratio, target, not outside, peak_mib(), facts)


def slack(n: int) -> float:
    """Two standard errors of a share of 5 % in n simulations."""
    return 2 * sqrt(0.05 * 0.95 / n)


def names_outside(
    coverage: dict[str, float], errors: dict[str, dict[str, float]], slack: float
) -> list[str]:
    names = []
    for name, share in coverage.items():
        too_wide = share > MAX_COVERAGE + slack and not name.startswith("ratio")
        if share < MIN_COVERAGE - slack or too_wide:
            names.append(name)
    for name, rates in errors.items():
        if max(rates.values()) > MAX_ERROR + slack:
            names.append(f"errors, {name}")
    return names


def coverage_of(n: int, simulate: Simulate) -> float:
    """Share of the intervals that contain the truth. Simulations without one don't count."""
    intervals = [simulate(np.random.default_rng([SEED, k])) for k in range(n)]
    known = [interval for interval in intervals if interval is not None]
    return round(sum(0.0 in interval for interval in known) / len(known), 4)


def draw_answers(
    generator: Generator,
    skill_A: Any,
    items: int,
    shared: bool,
    taste_sd: float = 0.0,
) -> Any:
    """Answers of shape (arms, repeats, items), True where right."""
    arms = len(skill_A)
    sets_of_items = 1 if shared else REPEATS
    logit = (
        np.reshape(skill_A, (arms, 1, 1))
        - ITEM_SD * generator.standard_normal((1, sets_of_items, items))
        + REPEAT_SD * generator.standard_normal((1, REPEATS, 1))
        + UNIT_SD * generator.standard_normal((arms, REPEATS, 1))
        + taste_sd * generator.standard_normal((arms, sets_of_items, items))
    )
    return generator.random(logit.shape) < 1 / (1 + np.exp(-logit))


def true_difference(gap: float, taste_sd: float = 0.0) -> float:
    """The difference in accuracy over all repeats and items, integrated numerically."""
    sd = sqrt(ITEM_SD**2 + REPEAT_SD**2 + UNIT_SD**2 + taste_sd**2)
    return true_accuracy(gap, sd) - true_accuracy(0.0, sd)


def true_accuracy(skill: float, sd: float) -> float:
    """The mean of logit⁻¹ over a normal distribution."""
    x, weight = np.polynomial.hermite_e.hermegauss(60)
    chance = 1 / (1 + np.exp(-(skill + sd * x)))
    return float((weight * chance).sum() / weight.sum())


def minus(interval: Interval | None, truth: float) -> Interval | None:
    if interval is None:
        return None
    return Interval(
        interval.estimate - truth, interval.low - truth, interval.high - truth
    )


def fresh_items(generator: Generator) -> Interval | None:
    arm_R_I, other_R_I = draw_answers(generator, [0.4, 0.0], FRESH_ITEMS, shared=False)
    interval = paired_t_interval(arm_R_I.mean(1) - other_R_I.mean(1))
    return minus(interval, true_difference(0.4))


def shared_items(
    generator: Generator, taste_sd: float = 0.0, items: int = SHARED_ITEMS
) -> Interval | None:
    arm_R_I, other_R_I = draw_answers(
        generator, [0.4, 0.0], items, shared=True, taste_sd=taste_sd
    )
    interval = crossed_interval(arm_R_I.astype(float) - other_R_I)
    return minus(interval, true_difference(0.4, taste_sd))


def ratio_of_samples(generator: Generator) -> Interval | None:
    """Learning curves of two equal arms. The log of the true ratio is 0."""
    spent_P = np.arange(ROUNDS + 1) * 40.0
    curves = [draw_skills(generator) for _ in range(2)]
    accuracies = [draw_accuracies(generator, skill_R_P) for skill_R_P in curves]
    interval = find_samples_to_target([spent_P] * REPEATS, *accuracies).ratio
    if interval is None:
        return None
    return Interval(*np.log([interval.estimate, interval.low, interval.high]))


def draw_skills(generator: Generator) -> Any:
    rise_P = 1.6 * (1 - np.exp(-np.arange(ROUNDS + 1) / 2))
    walks = [generator.standard_normal(ROUNDS + 1) for _ in range(REPEATS)]
    return np.array([rise_P + np.cumsum(UNIT_SD / 2 * walk) for walk in walks])


def draw_accuracies(generator: Generator, skill_R_P: Any) -> Any:
    chance_R_P = 1 / (1 + np.exp(0.5 - skill_R_P))
    return generator.binomial(FRESH_ITEMS, chance_R_P) / FRESH_ITEMS


def error_rates(n: int, shared: bool) -> dict[str, float]:
    """Share of n comparisons of equal arms in which the primary or any test rejects."""
    primary = family = 0
    for k in range(n):
        generator = np.random.default_rng([SEED, k])
        skills = [0.0] * (ARMS + 1)
        right_A_R_I = draw_answers(generator, skills, SHARED_ITEMS, shared)
        accuracy_A_R = right_A_R_I.mean(2)
        difference_K_R = accuracy_A_R[1:] - accuracy_A_R[0]
        primary += sign_flip_p_value(difference_K_R[0]) < 0.05
        family += min(max_t_p_values(difference_K_R)) < 0.05
    return {"primary": round(primary / n, 4), "family": round(family / n, 4)}


SIMULATED: dict[str, Simulate] = {
    "fresh items": fresh_items,
    "shared items": shared_items,
    "shared items that arms do unlike": partial(shared_items, taste_sd=TASTE_SD),
    "shared items, 20 of them": partial(shared_items, taste_sd=TASTE_SD, items=20),
    "ratio of samples": ratio_of_samples,
}
