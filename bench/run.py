"""One run of the loop, or a comparison, recorded in bench/results/NAME.json.

The run itself lies in runs/bench-NAME and resumes like any other; its seconds are summed over all of its starts.
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
from bench.machine import describe_machine as machine
from teachback.compare.comparison import run_comparison
from teachback.compare.tables import print_comparison
from teachback.config.config import Config
from teachback.report.facts import run_facts
from teachback.report.progress import Progress
from teachback.run import history

RESULTS = Path(__file__).parent / "results"


def keep(name: str, facts: dict[str, Any]) -> None:
    out = RESULTS / f"{name}.json"
    out.parent.mkdir(exist_ok=True)
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    text = re.sub(
        r"\[([^][{}\"]*)\]", lambda numbers: f"[{' '.join(numbers[1].split())}]", text
    )  # on one line
    out.write_text(text + "\n", encoding="utf-8")
    print(f"{name}: {facts['said']}; {out}")


def recorded(config: Config) -> dict[str, Any]:
    with progress() as shown:
        result = teachback.run(config, listen=shown.show)
    facts = run_facts(
        run_dir=result.run_dir,
        student=result.student,
        baseline=result.history.baseline,
        rounds=result.history.rounds,
        spend=result.spend,
        closed_early=result.short,
    )
    del facts["run_dir"], facts["student"]
    curve = [facts["baseline"], *(r["dev"] for r in facts["rounds"])]
    return {
        "said": f"dev accuracy {' → '.join(format(point['accuracy'], '.0%') for point in curve)}",
        **conditions(result.run_dir),
        "seed": config.seed,
        "repeat": config.repeat,
        **facts,
        "seconds": seconds(result.run_dir),
    }


def compared(config: Config, arms: list[str], repeats: int) -> dict[str, Any]:
    """table: as `teachback compare` prints it. picks: of each arm and repeat, ids by round."""
    with progress() as shown:
        comparison = run_comparison(config, arms, repeats, listen=shown.show)
    table = Console(file=io.StringIO(), width=100)
    print_comparison(comparison, table)
    assert isinstance(table.file, io.StringIO)
    lines = table.file.getvalue().splitlines()
    folders = {
        f"{arm} {repeat}": config.run_dir / f"repeat-{repeat}" / arm
        for repeat in range(repeats)
        for arm in arms
    }
    return {
        "said": comparison.notes[0] if comparison.notes else f"{repeats} repeats",
        **conditions(next(iter(folders.values()))),
        "seed": config.seed,
        "table": lines,
        **vars(comparison),
        "curves": [vars(curve) for curve in comparison.curves],
        "differences": [vars(difference) for difference in comparison.differences],
        "picks": {
            name: [
                [pick.seed for pick in r.chosen.picks]
                for r in history.read_history(folder).rounds
            ]
            for name, folder in folders.items()
        },
        "seconds": {name: seconds(folder)["all"] for name, folder in folders.items()},
    }


def progress() -> Progress:
    return Progress(Console(stderr=True, highlight=False, markup=False))


def conditions(run_dir: Path) -> dict[str, Any]:
    inputs = json.loads((run_dir / "inputs.json").read_bytes())
    return {
        "command": f"python -m bench {shlex.join(sys.argv[1:])}",
        "machine": machine(),
        **{name: inputs[name] for name in ("versions", "student", "precision")},
    }


def seconds(run_dir: Path) -> dict[str, float]:
    """By step, over all rounds; and in all."""
    spent: dict[str, float] = defaultdict(float)
    for line in (run_dir / "timings.jsonl").read_text().split("\n"):
        entry = json.loads(line or "{}")
        if "step" in entry:
            spent[entry["step"]] += entry["seconds"]
    return {
        **{step: round(s, 1) for step, s in spent.items() if s >= 0.1},
        "all": round(sum(spent.values()), 1),
    }
