"""Statistics of learning curves: the area under one, and samples to a target.

Suffixes: R repeats, P points of a curve, where point 0 is the untuned student.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from typing import Any

import numpy as np

from .paired_tests import Interval, paired_t_interval

TARGET_GAIN = 0.8  # the target: this share of the reference's mean gain
MAX_CENSORED_SHARE = 0.25  # of the repeats; with more, no ratio is given


@dataclass(frozen=True)
class SamplesToTarget:
    """How many times fewer samples than the reference an arm needs to reach `target`."""

    target: float  # accuracy
    censored: int  # repeats in which the arm or the reference did not reach it
    # Above 1: the arm needs fewer. None: too many repeats are censored, or the reference
    # gained nothing
    ratio: Interval | None


def area_under_curve(
    spent_P: Sequence[float], accuracy_P: Sequence[float], upto: float
) -> float:
    """The mean accuracy while spending (rows, tokens, money) goes from 0 to `upto`.

    Straight lines join the points.
    """
    if upto <= 0:
        return float(accuracy_P[0])
    # The points before `upto`, and the one on the line at `upto`
    inside = [(x, y) for x, y in zip(spent_P, accuracy_P, strict=True) if x < upto]
    points = [*inside, (upto, float(np.interp(upto, spent_P, accuracy_P)))]
    area = sum(
        (right_x - left_x) * (left_y + right_y) / 2
        for (left_x, left_y), (right_x, right_y) in pairwise(points)
    )
    return area / upto


def find_samples_to_target(
    spent_R_P: Any, reference_R_P: Any, arm_R_P: Any
) -> SamplesToTarget:
    """The target is where the reference's mean curve has made TARGET_GAIN of its gain.

    Curves are made monotone first. The ratio of a repeat is what the reference spends to
    reach the target over what the arm spends. The mean over repeats is geometric.
    """
    spent_R_P = np.asarray(spent_R_P, float)
    reference_R_P = np.asarray(reference_R_P, float)
    arm_R_P = np.asarray(arm_R_P, float)

    mean_P = isotonic_curve(reference_R_P.mean(0))
    target = float(mean_P[0] + TARGET_GAIN * (mean_P[-1] - mean_P[0]))
    if mean_P[-1] <= mean_P[0]:
        return SamplesToTarget(target, 0, None)

    log_ratios = []
    for spent_P, arm_P, reference_P in zip(
        spent_R_P, arm_R_P, reference_R_P, strict=True
    ):
        reference_samples = samples_at_target(
            spent_P, isotonic_curve(reference_P), target
        )
        arm_samples = samples_at_target(spent_P, isotonic_curve(arm_P), target)
        # 0 samples, an untuned student at the target, are censored too: log has no value
        if reference_samples and arm_samples:
            log_ratios.append(log(reference_samples / arm_samples))

    censored = len(arm_R_P) - len(log_ratios)
    if censored > MAX_CENSORED_SHARE * len(arm_R_P):
        return SamplesToTarget(target, censored, None)
    interval = paired_t_interval(log_ratios)
    if interval is None:
        return SamplesToTarget(target, censored, None)
    ratio = Interval(exp(interval.estimate), exp(interval.low), exp(interval.high))
    return SamplesToTarget(target, censored, ratio)


def isotonic_curve(accuracy_P: Any) -> Any:
    """The nearest curve that never falls (least squares)."""
    from scipy.optimize import isotonic_regression

    return isotonic_regression(accuracy_P).x


def samples_at_target(spent_P: Any, rising_P: Any, target: float) -> float | None:
    """Where a curve that never falls first reaches the target; None if it doesn't.

    Straight lines join the points.
    """
    if rising_P[-1] < target:
        return None
    p = int(np.searchsorted(rising_P, target))  # the first point at the target or above
    if p == 0:
        return float(spent_P[0])
    share = (target - rising_P[p - 1]) / (rising_P[p] - rising_P[p - 1])
    return float(spent_P[p - 1] + share * (spent_P[p] - spent_P[p - 1]))
