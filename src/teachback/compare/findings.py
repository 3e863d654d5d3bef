"""What can be said of each arm against the reference, and how sure one can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arm_results import ArmResult, Curve
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

MIN_REPEATS_TO_TEST = 8
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
    primary: bool  # the comparison that the config names
    # By sign flips for the primary comparison, else adjusted for all others of the axis.
    # None with too few repeats
    p: float | None
    reach: SamplesToTarget | None  # against generated pairs only


def make_findings(
    results: Sequence[ArmResult], arms: Sequence[str], reference: str, primary: str
) -> list[Finding]:
    """One finding for each arm and axis, in the order of `arms`.

    An axis on which nothing was spent has none. primary: an arm.
    """
    findings = list[Finding]()
    for axis in SPENDING_AXES:
        if common_extent(results, axis) > 0:
            findings += axis_findings(results, arms, reference, primary, axis)
    return findings


def axis_findings(
    results: Sequence[ArmResult],
    arms: Sequence[str],
    reference: str,
    primary: str,
    axis: str,
) -> list[Finding]:
    by_arm = results_by_arm(results)
    upto = common_extent(results, axis)
    repeats = len(by_arm[reference])
    differences = {
        arm: area_differences(by_arm[arm], by_arm[reference], axis, upto)
        for arm in arms
        if arm != reference
    }
    p_values = p_value_by_arm(differences, primary)
    shared_items = len({result.items for result in results}) == 1

    findings = []
    for arm, difference_R_I in differences.items():
        reach = None
        if axis == "generated":
            reach = arm_samples_to_target(by_arm[arm], by_arm[reference])
        findings.append(
            Finding(
                arm,
                reference,
                axis,
                upto,
                repeats,
                difference_interval(difference_R_I, shared_items),
                primary=arm == primary,
                p=p_values.get(arm),
                reach=reach,
            )
        )
    return findings


def results_by_arm(results: Sequence[ArmResult]) -> dict[str, list[ArmResult]]:
    """Each arm's results, in the order of the repeats."""
    by_arm: dict[str, list[ArmResult]] = {}
    for result in sorted(results, key=lambda result: result.curve.repeat):
        by_arm.setdefault(result.curve.arm, []).append(result)
    return by_arm


def axis_values(curve: Curve, axis: str) -> Sequence[float]:
    """What was spent at each point of the curve; [0.0] if a price is unknown."""
    values: Sequence[float] | None = getattr(curve, axis)
    return values or [0.0]


def common_extent(results: Sequence[ArmResult], axis: str) -> float:
    """What the arm that spent least has spent."""
    return float(min(axis_values(result.curve, axis)[-1] for result in results))


def question_areas(result: ArmResult, axis: str, upto: float) -> Any:
    """(I,): the area under each question's curve.

    Their mean is the area under the accuracy's curve.
    """
    spent_P = axis_values(result.curve, axis)
    # The area is linear in the curve: it is enough to know each point's weight
    points = np.eye(len(result.right_P_I))
    weights = [area_under_curve(spent_P, list(point), upto) for point in points]
    return np.array(weights) @ result.right_P_I


def area_differences(
    arm: Sequence[ArmResult], reference: Sequence[ArmResult], axis: str, upto: float
) -> list[Any]:
    """R arrays (I,): the difference of each question's area, by repeat."""
    return [
        question_areas(ours, axis, upto) - question_areas(theirs, axis, upto)
        for ours, theirs in zip(arm, reference, strict=True)
    ]


def mean_differences(difference_R_I: Sequence[Any]) -> list[float]:
    return [float(difference_I.mean()) for difference_I in difference_R_I]


def difference_interval(
    difference_R_I: Sequence[Any], shared_items: bool
) -> Interval | None:
    """shared_items: the test questions are the same in every repeat."""
    if shared_items:
        return crossed_interval(difference_R_I)
    return paired_t_interval(mean_differences(difference_R_I))


def p_value_by_arm(
    differences: Mapping[str, Sequence[Any]], primary: str
) -> dict[str, float]:
    """The primary comparison is tested alone, all others together by max-T.

    Empty with fewer than MIN_REPEATS_TO_TEST repeats.
    """
    means = {arm: mean_differences(d_R_I) for arm, d_R_I in differences.items()}
    tested = {
        arm: mean_R
        for arm, mean_R in means.items()
        if len(mean_R) >= MIN_REPEATS_TO_TEST
    }
    others = {arm: mean_R for arm, mean_R in tested.items() if arm != primary}
    p_values = dict[str, float]()
    if others:
        adjusted = max_t_p_values(list(others.values()))
        p_values.update(zip(others, adjusted, strict=True))
    if primary in tested:
        p_values[primary] = sign_flip_p_value(tested[primary])
    return p_values


def arm_samples_to_target(
    arm: Sequence[ArmResult], reference: Sequence[ArmResult]
) -> SamplesToTarget | None:
    """None with one repeat, or where the points of two curves differ.

    Points differ where one arm generated another number of pairs.
    """
    generated = [result.curve.generated for result in arm]
    if generated != [result.curve.generated for result in reference]:
        return None
    if len(arm) < 2:
        return None
    return find_samples_to_target(
        generated,
        [result.curve.accuracy for result in reference],
        [result.curve.accuracy for result in arm],
    )


def finding_sentence(finding: Finding) -> str:
    """In points of accuracy."""
    arm, reference = finding.arm, finding.reference
    if finding.difference is None:
        return f"{arm}: one repeat says nothing of {reference}"

    evidence = f"{finding.repeats} repeats"
    if finding.p is not None:
        adjusted = "" if finding.primary else " adjusted"
        evidence += f", {format_p_value(finding.p)}{adjusted}"

    value = 100 * finding.difference.estimate
    low, high = 100 * finding.difference.low, 100 * finding.difference.high
    not_significant = finding.p is not None and finding.p >= 0.05
    if 0.0 in finding.difference or not_significant:
        size = f"{value:+.1f} [{low:+.1f}, {high:+.1f}] points of area"
        return f"{arm}: not distinguishable from {reference} ({size}; {evidence})"

    verb = "gains" if value > 0 else "loses"
    low, high = sorted((abs(low), abs(high)))
    size = f"{abs(value):.1f} [{low:.1f}, {high:.1f}] points of area"
    return f"{arm} {verb} {size} over {reference} ({evidence})"


def format_p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def samples_sentence(finding: Finding) -> str | None:
    """None if the finding says nothing about samples to a target."""
    reach = finding.reach
    if reach is None:
        return None
    if reach.ratio is None:
        reason = f"{finding.reference} gained nothing"
        if reach.censored:
            reason = (
                f"{reach.censored} of {finding.repeats} repeats "
                f"did not reach {reach.target:.1%}"
            )
        return f"{finding.arm}: no ratio of samples ({reason})"

    ratio = reach.ratio
    times = f"{ratio.estimate:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] times fewer"
    return (
        f"{finding.arm} reaches {reach.target:.1%} "
        f"with {times} samples than {finding.reference}"
    )
