"""A comparison as one HTML file that needs nothing else: curves with intervals, and what was selected."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Any

from ..build.task import make_task
from ..run import history
from ..run.files import commit_file
from ..types import Example, Round
from .curves import Curve
from .findings import SPENDING_AXES, samples_sentence, finding_sentence
from .stats import paired_t_interval
from .summary import Comparison
from .units import Unit

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
GREY = "#666666"  # the reference's
SHOWN = 8  # arms that have a panel of their own in the figures of what was selected
STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em } p, li { max-width: 50em } .what { color: #555 }"""


def write_page(path: Path, comparison: Comparison, units: Sequence[Unit]) -> None:
    import plotly.io as pio

    parts: list[str] = []
    for title, what, figure in figures(comparison, units):
        with_script = not parts  # plotly.js is in the file once
        drawn = pio.to_html(
            figure,
            full_html=False,
            include_plotlyjs=with_script,
            config={"displayModeBar": False},
        )
        parts.append(
            f"<h2>{escape(title)}</h2>\n<p class='what'>{escape(what)}</p>\n{drawn}"
        )
    said = [
        line
        for one in comparison.findings
        for line in (finding_sentence(one), samples_sentence(one))
        if line
    ]
    lines = "\n".join(
        f"<li>{escape(line)}</li>" for line in dict.fromkeys([*said, *comparison.notes])
    )
    title = f"{', '.join(comparison.arms)}: {comparison.repeats} repeats"
    commit_file(
        path,
        f"<!doctype html>\n<meta charset='utf-8'>\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f"<h1>{escape(title)}</h1>\n<ul>\n{lines}\n</ul>\n{''.join(parts)}\n".encode(),
    )


def figures(
    comparison: Comparison, units: Sequence[Unit]
) -> list[tuple[str, str, Any]]:
    """(title, what is shown, figure); without those there is nothing to show of."""
    found = [
        (
            f"{comparison.split} accuracy against {name}",
            f"Means over {comparison.repeats} repeats, with 95 % t intervals over repeats.",
            learning_curves(comparison, axis, name),
        )
        for axis, name in SPENDING_AXES.items()
        if all(
            getattr(curve, axis) and getattr(curve, axis)[-1] > 0
            for curve in comparison.curves
        )
    ]
    rounds = {
        (unit.arm, unit.config.repeat): history.read_history(unit.folder).rounds
        for unit in units
    }
    shown = comparison.arms[:SHOWN]
    tasks = {
        unit.config.repeat: make_task(unit.config.task, unit.config.repeat)
        for unit in units
    }
    seeds = {
        repeat: {example.id: example for example in task.seeds}
        for repeat, task in tasks.items()
    }
    for field in next(iter(tasks.values())).by:
        what = "The share of each round's picks, over all repeats. The first bar is the pool."
        found.append(
            (
                f"What was selected, by {field}",
                what,
                selected(shown, rounds, seeds, field),
            )
        )
    lengths = [
        (arm, points)
        for arm in shown
        if (points := score_and_length(units, rounds, arm))
    ]
    if lengths:
        what = "Each seed in the last round of the first repeat: length is what loss-like scores are confounded with."
        found.append(
            (
                "Score against answer length",
                what,
                scatter(lengths, "tokens of the attempt", "score"),
            )
        )
    carried = [(arm, points) for arm in shown if (points := seed_and_row(rounds, arm))]
    if carried:
        what = "The loss of each row's question against its seed's, by the same student, over all rounds and repeats."
        if comparison.carry_over:
            rho = comparison.carry_over
            what += f" Rank correlation of the sets' medians: {rho.estimate:.2f} [{rho.low:.2f}, {rho.high:.2f}]."
        found.append(
            (
                "Seeds and the rows made from them",
                what,
                scatter(carried, "loss of the seed", "loss of the row"),
            )
        )
    return found


def colour(arms: Sequence[str], arm: str, reference: str) -> str:
    others = [name for name in arms if name != reference]
    return GREY if arm == reference else COLOURS[others.index(arm) % len(COLOURS)]


def learning_curves(comparison: Comparison, axis: str, name: str) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    for arm in comparison.arms:
        x, mean, low, high = band([c for c in comparison.curves if c.arm == arm], axis)
        shade = colour(comparison.arms, arm, comparison.reference)
        rgb = ",".join(str(int(shade[i : i + 2], 16)) for i in (1, 3, 5))
        figure.add_scatter(
            x=[*x, *x[::-1]], y=[*high, *low[::-1]], fill="toself", fillcolor=f"rgba({rgb},0.12)", line={"width": 0},
            hoverinfo="skip", showlegend=False, legendgroup=arm,
        )  # fmt: skip
        figure.add_scatter(
            x=x,
            y=mean,
            name=arm,
            legendgroup=arm,
            mode="lines+markers",
            line={"color": shade},
        )
    return laid_out(figure, name, f"{comparison.split} accuracy").update_yaxes(
        tickformat=".0%", rangemode="tozero"
    )


