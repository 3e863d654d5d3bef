"""Slow calls: our sliding window against `gather` on one batch after another.

distilabel sends batches in this way. 5,000 calls, 50 in flight, latencies lognormal with
sigma 1 and a median of 0.1 s, drawn from each request's bytes: both sides get the same
ones. The batches go through bare aiohttp, without limiter, retries or ledger. That is in
the peer's favour, so the difference is the wait for each batch's slowest call.

`possible_s` is how long each way would take if a call took its latency and nothing else.
Its `floor` is the sum of all calls, spread over the slots without a gap.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.client import bare_aiohttp
from bench.outcome import Outcome
from bench.process import run_fresh, spread
from bench.purchases import (
    Purchase,
    buy_pairs,
    make_pair_calls,
    one_call_requests,
    texts_by_request,
)
from bench.rehearsal import CallCounts, ServerSettings, rehearsal_server
from teachback.serve.messages import Request
from teachback.serve.pace import lognormal_latency

TARGET = 5.0
BUSY_TARGET = 0.95
REPEATS = 3
IN_FLIGHT = 50
SIGMA = 1.0

Run = tuple[Purchase, CallCounts]


def bench(quick: bool) -> Outcome:
    calls, median_s, repeats = (300, 0.02, 1) if quick else (5000, 0.1, REPEATS)
    bodies = one_call_requests(calls)
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for name, contender in CONTENDERS.items():
            with rehearsal_server(ServerSettings(median_s, SIGMA)) as server:
                purchase = run_fresh(contender, server.base_url, bodies)
                runs[name].append((purchase, server.count_calls()))

    work = {
        "calls": calls,
        "in_flight": IN_FLIGHT,
        "median_s": median_s,
        "sigma": SIGMA,
        "repeats": repeats,
    }
    wall = {name: spread([p.wall_s for p, _ in some], 2) for name, some in runs.items()}
    cpu = {name: spread([p.cpu_s for p, _ in some], 2) for name, some in runs.items()}
    busy = {
        name: spread([busy_share(*run) for run in some]) for name, some in runs.items()
    }
    draw_s = lognormal_latency(median_s, SIGMA)
    facts: dict[str, Any] = {
        "work": work,
        "wall_s": wall,
        "busy_share": busy,
        "possible_s": possible_s([draw_s(Request(0, body, {})) for body in bodies]),
        "cpu_s": cpu,
    }
    ratio = wall["batches"]["median"] / wall["ours"]["median"]
    rss_mib = max(purchase.rss_mib for purchase, _ in runs["ours"])
    missed = []
    if busy["ours"]["median"] < BUSY_TARGET:
        share = busy["ours"]["median"]
        missed.append(f"slots busy {share:.1%}, target {BUSY_TARGET:.0%}")
    return Outcome(ratio, TARGET, same_work(runs, calls), rss_mib, facts, missed)


def same_work(runs: dict[str, list[Run]], calls: int) -> bool:
    every_run = [run for some in runs.values() for run in some]
    texts = every_run[0][0].texts
    return len(texts) == calls and all(
        purchase.texts == texts and counts.calls == calls
        for purchase, counts in every_run
    )


def busy_share(purchase: Purchase, counts: CallCounts) -> float:
    """The busy share of the slots' time, from the start until the last call arrived."""
    return counts.busy_s / (IN_FLIGHT * (counts.last_at - purchase.started_at))


def possible_s(latencies_s: Sequence[float]) -> dict[str, float]:
    free_at = [0.0] * IN_FLIGHT
    for latency_s in latencies_s:
        heapq.heapreplace(free_at, free_at[0] + latency_s)

    starts = range(0, len(latencies_s), IN_FLIGHT)
    slowest = [max(latencies_s[start : start + IN_FLIGHT]) for start in starts]
    return {
        "ours": round(max(free_at), 2),
        "batches": round(sum(slowest), 2),
        "floor": round(sum(latencies_s) / IN_FLIGHT, 2),
    }


def buy_in_window(base_url: str, bodies: Sequence[bytes]) -> Purchase:
    return buy_pairs(
        make_pair_calls(base_url, IN_FLIGHT, calls_per_pair=1), len(bodies)
    )


def buy_in_batches(base_url: str, bodies: Sequence[bytes]) -> Purchase:
    return asyncio.run(call_in_batches(base_url, bodies))


async def call_in_batches(base_url: str, bodies: Sequence[bytes]) -> Purchase:
    texts: list[str] = []
    async with bare_aiohttp(base_url, IN_FLIGHT) as call:
        started, cpu = time.monotonic(), time.process_time()
        for start in range(0, len(bodies), IN_FLIGHT):
            batch = bodies[start : start + IN_FLIGHT]
            texts += await asyncio.gather(*map(call, batch))
        cpu, ended = time.process_time() - cpu, time.monotonic()
    return Purchase(texts_by_request(bodies, texts), cpu, started, ended)


CONTENDERS: dict[str, Callable[[str, Sequence[bytes]], Purchase]] = {
    "ours": buy_in_window,
    "batches": buy_in_batches,
}
