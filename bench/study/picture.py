"""python -m bench study PLAN --only EXPERIMENT --picture FILE.svg: learning curves with their intervals."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.study.report import RESULTS, curves_of
from teachback.compare.stats import paired_t

COLOURS = {
    "random": "#666666",
    "loss": "#0072B2",
    "wrong": "#D55E00",
    "learnability": "#009E73",
    "true_loss": "#CC79A7",
}


def picture(plan: str, experiment: str, out: Path, arms: Sequence[str] = tuple(COLOURS)) -> None:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams |= {"svg.hashsalt": "teachback", "font.family": "sans-serif", "svg.fonttype": "none"}
    facts = json.loads((RESULTS / f"study-{plan}-{experiment}.json").read_bytes())
    figure, axes = plt.subplots(figsize=(7.2, 4.0))
    for arm in [arm for arm in arms if arm in facts["arms"]]:
        spent, mean, low, high = band(
            [(run["generated"], curve) for run, curve in curves_of(facts, "uniform") if run["arm"] == arm]
        )
        axes.fill_between(spent, low, high, color=COLOURS[arm], alpha=0.12, linewidth=0)
        axes.plot(spent, mean, marker="o", markersize=4, color=COLOURS[arm], label=arm)
    axes.set_xlabel("generated pairs")
    axes.set_ylabel(f"test accuracy, {facts['repeats']} repeats")
    axes.yaxis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def band(curves: Sequence[Any]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Mean accuracy by generated pairs, with its 95 % t interval over repeats. curves: (generated, accuracy) of each."""
    intervals = [paired_t(at_one_point) for at_one_point in zip(*(accuracy for _, accuracy in curves), strict=True)]
    found = [(i.estimate, i.low, i.high) for i in intervals if i is not None]
    mean, low, high = (list(column) for column in zip(*found, strict=True))
    return curves[0][0], mean, low, high
