"""python -m bench study PLAN --only EXPERIMENT --picture FILE.svg: learning curves with their intervals, against
generated pairs and against the teacher's tokens."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from bench.study.report import RESULTS, curves_of
from teachback.compare.paired_tests import paired_t_interval

COLOURS = {
    "random": "#666666",
    "loss": "#0072B2",
    "wrong": "#D55E00",
    "learnability": "#009E73",
    "badge": "#CC79A7",
}
AXES = {"generated": "generated pairs", "tokens": "the teacher's tokens, thousands"}


def picture(plan: str, experiment: str, out: Path, arms: Sequence[str]) -> None:
    """arms: each has the colour of the criterion that its name begins with (black, if it has none), and is dashed
    where its name goes on."""
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
        for arm in [arm for arm in arms if arm in facts["arms"]]:
            runs = [
                (run, curve)
                for run, curve in curves_of(facts, "uniform")
                if run["arm"] == arm
            ]
            scale = 1 if axis == "generated" else 1000
            spent = [
                fmean(column) / scale
                for column in zip(*(run[axis] for run, _ in runs), strict=True)
            ]
            mean, low, high = band([curve for _, curve in runs])
            criterion, variant, _ = arm.partition("_")
            colour, line = COLOURS.get(criterion, "black"), "--" if variant else "-"
            axes.fill_between(spent, low, high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(
                spent,
                mean,
                line,
                marker="o",
                markersize=4,
                color=colour,
                label=arm.replace("_", ", "),
            )
        axes.set_xlabel(label)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(f"test accuracy, {facts['repeats']} repeats")
    panels[0].yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(0.05))
    panels[0].yaxis.set_major_formatter(
        matplotlib.ticker.PercentFormatter(1, decimals=0)
    )
    panels[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None}, facecolor="white")


def band(
    curves: Sequence[Sequence[float]],
) -> tuple[list[float], list[float], list[float]]:
    """Mean, and its 95 % t interval over the curves, at each of their points."""
    intervals = [paired_t_interval(at_one_point) for at_one_point in zip(*curves, strict=True)]
    found = [(i.estimate, i.low, i.high) for i in intervals if i is not None]
    mean, low, high = (list(column) for column in zip(*found, strict=True))
    return mean, low, high
