"""One run of the loop, or a comparison, recorded in bench/results/NAME.json.

The run lies in runs/bench-NAME and resumes like any other. Its seconds are summed over
all of its starts.
"""

import io
import json
import re
import shlex
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console

import teachback
from bench.machine import describe_machine
from bench.outcome import RESULTS
from teachback.compare.comparison import run_comparison
from teachback.compare.tables import print_comparison
from teachback.config.config import Config
from teachback.report.facts import run_facts
from teachback.report.progress import Progress
from teachback.run import history

LIST_OF_NUMBERS = re.compile(r"\[([^][{}\"]*)\]")


def write_record(name: str, facts: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    text = LIST_OF_NUMBERS.sub(on_one_line, text)
    path.write_text(f"{text}\n", encoding="utf-8")
    print(f"{name}: {facts['said']}; {path}")


def on_one_line(numbers: re.Match[str]) -> str:
    return f"[{' '.join(numbers[1].split())}]"


def record_run(config: Config) -> dict[str, Any]:
    with open_progress() as progress:
        result = teachback.run(config, listen=progress.show)
    facts = run_facts(result.summarise())
    del facts["run_dir"], facts["student"]
    curve = [facts["baseline"], *(one["dev"] for one in facts["rounds"])]
    accuracies = " → ".join(f"{point['accuracy']:.0%}" for point in curve)
    return {
        "said": f"dev accuracy {accuracies}",
        **run_conditions(result.run_dir),
        "seed": config.seed,
        "repeat": config.repeat,
        **facts,
        "seconds": step_seconds(result.run_dir),
    }


def record_comparison(config: Config, arms: list[str], repeats: int) -> dict[str, Any]:
    """table: what `teachback compare` prints. picks: seed ids by arm, repeat and round."""
    with open_progress() as progress:
        comparison = run_comparison(config, arms, repeats, listen=progress.show)

    text = io.StringIO()
    print_comparison(comparison, Console(file=text, width=100))
    folders = {
        f"{arm} {repeat}": config.run_dir / f"repeat-{repeat}" / arm
        for repeat in range(repeats)
        for arm in arms
    }
    seconds = {name: step_seconds(folder)["all"] for name, folder in folders.items()}
    return {
        "said": comparison.notes[0] if comparison.notes else f"{repeats} repeats",
        **run_conditions(next(iter(folders.values()))),
        "seed": config.seed,
        "table": text.getvalue().splitlines(),
        **vars(comparison),
        "curves": [vars(curve) for curve in comparison.curves],
        "differences": [vars(difference) for difference in comparison.differences],
        "picks": {name: picks_by_round(folder) for name, folder in folders.items()},
        "seconds": seconds,
    }


def picks_by_round(run_dir: Path) -> list[list[str]]:
    picks = []
    for finished in history.read_history(run_dir).rounds:
        picks.append([pick.seed for pick in finished.chosen.picks])
    return picks


def open_progress() -> Progress:
    return Progress(Console(stderr=True, highlight=False, markup=False))


def run_conditions(run_dir: Path) -> dict[str, Any]:
    inputs = json.loads((run_dir / "inputs.json").read_bytes())
    return {
        "command": f"python -m bench {shlex.join(sys.argv[1:])}",
        "machine": describe_machine(),
        "versions": inputs["versions"],
        "student": inputs["student"],
        "precision": inputs["precision"],
    }


def step_seconds(run_dir: Path) -> dict[str, float]:
    """Seconds by step over all rounds, and of all steps."""
    seconds: dict[str, float] = defaultdict(float)
    for line in (run_dir / "timings.jsonl").read_text().split("\n"):
        entry = json.loads(line or "{}")
        if "step" in entry:
            seconds[entry["step"]] += entry["seconds"]

    long = {step: round(s, 1) for step, s in seconds.items() if s >= 0.1}
    return {**long, "all": round(sum(seconds.values()), 1)}