def band(
    curves: Sequence[Curve], axis: str
) -> tuple[list[float], list[float], list[float], list[float]]:
    """What was spent, the mean accuracy and its interval, at each point that all repeats have."""
    points = min(len(c.accuracy) for c in curves)
    accuracy = [[c.accuracy[p] for c in curves] for p in range(points)]
    intervals = [paired_t_interval(some) for some in accuracy]
    mean = [fmean(some) for some in accuracy]
    low = [m if i is None else i.low for m, i in zip(mean, intervals, strict=True)]
    high = [m if i is None else i.high for m, i in zip(mean, intervals, strict=True)]
    return (
        [fmean(getattr(c, axis)[p] for c in curves) for p in range(points)],
        mean,
        low,
        high,
    )


def selected(
    arms: Sequence[str],
    rounds: Mapping[tuple[str, int], Sequence[Round]],
    seeds: Mapping[int, Mapping[str, Example]],
    field: str,
) -> Any:
    """A panel an arm, a bar a round, by the seeds' values of the field."""
    from plotly.subplots import make_subplots

    pool = Counter(
        str(e.meta.get(field)) for some in seeds.values() for e in some.values()
    )
    figure = make_subplots(
        rows=-(-len(arms) // 4),
        cols=min(4, len(arms)),
        subplot_titles=list(arms),
        shared_yaxes=True,
    )
    for place, arm in enumerate(arms):
        bars = [pool]
        for r in range(
            max(len(some) for (name, _), some in rounds.items() if name == arm)
        ):
            picks = [
                seeds[repeat][pick.seed]
                for (name, repeat), some in rounds.items()
                if name == arm and r < len(some)
                for pick in some[r].chosen.picks
            ]
            bars.append(Counter(str(e.meta.get(field)) for e in picks))
        for k, value in enumerate(sorted(pool, key=lambda v: (len(v), v))):
            figure.add_bar(
                x=["pool", *(f"round {r}" for r in range(len(bars) - 1))], name=f"{field} {value}",
                y=[bar[value] / max(1, bar.total()) for bar in bars], marker_color=COLOURS[k % len(COLOURS)],
                legendgroup=value, showlegend=place == 0, row=place // 4 + 1, col=place % 4 + 1,
            )  # fmt: skip
    figure.update_layout(barmode="stack", height=80 + 280 * -(-len(arms) // 4))
    return laid_out(figure).update_yaxes(tickformat=".0%", rangemode="tozero")


def score_and_length(
    units: Sequence[Unit], rounds: Mapping[tuple[str, int], Sequence[Round]], arm: str
) -> list[tuple[float, float]]:
    """Of the first repeat's last round; empty for a chooser."""
    unit = next(one for one in units if one.arm == arm)
    past = rounds[arm, unit.config.repeat]
    if not past or not past[-1].chosen.scores:
        return []
    attempts = history.read_step(unit.folder / f"round-{len(past) - 1:02d}", "attempt").rows
    tokens = {attempt.id: float(attempt.n_tokens) for attempt in attempts}
    return [(tokens[id], score) for id, score in past[-1].chosen.scores]


def seed_and_row(
    rounds: Mapping[tuple[str, int], Sequence[Round]], arm: str
) -> list[tuple[float, float]]:
    done = (one for (name, _), some in rounds.items() if name == arm for one in some)
    return [
        (pair.seed_loss, pair.row_loss) for one in done for pair in one.transfer.pairs
    ]


def scatter(
    groups: Sequence[tuple[str, Sequence[tuple[float, float]]]], x: str, y: str
) -> Any:
    """A panel a group, with axes of its own: scores have units of their own."""
    from plotly.subplots import make_subplots

    columns = min(4, len(groups))
    rows = -(-len(groups) // columns)
    figure = make_subplots(
        rows=rows, cols=columns, subplot_titles=[name for name, _ in groups]
    )
    for place, (_, points) in enumerate(groups):
        figure.add_scatter(
            x=[a for a, _ in points], y=[b for _, b in points], mode="markers", showlegend=False,
            marker={"size": 4, "opacity": 0.35, "color": COLOURS[0]}, row=place // columns + 1, col=place % columns + 1,
        )  # fmt: skip
    figure.update_layout(height=80 + 300 * rows)
    laid_out(figure).update_xaxes(title_text=x, row=rows)
    return figure.update_yaxes(title_text=y, col=1)


def laid_out(figure: Any, x: str | None = None, y: str | None = None) -> Any:
    figure.update_layout(
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        font={"size": 13},
    )
    if x:
        figure.update_xaxes(title_text=x).update_yaxes(title_text=y)
    return figure
