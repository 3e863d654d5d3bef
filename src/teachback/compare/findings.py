"""Each arm against the reference: the difference, its interval and its p-value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .curve_statistics import (
    SamplesToTarget,
    area_under_curve,
    find_samples_to_target,
)
from .paired_tests import (
    Interval,
    crossed_interval,
    max_t_p_values,
    paired_t_interval,
    sign_flip_p_value,
)

if TYPE_CHECKING:
    from .arm_results import ArmResult, Curve

# The smallest p that sign flips can give is 2 / 2^repeats: 0.008 at 8 repeats
MIN_REPEATS_TO_TEST = 8
# A field of a curve, and its name in sentences
SPENDING_AXES = {
    "generated": "generated pairs",
    "tokens": "the teacher's tokens",
    "usd": "money",
}


@dataclass(frozen=True)
class Finding:
    """An arm's area under the curve minus the reference's, over the repeats."""

    arm: str
    reference: str
    axis: str  # what the curve is drawn against: a key of SPENDING_AXES
    upto: float  # the areas end here, where the shortest curve ends
    repeats: int
    difference: Interval | None  # None with one repeat
    primary: bool  # whether this is the comparison that the config names
    # From sign flips. The primary comparison is tested alone; the p-values of all others
    # of the axis are adjusted together. None with too few repeats
    p: float | None
    reach: SamplesToTarget | None  # against generated pairs only


def make_findings(
    results: Sequence[ArmResult], arms: Sequence[str], reference: str, primary: str
) -> list[Finding]:
    """One finding for each arm and axis, in the order of `arms`.

    An axis on which nothing was spent has no findings. primary: the arm of the primary
    comparison.
    """
    findings = list[Finding]()
    for axis in SPENDING_AXES:
        if find_common_extent(results, axis) > 0:
            findings += make_axis_findings(results, arms, reference, primary, axis)
    return findings


def make_axis_findings(
    results: Sequence[ArmResult],
    arms: Sequence[str],
    reference: str,
    primary: str,
    axis: str,
) -> list[Finding]:
    by_arm = group_results(results)
    upto = find_common_extent(results, axis)
    repeats = len(by_arm[reference])
    differences = {
        arm: compute_area_differences(by_arm[arm], by_arm[reference], axis, upto)
        for arm in arms
        if arm != reference
    }
    p_values = compute_p_values(differences, primary)
    has_shared_items = len({result.item_ids for result in results}) == 1

    findings = []
    for arm, difference_R_I in differences.items():
        reach = None
        if axis == "generated":
            reach = compare_samples_to_target(by_arm[arm], by_arm[reference])
        findings.append(
            Finding(
                arm,
                reference,
                axis,
                upto,
                repeats,
                estimate_difference(difference_R_I, has_shared_items),
                primary=arm == primary,
                p=p_values.get(arm),
                reach=reach,
            )
        )
    return findings


def group_results(results: Sequence[ArmResult]) -> dict[str, list[ArmResult]]:
    """Each arm's results, in the order of the repeats."""
    by_arm: dict[str, list[ArmResult]] = {}
    for result in sorted(results, key=lambda result: result.curve.repeat):
        by_arm.setdefault(result.curve.arm, []).append(result)
    return by_arm


def get_axis_values(curve: Curve, axis: str) -> Sequence[float]:
    """What was spent at each point of the curve; [0.0] if a price is unknown."""
    values: Sequence[float] | None = getattr(curve, axis)
    return values or [0.0]


def find_common_extent(results: Sequence[ArmResult], axis: str) -> float:
    """Where the shortest curve ends: what the arm that spent least has spent."""
    return float(min(get_axis_values(result.curve, axis)[-1] for result in results))


def compute_question_areas(result: ArmResult, axis: str, upto: float) -> Any:
    """The area under each question's curve (I,).

    The mean of these areas is the area under the accuracy curve.
    """
    spent_P = get_axis_values(result.curve, axis)
    # The area is linear in the points' heights: the area under a curve that is 1 at one
    # point and 0 elsewhere is that point's weight
    unit_curve_P_P = np.eye(len(result.score_P_I))
    weight_P = [
        area_under_curve(spent_P, list(unit_curve_P), upto)
        for unit_curve_P in unit_curve_P_P
    ]
    return np.array(weight_P) @ result.score_P_I


def compute_area_differences(
    arm: Sequence[ArmResult], reference: Sequence[ArmResult], axis: str, upto: float
) -> list[Any]:
    """The differences of the questions' areas: an array (I,) for each repeat."""
    differences = []
    for arm_result, reference_result in zip(arm, reference, strict=True):
        arm_area_I = compute_question_areas(arm_result, axis, upto)
        reference_area_I = compute_question_areas(reference_result, axis, upto)
        differences.append(arm_area_I - reference_area_I)
    return differences


def average_differences(difference_R_I: Sequence[Any]) -> list[float]:
    return [float(difference_I.mean()) for difference_I in difference_R_I]


def estimate_difference(
    difference_R_I: Sequence[Any], has_shared_items: bool
) -> Interval | None:
    """has_shared_items: the test questions are the same in every repeat."""
    if has_shared_items:
        return crossed_interval(difference_R_I)
    return paired_t_interval(average_differences(difference_R_I))


def compute_p_values(
    differences: Mapping[str, Sequence[Any]], primary: str
) -> dict[str, float]:
    """The primary comparison is tested alone, all others together by max-T.

    Empty with fewer than MIN_REPEATS_TO_TEST repeats.
    """
    mean_R_by_arm = {
        arm: average_differences(difference_R_I)
        for arm, difference_R_I in differences.items()
        if len(difference_R_I) >= MIN_REPEATS_TO_TEST
    }
    p_values = dict[str, float]()
    primary_mean_R = mean_R_by_arm.pop(primary, None)
    if mean_R_by_arm:
        adjusted_p = max_t_p_values(list(mean_R_by_arm.values()))
        p_values.update(zip(mean_R_by_arm, adjusted_p, strict=True))
    if primary_mean_R is not None:
        p_values[primary] = sign_flip_p_value(primary_mean_R)
    return p_values


def compare_samples_to_target(
    arm: Sequence[ArmResult], reference: Sequence[ArmResult]
) -> SamplesToTarget | None:
    """None with one repeat, or if the two arms did not generate equally many pairs.

    The ratio needs curves whose points are at the same numbers of pairs.
    """
    generated_R_P = [result.curve.generated for result in arm]
    if generated_R_P != [result.curve.generated for result in reference]:
        return None
    if len(arm) < 2:
        return None
    return find_samples_to_target(
        generated_R_P,
        [result.curve.accuracy for result in reference],
        [result.curve.accuracy for result in arm],
    )
