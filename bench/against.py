"""What the benchmarks against a peer share: fresh processes, work to buy, the result file and the last line."""

import json
import os
import shlex
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Any, TypeVar

import aiohttp

from bench.machine import machine
from teachback.endpoints.endpoint import Endpoint
from teachback.endpoints.replies import read
from teachback.ledger.costs import PICO, Budget, Price
from teachback.ledger.ledger import Ledger
from teachback.teachers.openai import Asking, generate
from teachback.teachers.prompts import load_prompts
from teachback.types import Example, Pick

RESULTS = Path(__file__).parent / "results"
PRICE = Price(
    2_500_000, 10_000_000, 1_250_000
)  # picodollars a token: money is counted too
# Limits that are checked at every call, and never reached
BUDGET = Budget(generated=10**6, teacher_tokens=10**12, usd=10**6 * PICO)
Texts = list[
    tuple[str, str]
]  # sha256 of a request's body, and what was answered: sorted
T = TypeVar("T")


def peak_mib() -> float:
    """The most memory that this process has held. (ru_maxrss begins with what the parent held when it forked.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@dataclass(frozen=True)
class Outcome:
    """ratio: ours against the target's measure, more is better. same: both computed the same thing. rss_mib: of our
    process, at most. missed: other targets that were not reached, in words. facts: for the result file."""

    ratio: float
    target: float
    same: bool
    rss_mib: float
    facts: Mapping[str, Any]
    missed: Sequence[str] = ()


@dataclass(frozen=True)
class Bought:
    """What one contender did in its process. started, ended: on the clock that all processes share."""

    texts: Texts
    cpu_s: float
    started: float
    ended: float
    rss_mib: float = field(default_factory=peak_mib)

    @property
    def wall_s(self) -> float:
        return self.ended - self.started


def fresh(function: Callable[..., T], *args: object) -> T:
    """The function's value in a process of its own, so that nobody pays for what ran before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def on_disk() -> tempfile.TemporaryDirectory[str]:
    """A folder on this checkout's disk: /tmp may be memory, where durable costs nothing."""
    Path("runs").mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="bench-", dir="runs")


def asking(
    base_url: str, in_flight: int, *, pair_in_one: bool = False, tries: int = 3
) -> Asking:
    """The shipped prompts; with two calls a pair, or one."""
    prompts = load_prompts("neutral", calls=1 if pair_in_one else 2)
    endpoint = Endpoint(
        base_url, "teachback", in_flight=in_flight, tries=tries, price=PRICE
    )
    return Asking(endpoint, prompts, max_tokens_question=256, max_tokens_answer=512)


def seeds(count: int) -> list[Example]:
    text = "Ann has {} pears and buys {} more. Then she gives half of the pears that she has to Bob. How many are left?"
    return [Example(f"s{i}", text.format(2 * i, 2 * i + 6)) for i in range(count)]


def single_calls(count: int) -> list[bytes]:
    """The requests that `bought` sends for so many seeds, byte for byte, where a pair is one call."""
    given = asking("http://127.0.0.1", 1, pair_in_one=True)
    return [given.first(seed.question, 0, None) for seed in seeds(count)]


def bought(given: Asking, count: int) -> Bought:
    """The way a run buys: a pair for each seed, through limiter, retries and a ledger on the disk."""
    pool = seeds(count)
    picks = [Pick(seed.id, 0, rank, None) for rank, seed in enumerate(pool)]
    with on_disk() as folder:
        path = Path(folder) / "ledger.sqlite"
        started, cpu = time.monotonic(), time.process_time()
        with Ledger(path, budget=BUDGET) as ledger:
            generate(
                picks,
                {seed.id: seed for seed in pool},
                round=0,
                ledger=ledger,
                asking=given,
            )
        cpu, ended, rss = time.process_time() - cpu, time.monotonic(), peak_mib()
        return Bought(kept(path), cpu, started, ended, rss)


def kept(ledger_path: Path) -> Texts:
    """What the ledger holds of the answered calls."""
    db = sqlite3.connect(ledger_path)
    try:
        found = db.execute(
            "SELECT request, body FROM calls WHERE state = 'answered'"
        ).fetchall()
    finally:
        db.close()
    return sorted((request, read(body).text()) for request, body in found)


def keyed(bodies: Sequence[bytes], texts: Sequence[str]) -> Texts:
    return sorted(
        (sha256(body).hexdigest(), text)
        for body, text in zip(bodies, texts, strict=True)
    )


def spread(values: Sequence[float], digits: int = 4) -> dict[str, Any]:
    """Every repeat's number, never the best alone."""
    rounded = [round(value, digits) for value in values]
    return {
        "min": min(rounded),
        "median": round(median(rounded), digits),
        "all": rounded,
    }


def conditions(load: Sequence[float]) -> dict[str, Any]:
    versions = {"python": python_version(), "sqlite": sqlite3.sqlite_version}
    for name in ("teachback", "aiohttp", "openai", "httpx", "httpx2"):
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    command = f"python -m bench {shlex.join(sys.argv[1:])}"
    return {
        "command": command,
        "machine": machine(),
        "versions": versions,
        "load_at_start": [*load],
    }


def told(name: str, bench: Callable[[bool], Outcome], quick: bool) -> int:
    """Runs a benchmark, keeps its result and prints it. The exit status: 1 when the gate or a target fails; `quick` has
    no target, because so little work says nothing."""
    load = os.getloadavg()
    outcome = bench(quick)
    missed = list(outcome.missed)
    if outcome.ratio < outcome.target:
        missed.insert(0, f"ratio {outcome.ratio:.2f}, target {outcome.target:g}")
    gate = "ok" if outcome.same else "FAILED"
    last = f"{name} ratio={outcome.ratio:.2f} target={outcome.target:g} rss={outcome.rss_mib:.0f} gate={gate}"
    if not quick:
        facts = {
            **conditions(load),
            "ratio": round(outcome.ratio, 3),
            "target": outcome.target,
            "gate": gate,
        }
        facts |= {
            "missed": missed,
            "rss_mib": round(outcome.rss_mib, 1),
            **outcome.facts,
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(
            json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    print(json.dumps(outcome.facts, indent=1))
    for what in [] if quick else missed:
        print(f"missed: {what}")
    print(last, flush=True)
    return int(not outcome.same or (bool(missed) and not quick))
