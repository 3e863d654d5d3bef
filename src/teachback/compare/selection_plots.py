"""What the arms selected, as plotly figures with a panel for each arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from ..run.history import read_step
from ..types import Example
from .plots import COLOURS, Plot, make_label, style_figure

if TYPE_CHECKING:
    from .arm_results import ArmRun
    from .summarise import Comparison

MAX_PANELS = 8  # arms after the eighth are left out
PANEL_COLUMNS = 4

PlotPoints = list[tuple[float, float]]
SeedsByRepeat = Mapping[int, Sequence[Example]]


def make_selection_plots(
    comparison: Comparison,
    runs: Sequence[ArmRun],
    seeds: SeedsByRepeat,
    fields: Sequence[str],
) -> list[Plot]:
    """Leaves out a plot that would be empty.

    runs: of every arm and repeat. fields: the seeds' meta fields to show.
    """
    by_arm = group_runs(runs, comparison.arms[:MAX_PANELS])
    plots = [
        Plot(
            f"What was selected, by {field}",
            "The share of each round's picks, over all repeats. "
            "The first bar is the pool.",
            draw_selection_shares(by_arm, seeds, field),
        )
        for field in fields
    ]
    scores = {arm: collect_scores(repeats[0]) for arm, repeats in by_arm.items()}
    if any(scores.values()):
        plots.append(
            Plot(
                "Score against answer length",
                "Each seed in the last round of the first repeat: "
                "length is what loss-like scores are confounded with.",
                draw_scatter(scores, "tokens of the attempt", "score"),
            )
        )
    losses = {arm: collect_losses(repeats) for arm, repeats in by_arm.items()}
    if any(losses.values()):
        plots.append(
            Plot(
                "Seeds and the rows made from them",
                write_carry_over_caption(comparison),
                draw_scatter(losses, "loss of the seed", "loss of the row"),
            )
        )
    return plots


def write_carry_over_caption(comparison: Comparison) -> str:
    caption = (
        "The loss of each row's question against its seed's, by the same student, "
        "over all rounds and repeats."
    )
    rho = comparison.carry_over
    if rho is None:
        return caption
    interval = f"{rho.estimate:.2f} [{rho.low:.2f}, {rho.high:.2f}]"
    return f"{caption} Rank correlation of the sets' medians: {interval}."


def group_runs(runs: Sequence[ArmRun], arms: Sequence[str]) -> dict[str, list[ArmRun]]:
    by_arm: dict[str, list[ArmRun]] = {arm: [] for arm in arms}
    for run in runs:
        if run.place.arm in by_arm:
            by_arm[run.place.arm].append(run)
    return by_arm


def draw_selection_shares(
    by_arm: Mapping[str, Sequence[ArmRun]], seeds: SeedsByRepeat, field: str
) -> Any:
    """One bar for each round, divided by the seeds' values of the field."""
    pool = Counter[str]()
    for examples in seeds.values():
        pool += count_values(examples, field)
    # By length first, so that the number 10 comes after 9
    values = sorted(pool, key=lambda value: (len(value), value))

    figure = make_panels(list(by_arm), shared_yaxes=True)
    for index, runs in enumerate(by_arm.values()):
        row, column = locate_panel(index)
        bars = [pool, *count_picks(runs, seeds, field)]
        names = ["pool", *(f"round {r}" for r in range(len(bars) - 1))]
        for k, value in enumerate(values):
            label = make_label(f"{field} {value}")
            figure.add_bar(
                x=names,
                y=[bar[value] / max(1, bar.total()) for bar in bars],
                name=label,
                marker_color=COLOURS[k % len(COLOURS)],
                legendgroup=label,
                showlegend=index == 0,
                row=row,
                col=column,
            )
    height = 80 + 280 * count_panel_rows(len(by_arm))
    figure.update_layout(barmode="stack", height=height)
    style_figure(figure)
    return figure.update_yaxes(tickformat=".0%", rangemode="tozero")


def count_values(examples: Sequence[Example], field: str) -> Counter[str]:
    return Counter(str(example.meta.get(field)) for example in examples)


def count_picks(
    runs: Sequence[ArmRun], seeds: SeedsByRepeat, field: str
) -> list[Counter[str]]:
    """For each round, the picks of all repeats by the field's value."""
    n_rounds = max(len(run.rounds) for run in runs)
    counts = [Counter[str]() for _ in range(n_rounds)]
    for run in runs:
        by_id = {seed.id: seed for seed in seeds[run.place.repeat]}
        for r, finished in enumerate(run.rounds):
            examples = [by_id[pick.seed] for pick in finished.chosen.picks]
            counts[r] += count_values(examples, field)
    return counts


def collect_scores(run: ArmRun) -> PlotPoints:
    """(tokens of the attempt, score) in the last round; empty for a chooser."""
    if not run.rounds or not run.rounds[-1].chosen.scores:
        return []
    folder = run.place.folder / f"round-{len(run.rounds) - 1:02d}"
    attempts = read_step(folder, "attempt").rows
    tokens = {attempt.id: float(attempt.n_tokens) for attempt in attempts}
    return [(tokens[id], score) for id, score in run.rounds[-1].chosen.scores]


def collect_losses(runs: Sequence[ArmRun]) -> PlotPoints:
    return [
        (pair.seed_loss, pair.row_loss)
        for run in runs
        for finished in run.rounds
        for pair in finished.transfer.pairs
    ]


def draw_scatter(groups: Mapping[str, PlotPoints], x: str, y: str) -> Any:
    """Each panel has its own axes, because each criterion scores in its own unit."""
    non_empty = {name: points for name, points in groups.items() if points}
    figure = make_panels(list(non_empty))
    for index, points in enumerate(non_empty.values()):
        row, column = locate_panel(index)
        figure.add_scatter(
            x=[point[0] for point in points],
            y=[point[1] for point in points],
            mode="markers",
            showlegend=False,
            marker={"size": 4, "opacity": 0.35, "color": COLOURS[0]},
            row=row,
            col=column,
        )
    rows = count_panel_rows(len(non_empty))
    figure.update_layout(height=80 + 300 * rows)
    style_figure(figure).update_xaxes(title_text=x, row=rows)
    return figure.update_yaxes(title_text=y, col=1)


def make_panels(titles: Sequence[str], *, shared_yaxes: bool = False) -> Any:
    from plotly.subplots import make_subplots

    return make_subplots(
        rows=count_panel_rows(len(titles)),
        cols=min(PANEL_COLUMNS, len(titles)),
        subplot_titles=list(map(make_label, titles)),
        shared_yaxes=shared_yaxes,
    )


def count_panel_rows(panels: int) -> int:
    return ceil(panels / PANEL_COLUMNS)


def locate_panel(index: int) -> tuple[int, int]:
    """Row and column of a panel, from 1 as plotly counts them."""
    return index // PANEL_COLUMNS + 1, index % PANEL_COLUMNS + 1
