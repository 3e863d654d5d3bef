"""Charts as positions and words; templates/charts.html.j2 draws them as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .scales import (
    FRAME,
    ChartFrame,
    Scale,
    Tick,
    make_round_axis,
    make_share_axis,
    make_value_axis,
)

MAX_LABELLED_POINTS = 8
# Points of a scatter chart are drawn on whole units, each place once.
SCATTER_FRAME = ChartFrame(height=252, left=52, right=14, top=30)

Point = tuple[float, float]


@dataclass(frozen=True)
class CurvePoint:
    x: float
    y: float
    label: str | None  # None: there is no room for it
    label_y: float
    low: float | None = None  # position of the interval's ends
    high: float | None = None


@dataclass(frozen=True)
class CurveChart:
    """A value for the untuned student and for each round."""

    title: str
    summary: str  # in words, for who can't see it
    points: tuple[CurvePoint, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    frame: ChartFrame = FRAME

    @property
    def line(self) -> str:
        return " ".join(f"{point.x},{point.y}" for point in self.points)


@dataclass(frozen=True)
class ScatterChart:
    """Two groups of points: those that matter, and the others behind them."""

    title: str
    summary: str
    x_title: str
    y_title: str
    chosen: str  # an SVG path
    others: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    # From where to where x = y lies; None: it isn't drawn.
    diagonal: tuple[float, float, float, float] | None = None
    frame: ChartFrame = SCATTER_FRAME


def draw_shares(
    title: str, summary: str, shares: Sequence[tuple[float, float, float]]
) -> CurveChart:
    """shares: (share, low, high) of the untuned student and of each round."""
    y, y_ticks = make_share_axis()
    values = [share for share, _, _ in shares]
    points, x_ticks = place_curve(values, y, [f"{value:.0%}" for value in values])
    with_intervals = tuple(
        replace(point, low=y.place(low), high=y.place(high))
        for point, (_, low, high) in zip(points, shares, strict=True)
    )
    return CurveChart(title, summary, with_intervals, x_ticks, y_ticks)


def draw_values(title: str, summary: str, values: Sequence[float]) -> CurveChart:
    """values: of the untuned student and of each round."""
    y, y_ticks = make_value_axis(values, FRAME.y_end, FRAME.top)
    points, x_ticks = place_curve(values, y, [f"{value:.3g}" for value in values])
    return CurveChart(title, summary, points, x_ticks, y_ticks)


def place_curve(
    values: Sequence[float], y: Scale, labels: Sequence[str]
) -> tuple[tuple[CurvePoint, ...], tuple[Tick, ...]]:
    """The points, and the ticks of the rounds. The first and the last always have a label."""
    x, x_ticks = make_round_axis(len(values))
    last = len(values) - 1
    points = []
    for p, (value, label) in enumerate(zip(values, labels, strict=True)):
        is_labelled = last < MAX_LABELLED_POINTS or p in (0, last)
        # Below a line that rises from here, above one that falls, and beside its end.
        shift = 4.0
        if p < last:
            shift = 14.0 if values[p + 1] > value else -7.0
        at = y.place(value)
        label_y = min(at + shift, FRAME.y_end - 4)
        points.append(
            CurvePoint(x.place(p), at, label if is_labelled else None, label_y)
        )
    return tuple(points), x_ticks


def draw_scatter_chart(
    title: str,
    summary: str,
    axes: tuple[str, str],
    chosen: Sequence[Point],
    others: Sequence[Point] = (),
    *,
    has_diagonal: bool = False,
) -> ScatterChart:
    """axes: titles of x and y. has_diagonal: both axes have the same unit and limits."""
    frame = SCATTER_FRAME
    x_values, y_values = ([*values] for values in zip(*chosen, *others, strict=True))
    if has_diagonal:
        x_values = y_values = [*x_values, *y_values]
    x, x_ticks = make_value_axis(x_values, frame.left, frame.x_end)
    y, y_ticks = make_value_axis(y_values, frame.y_end, frame.top)
    diagonal = (frame.left, frame.y_end, frame.x_end, frame.top)
    return ScatterChart(
        title,
        summary,
        *axes,
        make_dots(chosen, x, y),
        make_dots(others, x, y),
        x_ticks,
        y_ticks,
        diagonal if has_diagonal else None,
    )


def make_dots(points: Sequence[Point], x: Scale, y: Scale) -> str:
    """A path of dots, so that ten thousand of them stay small."""
    places = {(round(x.place(a)), round(y.place(b))): None for a, b in points}
    return "".join(f"M{a} {b}h0" for a, b in places)
