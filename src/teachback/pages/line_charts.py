"""Several curves in one chart, each with its interval as a band and its name at its end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .scales import ChartFrame, Scale, Tick, choose_ticks

# The names stand to the right of the curves.
LINE_FRAME = ChartFrame(width=380, height=250, left=44, right=96)
MAX_NAME_CHARS = 14
NAME_HEIGHT = 12.0
MAX_TICK_CHARS = 5  # with longer labels every second one is left out
N_STYLES = 9  # .series-1 to .series-9 in page.css; style 0 is the reference's


@dataclass(frozen=True)
class LineSeries:
    """A curve of shares, from 0 to 1."""

    name: str
    style: int
    x: Sequence[float]
    y: Sequence[float]
    # The ends of the interval at each point; empty: there is none.
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class DrawnSeries:
    name: str
    style_class: str
    line: str  # the points of an SVG polyline
    band: str  # of a polygon, along the top and back; empty: there is none
    dots: tuple[tuple[float, float], ...]
    label: str  # the name, as far as there is room
    label_y: float


@dataclass(frozen=True)
class LineChart:
    title: str
    summary: str  # in words, for who can't see it
    x_title: str
    series: tuple[DrawnSeries, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    frame: ChartFrame = LINE_FRAME


def draw_lines(
    title: str,
    summary: str,
    x_title: str,
    series: Sequence[LineSeries],
    format_x: Callable[[float], str],
) -> LineChart:
    """format_x: words for a tick of the x axis, which begins at 0."""
    frame = LINE_FRAME
    x_values = [0.0, *(x for one in series for x in one.x)]
    shares = [y for one in series for y in (*one.y, *one.low, *one.high)]
    x, x_ticks = make_axis(x_values, frame.left, frame.x_end, format_x)
    y, y_ticks = make_axis(
        widen_shares(shares), frame.y_end, frame.top, lambda share: f"{100 * share:g}%"
    )
    ends = [y.place(one.y[-1]) for one in series]
    return LineChart(
        title,
        summary,
        x_title,
        tuple(
            draw_series(one, x, y, label_y)
            for one, label_y in zip(series, spread_labels(ends, frame), strict=True)
        ),
        thin_out_ticks(x_ticks),
        y_ticks,
    )


def make_axis(
    values: Sequence[float], start: float, end: float, form: Callable[[float], str]
) -> tuple[Scale, tuple[Tick, ...]]:
    ticks = choose_ticks(min(values), max(values))
    scale = Scale(ticks[0], ticks[-1], start, end)
    return scale, tuple(Tick(scale.place(tick), form(tick)) for tick in ticks)


def thin_out_ticks(ticks: tuple[Tick, ...]) -> tuple[Tick, ...]:
    is_tight = max(len(tick.label) for tick in ticks) > MAX_TICK_CHARS
    return ticks[::2] if is_tight else ticks


def widen_shares(shares: Sequence[float]) -> list[float]:
    """With room around equal shares, so that an axis has a length, and stays in 0 to 1."""
    low, high = min(shares), max(shares)
    if high - low < 0.05:
        low, high = max(0.0, low - 0.05), min(1.0, high + 0.05)
    return [low, high]


def draw_series(series: LineSeries, x: Scale, y: Scale, label_y: float) -> DrawnSeries:
    xs = [x.place(value) for value in series.x]
    dots = tuple(zip(xs, map(y.place, series.y), strict=True))
    top = [*zip(xs, map(y.place, series.high), strict=bool(series.high))]
    bottom = [*zip(xs, map(y.place, series.low), strict=bool(series.low))]
    return DrawnSeries(
        series.name,
        choose_style_class(series.style),
        join_points(dots),
        join_points([*top, *reversed(bottom)]),
        dots,
        shorten_name(series.name),
        label_y,
    )


def choose_style_class(style: int) -> str:
    """Colours come again after the ninth curve, with broken lines."""
    if style <= N_STYLES:
        return f"series-{style}"
    return f"series-{(style - 1) % N_STYLES + 1} again"


def join_points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def shorten_name(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARS else f"{name[: MAX_NAME_CHARS - 1]}…"


def spread_labels(wanted: Sequence[float], frame: ChartFrame) -> list[float]:
    """Heights near the wanted ones, so that no label lies on another.

    With more labels than fit, they go on below the chart.
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed: list[float] = []
    for i in order:
        least = placed[-1] + NAME_HEIGHT if placed else frame.top
        placed.append(max(wanted[i], least))
    # What was pushed out at the bottom moves up again, with what stands above it.
    most = max(frame.y_end - 4, frame.top + NAME_HEIGHT * (len(placed) - 1))
    for k in reversed(range(len(placed))):
        placed[k] = round(min(placed[k], most), 1)
        most = placed[k] - NAME_HEIGHT
    heights = dict(zip(order, placed, strict=True))
    return [heights[i] for i in range(len(wanted))]
