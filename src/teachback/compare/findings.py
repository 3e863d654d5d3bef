"""What can be said of each arm against the reference, and how sure one is: METHOD, Comparisons, in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .curves import Curve, ArmResult
from .stats import (
    Interval,
    SamplesToTarget,
    area_under_curve,
    crossed_interval,
    max_t_p_values,
    paired_t_interval,
    find_samples_to_target,
    sign_flip_p_value,
)

MIN_REPEATS_TO_TEST = 8  # repeats from which a difference is tested
SPENDING_AXES = {
    "generated": "generated pairs",
    "tokens": "the teacher's tokens",
    "usd": "money",
}


@dataclass(frozen=True)
class Finding:
    """Of an arm against the reference, over the repeats: the area under its curve against what `axis` counts, up to
    where every curve reaches, minus the reference's. p: of the primary comparison by sign flips, else adjusted for all
    others of the axis; None with too few repeats. reach: against generated pairs only."""

    arm: str
    reference: str
    axis: str
    upto: float
    repeats: int
    difference: Interval | None
    primary: bool
    p: float | None
    reach: SamplesToTarget | None


def make_findings(
    measured: Sequence[ArmResult], arms: Sequence[str], reference: str, primary: str
) -> list[Finding]:
    """Arms in the order given, up to what the one that spent least has spent. Empty where nothing was."""
    by = {(one.curve.arm, one.curve.repeat): one for one in measured}
    repeats = sorted({repeat for _, repeat in by})
    fixed, others = (
        len({one.items for one in measured}) == 1,
        [arm for arm in arms if arm != reference],
    )
    return [
        finding
        for axis in SPENDING_AXES
        if (upto := common_extent(measured, axis)) > 0
        for finding in axis_findings(by, others, reference, primary, repeats, axis, upto, fixed)
    ]


def axis_values(curve: Curve, axis: str) -> Sequence[float]:
    """None of it is known where a price is not."""
    return getattr(curve, axis) or [0.0]


def common_extent(measured: Sequence[ArmResult], axis: str) -> float:
    return float(min(axis_values(one.curve, axis)[-1] for one in measured))


def axis_findings(
    by: Mapping[tuple[str, int], ArmResult],
    arms: Sequence[str],
    reference: str,
    primary: str,
    repeats: Sequence[int],
    axis: str,
    upto: float,
    fixed: bool,
) -> list[Finding]:
    found_K = [
        [
            question_areas(by[arm, r], axis, upto) - question_areas(by[reference, r], axis, upto)
            for r in repeats
        ]
        for arm in arms
    ]
    mean_K_R = np.array([[d_I.mean() for d_I in d_R_I] for d_R_I in found_K])
    p = (
        p_values(dict(zip(arms, mean_K_R, strict=True)), primary)
        if len(repeats) >= MIN_REPEATS_TO_TEST
        else {}
    )
    return [
        Finding(
            arm,
            reference,
            axis,
            upto,
            len(repeats),
            crossed_interval(d_R_I) if fixed else paired_t_interval(d_R),
            arm == primary,
            p.get(arm),
            arm_samples_to_target(
                [by[arm, r].curve for r in repeats],
                [by[reference, r].curve for r in repeats],
            )
            if axis == "generated"
            else None,
        )
        for arm, d_R_I, d_R in zip(arms, found_K, mean_K_R, strict=True)
    ]


def question_areas(one: ArmResult, axis: str, upto: float) -> Any:
    """(I,): the area under each question's curve; their mean is the area under the accuracy's."""
    points = np.eye(len(one.right_P_I))
    weight_P = np.array(
        [area_under_curve(axis_values(one.curve, axis), list(point), upto) for point in points]
    )
    return weight_P @ one.right_P_I


def p_values(differences: Mapping[str, Any], primary: str) -> dict[str, float]:
    """The primary comparison alone, by sign flips; all others together, by max-T."""
    rest = [arm for arm in differences if arm != primary]
    found = (
        dict(zip(rest, max_t_p_values([differences[arm] for arm in rest]), strict=True))
        if rest
        else {}
    )
    return found | (
        {primary: sign_flip_p_value(differences[primary])} if primary in differences else {}
    )


def arm_samples_to_target(ours: Sequence[Curve], reference: Sequence[Curve]) -> SamplesToTarget | None:
    """None where arms generated other numbers of pairs: then no point is the same."""
    if (
        any(a.generated != b.generated for a, b in zip(ours, reference, strict=True))
        or len(ours) < 2
    ):
        return None
    return find_samples_to_target(
        [c.generated for c in ours],
        [c.accuracy for c in reference],
        [c.accuracy for c in ours],
    )


def finding_sentence(finding: Finding) -> str:
    """In points of accuracy."""
    one, repeats = finding, f"{finding.repeats} repeats"
    if one.difference is None:
        return f"{one.arm}: one repeat says nothing of {one.reference}"
    value, low, high = (
        100 * x
        for x in (one.difference.estimate, one.difference.low, one.difference.high)
    )
    how = (
        repeats
        if one.p is None
        else f"{repeats}, {format_p_value(one.p)}{'' if one.primary else ' adjusted'}"
    )
    if 0.0 in one.difference or (one.p is not None and one.p >= 0.05):
        size = f"{value:+.1f} [{low:+.1f}, {high:+.1f}] points of area"
        return f"{one.arm}: not distinguishable from {one.reference} ({size}; {how})"
    verb = "gains" if value > 0 else "loses"
    low, high = sorted((abs(low), abs(high)))
    return f"{one.arm} {verb} {abs(value):.1f} [{low:.1f}, {high:.1f}] points of area over {one.reference} ({how})"


def format_p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def samples_sentence(finding: Finding) -> str | None:
    found = finding.reach
    if found is None:
        return None
    if found.ratio is None and not found.censored:
        return (
            f"{finding.arm}: no ratio of samples ({finding.reference} gained nothing)"
        )
    if found.ratio is None:
        short = f"{found.censored} of {finding.repeats} repeats did not reach {found.target:.1%}"
        return f"{finding.arm}: no ratio of samples ({short})"
    ratio = found.ratio
    times = f"{ratio.estimate:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] times fewer"
    return f"{finding.arm} reaches {found.target:.1%} with {times} samples than {finding.reference}"
