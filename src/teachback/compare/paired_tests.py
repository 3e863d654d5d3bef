"""Intervals and tests for paired differences (METHOD, Comparisons).

The unit is the repeat. Suffixes: R repeats, K comparisons, I test items, F sign flips,
A arms, P points of a curve, where point 0 is the untuned student.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

MAX_EXACT_REPEATS = 14  # up to here all sign flips are gone through
N_DRAWN_FLIPS = 20_000  # beyond, so many are drawn
MIN_SETS = 10  # that a rank correlation needs


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def paired_t_interval(differences_R: Sequence[float]) -> Interval | None:
    """The mean of per-repeat differences. None with fewer than 2 repeats.

    Every repeat must have test items of its own; for shared items see `crossed_interval`.
    """
    from scipy.stats import t

    d_R = np.asarray(differences_R, float)
    n = len(d_R)
    if n < 2:
        return None
    mean = float(d_R.mean())
    half = float(t.ppf(0.975, n - 1)) * float(d_R.std(ddof=1)) / sqrt(n)
    return Interval(mean, mean - half, mean + half)


def crossed_interval(differences_R_I: Any) -> Interval | None:
    """The mean of differences on test items that all repeats share.

    Repeats and items are both samples. Resampling both independently has a variance in
    closed form (Owen 2007, the pigeonhole bootstrap), which counts the residual three
    times. Counted once, it is the variance of the two-way random-effects model,
    (MS_R + MS_I − MS_E) / (R·I). The t quantile has Satterthwaite's degrees of freedom.
    None with fewer than 2 repeats or items.
    """
    from scipy.stats import t

    d_R_I = np.asarray(differences_R_I, float)
    n, m = d_R_I.shape
    if min(n, m) < 2:
        return None

    mean, row_R, item_I = d_R_I.mean(), d_R_I.mean(1), d_R_I.mean(0)
    residual_R_I = d_R_I - row_R[:, None] - item_I + mean
    ms_repeats = m * row_R.var(ddof=1)
    ms_items = n * item_I.var(ddof=1)
    ms_residual = (residual_R_I**2).sum() / ((n - 1) * (m - 1))

    # Sampling noise can make the difference too small: it is at least either part alone
    total = max(ms_repeats + ms_items - ms_residual, ms_repeats, ms_items)
    if total == 0:
        return Interval(float(mean), float(mean), float(mean))
    df = total**2 / (ms_repeats**2 / (n - 1) + ms_items**2 / (m - 1))
    half = float(t.ppf(0.975, df)) * sqrt(total / (n * m))
    return Interval(float(mean), float(mean) - half, float(mean) + half)


def sign_flips(repeats: int) -> Any:
    """Signs (F, R): all of them up to MAX_EXACT_REPEATS repeats.

    Beyond, N_DRAWN_FLIPS drawn ones and the one that changes nothing.
    """
    if repeats <= MAX_EXACT_REPEATS:
        flip_F = np.arange(2**repeats)
        return 1 - 2 * ((flip_F[:, None] >> np.arange(repeats)) & 1)
    bits = np.random.default_rng(0).integers(2, size=(N_DRAWN_FLIPS, repeats))
    return np.concatenate([np.ones((1, repeats), int), 1 - 2 * bits])


def sign_flip_p_value(differences_R: Sequence[float]) -> float:
    """Two-sided p of no difference.

    It is the share of sign flips whose mean is at least as far from 0.
    """
    d_R = np.asarray(differences_R, float)
    sum_F = sign_flips(len(d_R)) @ d_R
    return share_at_least(np.abs(sum_F), abs(d_R.sum()))


def max_t_p_values(differences_K_R: Any) -> list[float]:
    """p of each of K comparisons, adjusted for all of them.

    It is the share of joint sign flips whose largest |t| is at least the comparison's |t|
    (Westfall and Young 1993, single step). A repeat is flipped in all comparisons at
    once, which keeps their correlation.
    """
    d_K_R = np.asarray(differences_K_R, float)
    repeats = d_K_R.shape[1]
    largest_F = absolute_t_values(d_K_R, sign_flips(repeats)).max(1)
    observed_K = absolute_t_values(d_K_R, np.ones((1, repeats)))[0]
    return [share_at_least(largest_F, float(t)) for t in observed_K]


def absolute_t_values(d_K_R: Any, signs_F_R: Any) -> Any:
    """|t| of each comparison under each flip (F, K); 0 where all differences are 0.

    Flips leave the squares as they are, so the variance follows from the mean.
    """
    n = d_K_R.shape[1]
    mean_F_K = signs_F_R @ d_K_R.T / n
    variance_F_K = np.maximum((d_K_R**2).sum(1) / n - mean_F_K**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t_F_K = np.abs(mean_F_K) / np.sqrt(variance_F_K / (n - 1))
    return np.where(mean_F_K == 0, 0.0, t_F_K)


def share_at_least(values_F: Any, observed: float) -> float:
    """The tolerance is for rounding: a flip must count as equal to itself."""
    return float(np.mean(values_F >= observed * (1 - 1e-9)))


def pairwise_wins(accuracy_A_R_P: Any) -> Any:
    """Pairwise wins (A, A) of one condition (Ash et al. 2020).

    An entry is the share of the points after the untuned student at which the row's arm
    is above the column's, by a paired t test at 5 %. Raises ValueError for one repeat.
    """
    from scipy.stats import t

    y_A_R_P = np.asarray(accuracy_A_R_P, float)[:, :, 1:]
    repeats = y_A_R_P.shape[1]
    if repeats < 2:
        raise ValueError("wins need 2 repeats or more")
    d_A_A_R_P = y_A_R_P[:, None] - y_A_R_P[None]
    mean_A_A_P = d_A_A_R_P.mean(2)
    error_A_A_P = d_A_A_R_P.std(2, ddof=1) / sqrt(repeats)
    return (mean_A_A_P > t.ppf(0.975, repeats - 1) * error_A_A_P).mean(-1)


def carry_over_interval(
    seed_medians: Sequence[float], row_medians: Sequence[float]
) -> Interval | None:
    """Spearman's rho over sets, with the interval of Bonett and Wright (2000).

    There is one set for each (arm, repeat, round); they count as independent. None with
    fewer than MIN_SETS sets, or where one side is constant.
    """
    from ..metrics.statistics import spearman

    n, rho = len(seed_medians), spearman(seed_medians, row_medians)
    if n < MIN_SETS or rho is None:
        return None
    if abs(rho) == 1:
        return Interval(rho, rho, rho)
    z = np.arctanh(rho)
    half = 1.959964 * sqrt((1 + rho**2 / 2) / (n - 3))
    return Interval(rho, float(np.tanh(z - half)), float(np.tanh(z + half)))
