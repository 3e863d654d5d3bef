"""What a comparison says of its arms, from numbers alone: intervals, tests, areas. METHOD, Comparisons.

The unit is the repeat. R repeats, K comparisons, I test items, P points of a curve (0 the untuned student).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, sqrt
from typing import Any

import numpy as np

MAX_EXACT_REPEATS = 14  # repeats up to which all sign flips are gone through
N_DRAWN_FLIPS = 20_000  # beyond, so many drawn ones
TARGET_GAIN = 0.8  # of random's mean gain: the target of samples_to_target
MAX_CENSORED_SHARE = 0.25  # with a larger share of the repeats no ratio is given
MIN_SETS = 10  # for a carry-over rho


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def paired_t_interval(differences_R: Sequence[float]) -> Interval | None:
    """The mean of per-repeat differences, for items that are fresh in every repeat. None with fewer than 2 repeats."""
    from scipy.stats import t

    d_R = np.asarray(differences_R, float)
    if len(d_R) < 2:
        return None
    half = float(t.ppf(0.975, len(d_R) - 1)) * float(d_R.std(ddof=1)) / sqrt(len(d_R))
    return Interval(
        float(d_R.mean()), float(d_R.mean()) - half, float(d_R.mean()) + half
    )


def crossed_interval(differences_R_I: Any) -> Interval | None:
    """The mean of differences on test items that are the same in every repeat: repeats and items are both samples.

    Resampling both independently has a variance in closed form (Owen 2007, the pigeonhole bootstrap), which counts what
    neither explains three times; counted once, it is that of the two-way random-effects model,
    (MS_R + MS_I − MS_E) / (R·I), with Satterthwaite's degrees of freedom for its t quantile. None with fewer than 2
    repeats or items.
    """
    from scipy.stats import t

    d_R_I = np.asarray(differences_R_I, float)
    n, m = d_R_I.shape
    if min(n, m) < 2:
        return None
    mean, row_R, item_I = d_R_I.mean(), d_R_I.mean(1), d_R_I.mean(0)
    left_R_I = d_R_I - row_R[:, None] - item_I + mean
    squares = [
        m * row_R.var(ddof=1),
        n * item_I.var(ddof=1),
        (left_R_I**2).sum() / ((n - 1) * (m - 1)),
    ]
    free, signs = [n - 1, m - 1, (n - 1) * (m - 1)], [1, 1, -1]
    total = max(
        sum(sign * square for sign, square in zip(signs, squares, strict=True)),
        max(squares[:2]),
    )
    if total == 0:
        return Interval(float(mean), float(mean), float(mean))
    df = total**2 / sum(
        square**2 / k for square, k in zip(squares[:2], free[:2], strict=True)
    )
    half = float(t.ppf(0.975, df)) * sqrt(total / (n * m))
    return Interval(float(mean), float(mean) - half, float(mean) + half)


def sign_flips(repeats: int) -> Any:
    """Signs (F, R): all of them up to EXACT repeats; beyond, FLIPS drawn ones and the one that changes nothing."""
    if repeats <= MAX_EXACT_REPEATS:
        return 1 - 2 * ((np.arange(2**repeats)[:, None] >> np.arange(repeats)) & 1)
    drawn = np.random.default_rng(0).integers(2, size=(N_DRAWN_FLIPS, repeats))
    return np.concatenate([np.ones((1, repeats), int), 1 - 2 * drawn])


def sign_flip_p_value(differences_R: Sequence[float]) -> float:
    """Two-sided p of no difference: the share of sign flips whose mean is at least as far from 0."""
    d_R = np.asarray(differences_R, float)
    return share_at_least(np.abs(sign_flips(len(d_R)) @ d_R), abs(d_R.sum()))


def max_t_p_values(differences_K_R: Any) -> list[float]:
    """p of each of K comparisons, adjusted for all of them: the share of joint sign flips whose largest |t| is at least
    its |t| (Westfall and Young 1993, single step). Flipping a repeat in all comparisons at once keeps how they hang
    together."""
    d_K_R = np.asarray(differences_K_R, float)
    signs_F_R = sign_flips(d_K_R.shape[1])
    largest_F = absolute_t_values(d_K_R, signs_F_R).max(1)
    return [
        share_at_least(largest_F, float(t))
        for t in absolute_t_values(d_K_R, np.ones((1, d_K_R.shape[1])))[0]
    ]


def absolute_t_values(d_K_R: Any, signs_F_R: Any) -> Any:
    """|t| of each comparison under each flip (F, K). Squares don't change sign, so the variance follows from the mean.
    Differences of 0 everywhere have t = 0."""
    n = d_K_R.shape[1]
    mean_F_K = signs_F_R @ d_K_R.T / n
    variance_F_K = np.maximum((d_K_R**2).sum(1) / n - mean_F_K**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t_F_K = np.abs(mean_F_K) / np.sqrt(variance_F_K / (n - 1))
    return np.where(mean_F_K == 0, 0.0, t_F_K)


def share_at_least(found_F: Any, observed: float) -> float:
    """Rounding must not tell a flip from itself."""
    return float(np.mean(found_F >= observed * (1 - 1e-9)))


def area_under_curve(spent_P: Sequence[float], accuracy_P: Sequence[float], upto: float) -> float:
    """The mean accuracy from 0 to `upto` of what is spent (rows, tokens, money), between points by straight lines."""
    if upto <= 0:
        return float(accuracy_P[0])
    inside = [(x, y) for x, y in zip(spent_P, accuracy_P, strict=True) if x < upto]
    points = [*inside, (upto, float(np.interp(upto, spent_P, accuracy_P)))]
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points)) / upto


@dataclass(frozen=True)
class SamplesToTarget:
    """How many times fewer samples than the reference an arm needs to get to `target`. ratio: None when more than a
    quarter of the repeats is censored (one of the two did not get there), or the reference gained nothing."""

    target: float
    censored: int
    ratio: Interval | None


def find_samples_to_target(spent_R_P: Any, reference_R_P: Any, arm_R_P: Any) -> SamplesToTarget:
    """target: where the reference's mean curve has made GAIN of its gain. Curves are made monotone first; per repeat
    the ratio is that of the two samples at which it is reached, the mean is geometric."""
    spent_R_P, reference_R_P, arm_R_P = (
        np.asarray(one, float) for one in (spent_R_P, reference_R_P, arm_R_P)
    )
    mean_P = isotonic_curve(reference_R_P.mean(0))
    target = float(mean_P[0] + TARGET_GAIN * (mean_P[-1] - mean_P[0]))
    if mean_P[-1] <= mean_P[0]:
        return SamplesToTarget(target, 0, None)
    logs = []
    for spent_P, ours_P, theirs_P in zip(
        spent_R_P, arm_R_P, reference_R_P, strict=True
    ):
        at = [samples_at_target(spent_P, isotonic_curve(one), target) for one in (theirs_P, ours_P)]
        if at[0] and at[1]:
            logs.append(log(at[0] / at[1]))
    censored = len(arm_R_P) - len(logs)
    found = paired_t_interval(logs) if censored <= MAX_CENSORED_SHARE * len(arm_R_P) else None
    return SamplesToTarget(
        target,
        censored,
        found and Interval(*map(exp, (found.estimate, found.low, found.high))),
    )


def isotonic_curve(accuracy_P: Any) -> Any:
    """The nearest curve that never falls (least squares)."""
    from scipy.optimize import isotonic_regression

    return isotonic_regression(accuracy_P).x


def samples_at_target(spent_P: Any, rising_P: Any, target: float) -> float | None:
    """Where a curve that never falls comes to the target first, by straight lines; None if it doesn't."""
    if rising_P[-1] < target:
        return None
    k = int(np.searchsorted(rising_P, target))
    if k == 0:
        return float(spent_P[0])
    share = (target - rising_P[k - 1]) / (rising_P[k] - rising_P[k - 1])
    return float(spent_P[k - 1] + share * (spent_P[k] - spent_P[k - 1]))


