"""Each arm against the reference: in sentences, with its interval, and by round."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...report.formatting import format_count
from ..findings import SPENDING_AXES, Finding
from ..paired_tests import Interval
from ..sentences import describe_finding, format_p_value
from ..summarise import Comparison
from ..tables import describe_findings, format_difference
from .curves import format_dollars

BAR_WIDTH = 200  # of the SVG that shows an interval


@dataclass(frozen=True)
class IntervalBar:
    """Positions in an SVG, from 0 to BAR_WIDTH."""

    zero: float
    low: float
    estimate: float
    high: float


@dataclass(frozen=True)
class FindingRow:
    arm: str
    is_primary: bool
    points: str
    interval: str
    p: str
    bar: IntervalBar | None  # None: one repeat has no interval


@dataclass(frozen=True)
class AxisFindings:
    """What is found along one budget, or along several that say the same."""

    title: str
    lines: tuple[str, ...]
    rows: tuple[FindingRow, ...]


@dataclass(frozen=True)
class Differences:
    reference: str
    axes: tuple[AxisFindings, ...]
    round_columns: tuple[str, ...]
    rounds: tuple[tuple[str, tuple[str, ...]], ...]  # an arm, and a cell for each point


def collect_differences(comparison: Comparison) -> Differences:
    by_arm = {
        arm: tuple(
            format_difference(one) for one in comparison.differences if one.arm == arm
        )
        for arm in comparison.arms
        if arm != comparison.reference
    }
    n_points = max(map(len, by_arm.values()))
    return Differences(
        comparison.reference,
        tuple(list_axis_findings(comparison.findings)),
        ("untuned", *(f"round {r}" for r in range(n_points - 1))),
        tuple(
            (arm, (*cells, *[""] * (n_points - len(cells))))
            for arm, cells in by_arm.items()
        ),
    )


def list_axis_findings(findings: Sequence[Finding]) -> Iterator[AxisFindings]:
    """Where two axes are proportional, all sentences are the same: they stand there once."""
    axes_by_sentences: dict[tuple[str, ...], list[str]] = {}
    for axis in dict.fromkeys(finding.axis for finding in findings):
        own = select_findings(findings, axis)
        axes_by_sentences.setdefault(tuple(map(describe_finding, own)), []).append(axis)
    for axes in axes_by_sentences.values():
        extents = [name_extent(select_findings(findings, axis)[0]) for axis in axes]
        own = select_findings(findings, axes[0])
        yield AxisFindings(
            f"Against {', and against '.join(extents)}",
            tuple(describe_findings(own)),
            tuple(make_finding_rows(own)),
        )


def select_findings(findings: Sequence[Finding], axis: str) -> list[Finding]:
    return [finding for finding in findings if finding.axis == axis]


def name_extent(finding: Finding) -> str:
    form = format_dollars if finding.axis == "usd" else format_count
    return f"{SPENDING_AXES[finding.axis]}, up to {form(finding.upto)}"


def make_finding_rows(findings: Sequence[Finding]) -> Iterator[FindingRow]:
    """The bars of all arms have one scale, with 0 in it."""
    intervals = [found.difference for found in findings if found.difference]
    low = min([0.0, *(interval.low for interval in intervals)])
    high = max([0.0, *(interval.high for interval in intervals)])
    for found in findings:
        difference = found.difference
        yield FindingRow(
            found.arm,
            found.primary,
            f"{100 * difference.estimate:+.1f}" if difference else "–",
            f"[{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
            if difference
            else "–",
            "–" if found.p is None else format_p_value(found.p).removeprefix("p = "),
            place_interval(difference, low, high) if difference else None,
        )


def place_interval(interval: Interval, low: float, high: float) -> IntervalBar:
    """low, high: the values at the ends of the bar."""
    span = high - low

    def place(value: float) -> float:
        return round(BAR_WIDTH * (value - low) / span, 1) if span else BAR_WIDTH / 2

    return IntervalBar(
        place(0.0),
        place(interval.low),
        place(interval.estimate),
        place(interval.high),
    )
