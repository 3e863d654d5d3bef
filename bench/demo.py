"""`teachback demo` ten times: five seeds in float32 and in bf16.

Each run is a process of its own, one after the other, in runs/bench-demo; a bench that was stopped
goes on from there. The seconds are those of the steps. To them comes the student's conversion from
its package, which is done once, into an empty cache.

Targets: the last accuracy is 60 % or more in every run, the second round is above the first in
eight of ten, and float32's steps with the conversion take at most five minutes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from bench.outcome import Outcome
from bench.process import peak_mib
from bench.run import step_seconds
from teachback.demo.demo_config import DEMO_FILE, QUICK_FILE
from teachback.run import history

SEEDS = range(5)
PRECISIONS = ("float32", "bf16")
FOLDER = Path("runs/bench-demo")
MIN_ACCURACY = 0.6
MIN_RISES = 8
MAX_SECONDS = 300.0


def bench(quick: bool) -> Outcome:
    with TemporaryDirectory(prefix="teachback-") as name:
        folder = Path(name) if quick else FOLDER
        runs = [
            run_demo(folder, seed, precision, quick)
            for seed in (SEEDS[:1] if quick else SEEDS)
            for precision in PRECISIONS
        ]
        conversion_s = measure_conversion(Path(name) / "cache")
    worst = min(run["accuracy"][-1] for run in runs)
    # All runs are asked the same questions, and begin with the same student.
    starts = {(run["precision"], run["accuracy"][0]) for run in runs}
    facts = {
        "said": describe(runs),
        "recipe": yaml.safe_load(DEMO_FILE.read_text(encoding="utf-8")),
        "conversion_s": round(conversion_s, 1),
        "runs": runs,
    }
    is_same = len(starts) == len(PRECISIONS)
    missed = [] if quick else find_missed(runs, conversion_s)
    return Outcome(worst / MIN_ACCURACY, 1.0, is_same, peak_mib(), facts, missed)


def find_missed(runs: Sequence[dict[str, Any]], conversion_s: float) -> list[str]:
    rises = sum(run["accuracy"][2] > run["accuracy"][1] for run in runs)
    slow = [
        run["seconds"]["all"] + conversion_s
        for run in runs
        if run["precision"] == "float32"
        and run["seconds"]["all"] + conversion_s > MAX_SECONDS
    ]
    missed = []
    if rises < MIN_RISES:
        missed.append(f"the second round is above the first in {rises} runs")
    if slow:
        missed.append(f"{len(slow)} runs took up to {max(slow):.0f} s")
    return missed


def describe(runs: Sequence[dict[str, Any]]) -> str:
    """The range over the runs, by round."""
    points = zip(*(run["accuracy"] for run in runs), strict=True)
    return "dev accuracy " + " → ".join(format_range(point) for point in points)


def format_range(accuracies: Sequence[float]) -> str:
    low, high = f"{min(accuracies):.0%}", f"{max(accuracies):.0%}"
    return low if low == high else f"{low[:-1]}–{high}"


def run_demo(folder: Path, seed: int, precision: str, quick: bool) -> dict[str, Any]:
    run_dir = folder / f"{seed}-{precision}"
    changes = [f"seed={seed}", f"student.precision={precision}"]
    if quick:
        quick_changes = yaml.safe_load(QUICK_FILE.read_text(encoding="utf-8"))
        changes += [f"{key}={value}" for key, value in quick_changes.items()]
    args = [sys.executable, "-m", "teachback", "run", str(DEMO_FILE)]
    for change in changes:
        args += ["--set", change]
    subprocess.run(
        [*args, "--run-dir", str(run_dir)], check=True, stdout=subprocess.DEVNULL
    )
    past = history.read_history(run_dir)
    reports = [past.baseline, *(one.report for one in past.rounds)]
    return {
        "seed": seed,
        "precision": precision,
        "accuracy": [round(report.accuracy, 4) for report in reports],
        "n": reports[-1].n,
        "gold_nll": [report.gold_nll for report in reports],
        "accepted": [len(one.fresh.rows) for one in past.rounds],
        "seconds": step_seconds(run_dir),
    }


def measure_conversion(cache: Path) -> float:
    code = "from teachback.student.folder import resolve_smollm2; resolve_smollm2()"
    environment = {**os.environ, "TEACHBACK_CACHE": str(cache)}
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return time.monotonic() - started
