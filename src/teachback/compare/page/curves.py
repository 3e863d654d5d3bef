"""Accuracy against each budget, and what the arms came to at their ends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from ...pages.line_charts import (
    LineChart,
    LineSeries,
    choose_style_class,
    draw_lines,
)
from ...report.formatting import format_count, format_usd
from ..arm_results import Curve
from ..findings import SPENDING_AXES, get_axis_values
from ..paired_tests import paired_t_interval
from ..summarise import Comparison, select_curves


@dataclass(frozen=True)
class CurveBand:
    """An arm's mean curve, at each point that all of its repeats have."""

    spent: tuple[float, ...]  # mean over repeats
    mean: tuple[float, ...]  # accuracy
    low: tuple[float, ...]  # the 95 % interval of the mean, cut at 0 and 1
    high: tuple[float, ...]  # as long as `low`: empty with one repeat


@dataclass(frozen=True)
class ArmEnd:
    """A line of the table of arms. Amounts are means over repeats."""

    arm: str
    style_class: str
    rounds: str
    before: str
    after: str
    rows: str
    pairs: str
    tokens: str
    usd: str


@dataclass(frozen=True)
class ArmCurves:
    """charts: one for each budget of which every arm has spent something."""

    arms: tuple[ArmEnd, ...]
    charts: tuple[LineChart, ...]
    round_columns: tuple[str, ...]
    rounds: tuple[tuple[str, tuple[str, ...]], ...]  # an arm, and its accuracy by round


def collect_curves(comparison: Comparison) -> ArmCurves:
    bands = {
        arm: make_curve_band(select_curves(comparison.curves, arm), "generated")
        for arm in comparison.arms
    }
    n_points = max(len(band.mean) for band in bands.values())
    return ArmCurves(
        tuple(summarise_arm(comparison, arm, band) for arm, band in bands.items()),
        tuple(draw_axis_charts(comparison)),
        ("untuned", *(f"round {r}" for r in range(n_points - 1))),
        tuple(
            (arm, tuple(format_means(band, n_points))) for arm, band in bands.items()
        ),
    )


def make_curve_band(curves: Sequence[Curve], axis: str) -> CurveBand:
    n_points = min(len(curve.accuracy) for curve in curves)
    accuracy_P_R = [[curve.accuracy[p] for curve in curves] for p in range(n_points)]
    spent_R_P = [get_axis_values(curve, axis)[:n_points] for curve in curves]
    intervals = [
        interval
        for accuracy_R in accuracy_P_R
        if (interval := paired_t_interval(accuracy_R)) is not None
    ]
    return CurveBand(
        tuple(map(fmean, zip(*spent_R_P, strict=True))),
        tuple(map(fmean, accuracy_P_R)),
        tuple(max(0.0, interval.low) for interval in intervals),
        tuple(min(1.0, interval.high) for interval in intervals),
    )


def draw_axis_charts(comparison: Comparison) -> Iterator[LineChart]:
    for axis, name in SPENDING_AXES.items():
        ends = [get_axis_values(curve, axis)[-1] for curve in comparison.curves]
        if min(ends) <= 0:
            continue
        bands = {
            arm: make_curve_band(select_curves(comparison.curves, arm), axis)
            for arm in comparison.arms
        }
        yield draw_lines(
            f"{comparison.split} accuracy against {name}",
            "; ".join(
                f"{arm} from {band.mean[0]:.1%} to {band.mean[-1]:.1%}"
                for arm, band in bands.items()
            ),
            name,
            [
                LineSeries(
                    arm,
                    choose_style(comparison, arm),
                    band.spent,
                    band.mean,
                    band.low,
                    band.high,
                )
                for arm, band in bands.items()
            ],
            (lambda usd: f"${usd:g}") if axis == "usd" else format_count,
        )


def choose_style(comparison: Comparison, arm: str) -> int:
    """0 for the reference, then the others in their order."""
    if arm == comparison.reference:
        return 0
    others = [name for name in comparison.arms if name != comparison.reference]
    return others.index(arm) + 1


def format_dollars(value: float) -> str:
    return f"${format_usd(value)}"


def summarise_arm(comparison: Comparison, arm: str, band: CurveBand) -> ArmEnd:
    curves = select_curves(comparison.curves, arm)
    usd = [curve.usd[-1] for curve in curves if curve.usd is not None]
    n_rounds = sorted({len(curve.accuracy) - 1 for curve in curves})
    return ArmEnd(
        arm,
        choose_style_class(choose_style(comparison, arm)),
        "–".join(map(str, dict.fromkeys([n_rounds[0], n_rounds[-1]]))),
        f"{band.mean[0]:.1%}",
        f"{fmean(curve.accuracy[-1] for curve in curves):.1%}",
        format_mean([curve.accepted[-1] for curve in curves]),
        format_mean([curve.generated[-1] for curve in curves]),
        format_mean([curve.tokens[-1] for curve in curves]),
        format_dollars(fmean(usd)) if len(usd) == len(curves) else "unknown",
    )


def format_mean(values: Sequence[float]) -> str:
    return format_count(fmean(values))


def format_means(band: CurveBand, n_points: int) -> Iterator[str]:
    """A cell for each point; empty where the arm has no such round in every repeat."""
    for p in range(n_points):
        if p >= len(band.mean):
            yield ""
        elif band.low:
            yield f"{band.mean[p]:.1%} [{band.low[p]:.0%}, {band.high[p]:.0%}]"
        else:
            yield f"{band.mean[p]:.1%}"
