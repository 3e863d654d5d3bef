"""Where values lie in a chart: ticks at round numbers, and positions in the units of the SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

ROUND_STEPS_OF_TEN = (1, 2, 2.5, 5, 10)
MAX_TICKS = 6
MAX_ROUND_LABELS = 12


@dataclass(frozen=True)
class ChartFrame:
    """The place of a chart's data in its SVG."""

    width: float = 360
    height: float = 220
    left: float = 44
    right: float = 44  # the last value stands there
    top: float = 16
    bottom: float = 36

    @property
    def x_end(self) -> float:
        return self.width - self.right

    @property
    def y_end(self) -> float:
        return self.height - self.bottom


FRAME = ChartFrame()


@dataclass(frozen=True)
class Scale:
    """A straight line from values to positions."""

    low: float
    high: float
    start: float  # position of `low`
    end: float

    def place(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


def choose_ticks(low: float, high: float) -> list[float]:
    """At most MAX_TICKS + 1 round numbers, from one at or below `low` to one at or above `high`."""
    if low == high:
        margin = abs(low) / 10 or 1.0
        low, high = low - margin, high + margin
    least = (high - low) / (MAX_TICKS - 1)
    unit = 10.0 ** floor(log10(least))
    step = next(unit * k for k in ROUND_STEPS_OF_TEN if unit * k >= least * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def make_value_axis(
    values: Sequence[float], start: float, end: float
) -> tuple[Scale, tuple[Tick, ...]]:
    """An axis that holds all the values. start, end: positions of its ends."""
    ticks = choose_ticks(min(values), max(values))
    scale = Scale(ticks[0], ticks[-1], start, end)
    return scale, tuple(Tick(scale.place(tick), f"{tick:g}") for tick in ticks)


def make_share_axis(frame: ChartFrame = FRAME) -> tuple[Scale, tuple[Tick, ...]]:
    """From 0 to 100 %, upwards."""
    scale = Scale(0, 1, frame.y_end, frame.top)
    shares = (0, 0.25, 0.5, 0.75, 1)
    return scale, tuple(Tick(scale.place(share), f"{share:.0%}") for share in shares)


def make_round_axis(
    n_points: int, frame: ChartFrame = FRAME
) -> tuple[Scale, tuple[Tick, ...]]:
    """The untuned student, then each round. Where there are many, not every round has a label."""
    inset = 18
    scale = Scale(0, n_points - 1, frame.left + inset, frame.x_end - inset)
    every = ceil(n_points / MAX_ROUND_LABELS)
    # From the last round backwards, so that it has a label.
    shown = [p for p in range(1, n_points) if (n_points - 1 - p) % every == 0]
    labels = {0: "before", **{p: str(p - 1) for p in shown}}
    return scale, tuple(Tick(scale.place(p), label) for p, label in labels.items())