def pairwise_wins(accuracy_A_R_P: Any) -> Any:
    """Pairwise wins (A, A) of one condition (Ash et al. 2020): the share of the points after the untuned student at
    which the row's arm is above the column's by a paired t test at 5 %. Conditions add up."""
    from scipy.stats import t

    y_A_R_P = np.asarray(accuracy_A_R_P, float)[:, :, 1:]
    repeats = y_A_R_P.shape[1]
    if repeats < 2:
        raise ValueError("wins need 2 repeats or more")
    d_A_A_R_P = y_A_R_P[:, None] - y_A_R_P[None]
    mean, error = d_A_A_R_P.mean(2), d_A_A_R_P.std(2, ddof=1) / sqrt(repeats)
    return (mean > t.ppf(0.975, repeats - 1) * error).mean(-1)


def carry_over_interval(
    seed_medians: Sequence[float], row_medians: Sequence[float]
) -> Interval | None:
    """Spearman's rho over sets, one of each (arm, repeat, round), with the interval of Bonett and Wright (2000). Sets
    count as independent. None with fewer than SETS sets, or where one side is constant."""
    from ..metrics.statistics import spearman

    n, rho = len(seed_medians), spearman(seed_medians, row_medians)
    if n < MIN_SETS or rho is None:
        return None
    if abs(rho) == 1:
        return Interval(rho, rho, rho)
    z, half = np.arctanh(rho), 1.959964 * sqrt((1 + rho**2 / 2) / (n - 3))
    return Interval(rho, float(np.tanh(z - half)), float(np.tanh(z + half)))
