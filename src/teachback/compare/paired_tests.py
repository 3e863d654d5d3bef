"""Intervals and tests for paired differences (METHOD, Comparisons).

The unit is the repeat. Suffixes: R repeats, K comparisons, I test items, F sign flips,
A arms, P points of a curve, where point 0 is the untuned student.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from ..metrics.statistics import spearman

# Up to here all 2^R sign flips are computed. Beyond, N_DRAWN_FLIPS random ones are
MAX_EXACT_REPEATS = 14
N_DRAWN_FLIPS = 20_000
MIN_SETS = 10  # fewer sets have no rank correlation
NORMAL_QUANTILE = 1.959964  # of 97.5 %


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def paired_t_interval(differences_R: Sequence[float]) -> Interval | None:
    """The mean of the repeats' differences. None with fewer than 2 repeats.

    Each repeat must have its own test items. For shared items see `crossed_interval`.
    """
    from scipy.stats import t

    d_R = np.asarray(differences_R, float)
    n_repeats = len(d_R)
    if n_repeats < 2:
        return None
    mean = float(d_R.mean())
    quantile = float(t.ppf(0.975, n_repeats - 1))
    half_width = quantile * float(d_R.std(ddof=1)) / sqrt(n_repeats)
    return Interval(mean, mean - half_width, mean + half_width)


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
    n_repeats, n_items = d_R_I.shape
    if min(n_repeats, n_items) < 2:
        return None

    mean = float(d_R_I.mean())
    repeat_mean_R = d_R_I.mean(1)
    item_mean_I = d_R_I.mean(0)
    residual_R_I = d_R_I - repeat_mean_R[:, None] - item_mean_I + mean
    # Mean squares of the two-way table
    ms_repeats = n_items * repeat_mean_R.var(ddof=1)
    ms_items = n_repeats * item_mean_I.var(ddof=1)
    ms_residual = (residual_R_I**2).sum() / ((n_repeats - 1) * (n_items - 1))

    # Noise in ms_residual can make the sum too small: it is at least either part alone
    ms_total = max(ms_repeats + ms_items - ms_residual, ms_repeats, ms_items)
    if ms_total == 0:
        return Interval(mean, mean, mean)
    df = ms_total**2 / (ms_repeats**2 / (n_repeats - 1) + ms_items**2 / (n_items - 1))
    half_width = float(t.ppf(0.975, df)) * sqrt(ms_total / (n_repeats * n_items))
    return Interval(mean, mean - half_width, mean + half_width)


def sign_flips(repeats: int) -> Any:
    """Signs (F, R), 1 or −1: all combinations up to MAX_EXACT_REPEATS repeats.

    Beyond, N_DRAWN_FLIPS drawn ones and the one that changes nothing, so that no p-value
    is 0.
    """
    if repeats <= MAX_EXACT_REPEATS:
        # Bit r of a flip's number says whether repeat r changes its sign
        flip_F = np.arange(2**repeats)
        return 1 - 2 * ((flip_F[:, None] >> np.arange(repeats)) & 1)
    bits = np.random.default_rng(0).integers(2, size=(N_DRAWN_FLIPS, repeats))
    return np.concatenate([np.ones((1, repeats), int), 1 - 2 * bits])


def sign_flip_p_value(differences_R: Sequence[float]) -> float:
    """The two-sided p-value of no difference.

    It is the share of sign flips whose mean is at least as far from 0.
    """
    d_R = np.asarray(differences_R, float)
    sum_F = sign_flips(len(d_R)) @ d_R
    return share_at_least(np.abs(sum_F), abs(d_R.sum()))


def max_t_p_values(differences_K_R: Any) -> list[float]:
    """The p-value of each of K comparisons, adjusted for all of them.

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
    n_repeats = d_K_R.shape[1]
    mean_F_K = signs_F_R @ d_K_R.T / n_repeats
    mean_square_K = (d_K_R**2).sum(1) / n_repeats
    variance_F_K = np.maximum(mean_square_K - mean_F_K**2, 0)
    # Equal differences have no variance: |t| is infinite, or 0/0 if they are all 0
    with np.errstate(divide="ignore", invalid="ignore"):
        t_F_K = np.abs(mean_F_K) / np.sqrt(variance_F_K / (n_repeats - 1))
    return np.where(mean_F_K == 0, 0.0, t_F_K)


def share_at_least(values_F: Any, observed: float) -> float:
    """The share of values that are `observed` or more.

    The tolerance is for rounding: the flip that changes nothing must count.
    """
    return float(np.mean(values_F >= observed * (1 - 1e-9)))


def pairwise_wins(accuracy_A_R_P: Any) -> Any:
    """Pairwise wins (A, A) of one condition (Ash et al. 2020).

    An entry is the share of the points after the untuned student at which the row's arm
    is above the column's, by a paired t test at 5 %. Raises ValueError for one repeat.
    """
    from scipy.stats import t

    tuned_A_R_P = np.asarray(accuracy_A_R_P, float)[:, :, 1:]
    n_repeats = tuned_A_R_P.shape[1]
    if n_repeats < 2:
        raise ValueError("wins need 2 repeats or more")
    d_A_A_R_P = tuned_A_R_P[:, None] - tuned_A_R_P[None]
    mean_A_A_P = d_A_A_R_P.mean(2)
    error_A_A_P = d_A_A_R_P.std(2, ddof=1) / sqrt(n_repeats)
    is_above_A_A_P = mean_A_A_P > t.ppf(0.975, n_repeats - 1) * error_A_A_P
    return is_above_A_A_P.mean(-1)


def carry_over_interval(
    seed_medians: Sequence[float], row_medians: Sequence[float]
) -> Interval | None:
    """Spearman's rho over sets, with the interval of Bonett and Wright (2000).

    There is one set for each (arm, repeat, round); they count as independent. None with
    fewer than MIN_SETS sets, or where one side is constant.
    """
    n_sets = len(seed_medians)
    rho = spearman(seed_medians, row_medians)
    if n_sets < MIN_SETS or rho is None:
        return None
    if abs(rho) == 1:
        return Interval(rho, rho, rho)
    z = np.arctanh(rho)
    half_width = NORMAL_QUANTILE * sqrt((1 + rho**2 / 2) / (n_sets - 3))
    low = float(np.tanh(z - half_width))
    high = float(np.tanh(z + half_width))
    return Interval(rho, low, high)
