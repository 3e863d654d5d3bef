"""python -m bench study PLAN --only EXPERIMENT --picture FILE.svg: learning curves.

They are drawn with their intervals, against generated pairs and against the teacher's
tokens.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from bench.outcome import RESULTS
from bench.study.report import runs_with_curves
from teachback.compare.paired_tests import paired_t_interval

COLOURS = {
    "random": "#666666",
    "loss": "#0072B2",
    "wrong": "#D55E00",
    "learnability": "#009E73",
    "badge": "#CC79A7",
}
AXES = {"generated": "generated pairs", "tokens": "the teacher's tokens, thousands"}
UNITS = {"generated": 1, "tokens": 1000}


def draw_picture(plan: str, experiment: str, out: Path, arms: Sequence[str]) -> None:
    """An arm has the colour of the criterion that its name begins with, or black.

    It is dashed if its name goes on.
    """
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams |= {
        "svg.hashsalt": "teachback",
        "font.family": "sans-serif",
        "svg.fonttype": "none",
    }
    facts = json.loads((RESULTS / f"study-{plan}-{experiment}.json").read_bytes())
    figure, panels = plt.subplots(1, 2, figsize=(9.0, 3.6), sharey=True)
    for axes, (axis, label) in zip(panels, AXES.items(), strict=True):
        for arm in arms:
            if arm in facts["arms"]:
                draw_arm(axes, facts, arm, axis)
        axes.set_xlabel(label)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)

    left = panels[0]
    left.set_ylabel(f"test accuracy, {facts['repeats']} repeats")
    left.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.05))
    left.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0))
    left.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None}, facecolor="white")


def draw_arm(axes: Any, facts: Mapping[str, Any], arm: str, axis: str) -> None:
    runs, curves = [], []
    for run, curve in runs_with_curves(facts, "uniform"):
        if run["arm"] == arm:
            runs.append(run)
            curves.append(curve)

    columns = zip(*(run[axis] for run in runs), strict=True)
    spent = [fmean(column) / UNITS[axis] for column in columns]
    mean, low, high = mean_and_interval(curves)
    criterion, variant, _ = arm.partition("_")
    colour = COLOURS.get(criterion, "black")
    axes.fill_between(spent, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.plot(
        spent,
        mean,
        "--" if variant else "-",
        marker="o",
        markersize=4,
        color=colour,
        label=arm.replace("_", ", "),
    )


def mean_and_interval(
    curves: Sequence[Sequence[float]],
) -> tuple[list[float], list[float], list[float]]:
    """At each point: the mean of the curves, and both ends of its 95 % t interval."""
    mean, low, high = [], [], []
    for accuracies in zip(*curves, strict=True):
        interval = paired_t_interval(accuracies)
        if interval is not None:
            mean.append(interval.estimate)
            low.append(interval.low)
            high.append(interval.high)
    return mean, low, high
