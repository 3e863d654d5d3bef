"""Learning curves as plotly figures, and the colours and style of all figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import escape_controls
from .findings import SPENDING_AXES, get_axis_values
from .paired_tests import paired_t_interval
from .summarise import select_curves

if TYPE_CHECKING:
    from .arm_results import Curve
    from .summarise import Comparison

# The first six are Okabe and Ito's, which colour-blind readers can tell apart
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8C564B",
    "#4B0082",
    "#A6761D",
    "#1B7837",
)
REFERENCE_COLOUR = "#666666"


class Plot(NamedTuple):
    title: str
    caption: str
    figure: Any


class CurveBand(NamedTuple):
    """An arm's mean curve and its interval, at each point that all repeats have."""

    spent: list[float]  # mean over repeats
    mean: list[float]  # accuracy
    low: list[float]  # the 95 % interval of the mean
    high: list[float]


def make_learning_curve_plots(comparison: Comparison) -> list[Plot]:
    """One for each axis along which every arm has spent something."""
    plots = []
    for axis, name in SPENDING_AXES.items():
        totals = [get_axis_values(curve, axis)[-1] for curve in comparison.curves]
        if min(totals) > 0:
            plots.append(
                Plot(
                    f"{comparison.split} accuracy against {name}",
                    f"Means over {comparison.repeats} repeats, "
                    "with 95 % t intervals over repeats.",
                    draw_learning_curves(comparison, axis, name),
                )
            )
    return plots


def draw_learning_curves(comparison: Comparison, axis: str, name: str) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    for arm in comparison.arms:
        band = make_curve_band(select_curves(comparison.curves, arm), axis)
        colour = choose_colour(comparison, arm)
        # The interval is one closed shape: along its top, and back along its bottom
        figure.add_scatter(
            x=[*band.spent, *reversed(band.spent)],
            y=[*band.high, *reversed(band.low)],
            fill="toself",
            fillcolor=make_transparent(colour),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=arm,
        )
        figure.add_scatter(
            x=band.spent,
            y=band.mean,
            name=make_label(arm),
            legendgroup=arm,
            mode="lines+markers",
            line={"color": colour},
        )
    style_figure(figure, name, f"{comparison.split} accuracy")
    return figure.update_yaxes(tickformat=".0%", rangemode="tozero")


def make_curve_band(curves: Sequence[Curve], axis: str) -> CurveBand:
    band = CurveBand([], [], [], [])
    n_points = min(len(curve.accuracy) for curve in curves)
    for p in range(n_points):
        accuracy_R = [curve.accuracy[p] for curve in curves]
        mean = fmean(accuracy_R)
        interval = paired_t_interval(accuracy_R)
        band.spent.append(fmean(get_axis_values(curve, axis)[p] for curve in curves))
        band.mean.append(mean)
        band.low.append(interval.low if interval else mean)
        band.high.append(interval.high if interval else mean)
    return band


def choose_colour(comparison: Comparison, arm: str) -> str:
    if arm == comparison.reference:
        return REFERENCE_COLOUR
    others = [name for name in comparison.arms if name != comparison.reference]
    return COLOURS[others.index(arm) % len(COLOURS)]


def make_transparent(colour: str) -> str:
    """The colour #rrggbb with an opacity of 12 %, in CSS."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.12)"


def make_label(text: str) -> str:
    """The text as plotly's labels take it: they would turn its tags into links and styles."""
    return escape(escape_controls(text), quote=False)


def style_figure(figure: Any, x: str | None = None, y: str | None = None) -> Any:
    """x, y: titles of the axes."""
    figure.update_layout(
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        font={"size": 13},
    )
    if x:
        figure.update_xaxes(title_text=x).update_yaxes(title_text=y)
    return figure
