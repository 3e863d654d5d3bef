"""Findings as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .findings import Finding

SIGNIFICANCE_LEVEL = 0.05


def describe_finding(finding: Finding) -> str:
    """One sentence, in points of accuracy."""
    arm = finding.arm
    reference = finding.reference
    if finding.difference is None:
        return f"{arm}: one repeat says nothing about its difference from {reference}"

    evidence = f"{finding.repeats} repeats"
    if finding.p is not None:
        suffix = "" if finding.primary else " adjusted"
        evidence += f", {format_p_value(finding.p)}{suffix}"

    value = 100 * finding.difference.estimate
    low = 100 * finding.difference.low
    high = 100 * finding.difference.high
    if not is_beyond_chance(finding):
        size = f"{value:+.1f} [{low:+.1f}, {high:+.1f}] points of area"
        return f"{arm}: not distinguishable from {reference} ({size}; {evidence})"

    verb = "gains" if value > 0 else "loses"
    low, high = sorted((abs(low), abs(high)))
    size = f"{abs(value):.1f} [{low:.1f}, {high:.1f}] points of area"
    return f"{arm} {verb} {size} over {reference} ({evidence})"


def is_beyond_chance(finding: Finding) -> bool:
    """Interval and test may disagree: a difference is claimed only if neither denies it."""
    if finding.difference is None or 0.0 in finding.difference:
        return False
    return finding.p is None or finding.p < SIGNIFICANCE_LEVEL


def format_p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def describe_samples(finding: Finding) -> str | None:
    """One sentence; None if the finding has nothing on samples to a target."""
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
