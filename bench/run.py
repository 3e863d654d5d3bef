"""One run of the loop, recorded in bench/results/NAME.json.

The run itself lies in runs/bench-NAME and resumes like any other; its seconds are summed over all of its starts.
"""

import json
import shlex
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import teachback
from bench.machine import machine
from teachback import config as cfg
from teachback.report.progress import Progress
from teachback.telling import run_facts

RESULTS = Path(__file__).parent / "results"


def record(name: str, config: Path, changes: list[str]) -> None:
    facts = recorded(name, config, changes)
    out = RESULTS / f"{name}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    curve = [facts["baseline"], *(r["dev"] for r in facts["rounds"])]
    print(f"{name}: dev accuracy {' → '.join(format(point['accuracy'], '.0%') for point in curve)}; {out}")


def recorded(name: str, path: Path, changes: list[str]) -> dict[str, Any]:
    from rich.console import Console

    config = cfg.read(path, changes, Path("runs") / f"bench-{name}")
    with Progress(Console(stderr=True, highlight=False, markup=False)) as progress:
        result = teachback.run(config, listen=progress.hear)
    facts = run_facts(result)
    facts = {key: value for key, value in facts.items() if key not in ("run_dir", "student")}
    inputs = json.loads((result.run_dir / "inputs.json").read_bytes())
    return {
        "command": f"python -m bench {shlex.join(sys.argv[1:])}",
        "machine": machine(),
        "versions": inputs["versions"],
        "student": inputs["student"],
        "precision": inputs["precision"],
        "seed": config.seed,
        "repeat": config.repeat,
        **facts,
        "seconds": seconds(result.run_dir),
    }


def seconds(run_dir: Path) -> dict[str, float]:
    """By step, over all rounds; and in all."""
    spent: dict[str, float] = defaultdict(float)
    for line in (run_dir / "timings.jsonl").read_text().split("\n"):
        entry = json.loads(line or "{}")
        if "step" in entry:
            spent[entry["step"]] += entry["seconds"]
    return {**{step: round(s, 1) for step, s in spent.items() if s >= 0.1}, "all": round(sum(spent.values()), 1)}
