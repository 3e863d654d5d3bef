"""What a benchmark returns, and how it is kept and printed."""

import json
import os
import shlex
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from bench.machine import describe_machine

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("teachback", "aiohttp", "openai", "httpx", "httpx2")


@dataclass(frozen=True)
class Outcome:
    # Ours against the target's measure: more is better.
    ratio: float
    target: float
    # The gate: whether both computed the same thing.
    same: bool
    # Peak memory of our process.
    rss_mib: float
    # For the result file.
    facts: Mapping[str, Any]
    # Other targets that were not reached, in words.
    missed: Sequence[str] = ()


def run_benchmark(name: str, bench: Callable[[bool], Outcome], quick: bool) -> int:
    """Run a benchmark, keep its result and print it. Returns the exit status.

    The status is 1 when the gate or a target fails. `quick` has no target, because so
    little work says nothing, and keeps no result.
    """
    load = os.getloadavg()
    outcome = bench(quick)
    missed = [] if quick else missed_targets(outcome)
    gate = "ok" if outcome.same else "FAILED"
    if not quick:
        facts = {
            **conditions(load),
            "ratio": round(outcome.ratio, 3),
            "target": outcome.target,
            "gate": gate,
            "missed": missed,
            "rss_mib": round(outcome.rss_mib, 1),
            **outcome.facts,
        }
        write_result(name, facts)

    print(json.dumps(outcome.facts, indent=1))
    for target in missed:
        print(f"missed: {target}")
    print(
        f"{name} ratio={outcome.ratio:.2f} target={outcome.target:g} "
        f"rss={outcome.rss_mib:.0f} gate={gate}",
        flush=True,
    )
    return int(not outcome.same or bool(missed))


def missed_targets(outcome: Outcome) -> list[str]:
    missed = list(outcome.missed)
    if outcome.ratio < outcome.target:
        missed.insert(0, f"ratio {outcome.ratio:.2f}, target {outcome.target:g}")
    return missed


def write_result(name: str, facts: Mapping[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def conditions(load: Sequence[float]) -> dict[str, Any]:
    return {
        "command": f"python -m bench {shlex.join(sys.argv[1:])}",
        "machine": describe_machine(),
        "versions": library_versions(),
        "load_at_start": [*load],
    }


def library_versions() -> dict[str, str]:
    versions = {"python": python_version(), "sqlite": sqlite3.sqlite_version}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
