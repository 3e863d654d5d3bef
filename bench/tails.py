"""Slow calls: our sliding window against `gather` on one batch after another, as distilabel sends them.

5,000 calls, 50 in flight, latencies lognormal with sigma 1 and a median of 0.1 s, drawn from each request's bytes: both
meet the same ones. The batches go through bare aiohttp, without limiter, retries or ledger: that is in the peer's
favour, and what is left of the difference is the wait for each batch's slowest call. `possible_s` is what either way
would take if a call took its latency and nothing else; `floor`: the calls' sum, spread over all slots without a gap.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.against import (
    Bought,
    Outcome,
    asking,
    bought,
    fresh,
    keyed,
    single_calls,
    spread,
)
from bench.client import bare_aiohttp
from bench.rehearsal import Asked, Setting, rehearsal
from teachback.serve.messages import Request
from teachback.serve.pace import latency

TARGET, BUSY, REPEATS = 5.0, 0.95, 3
IN_FLIGHT, SIGMA = 50, 1.0


def bench(quick: bool) -> Outcome:
    calls, median_s, repeats = (300, 0.02, 1) if quick else (5000, 0.1, REPEATS)
    setting = Setting(median_s, SIGMA)
    work = single_calls(calls)
    found: dict[str, list[tuple[Bought, Asked]]] = {"ours": [], "batches": []}
    for _ in range(repeats):
        for name, ones in found.items():
            with rehearsal(setting) as server:
                ones.append(
                    (fresh(CONTENDERS[name], server.base_url, work), server.ask())
                )
    wall = {
        name: spread([b.wall_s for b, _ in ones], 2) for name, ones in found.items()
    }
    busy = {name: spread([share(*one) for one in ones]) for name, ones in found.items()}
    drawn = latency(median_s, SIGMA)
    facts: dict[str, Any] = {
        "work": {
            "calls": calls,
            "in_flight": IN_FLIGHT,
            "median_s": median_s,
            "sigma": SIGMA,
            "repeats": repeats,
        },
        "wall_s": wall,
        "busy_share": busy,
        "possible_s": possible([drawn(Request(0, body, {})) for body in work]),
        "cpu_s": {
            name: spread([b.cpu_s for b, _ in ones], 2) for name, ones in found.items()
        },
    }
    texts = [b.texts for ones in found.values() for b, _ in ones]
    same = len(texts[0]) == calls and all(other == texts[0] for other in texts)
    same = same and all(
        asked.calls == calls for ones in found.values() for _, asked in ones
    )
    low = busy["ours"]["median"]
    missed = [] if low >= BUSY else [f"slots busy {low:.1%}, target {BUSY:.0%}"]
    rss = max(b.rss_mib for b, _ in found["ours"])
    return Outcome(
        wall["batches"]["median"] / wall["ours"]["median"],
        TARGET,
        same,
        rss,
        facts,
        missed,
    )


def share(done: Bought, asked: Asked) -> float:
    """Of the slots' time that was busy, from the contender's start until its last call arrived."""
    return asked.busy_s / (IN_FLIGHT * (asked.last_at - done.started))


def possible(seconds: Sequence[float]) -> dict[str, float]:
    free = [0.0] * IN_FLIGHT
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    slowest = [
        max(seconds[at : at + IN_FLIGHT]) for at in range(0, len(seconds), IN_FLIGHT)
    ]
    ideal = {
        "ours": max(free),
        "batches": sum(slowest),
        "floor": sum(seconds) / IN_FLIGHT,
    }
    return {name: round(value, 2) for name, value in ideal.items()}


def window(base_url: str, work: Sequence[bytes]) -> Bought:
    return bought(asking(base_url, IN_FLIGHT, pair_in_one=True), len(work))


def batches(base_url: str, work: Sequence[bytes]) -> Bought:
    return asyncio.run(batch_by_batch(base_url, work))


async def batch_by_batch(base_url: str, work: Sequence[bytes]) -> Bought:
    texts: list[str] = []
    async with bare_aiohttp(base_url, IN_FLIGHT) as call:
        started, cpu = time.monotonic(), time.process_time()
        for at in range(0, len(work), IN_FLIGHT):
            texts += await asyncio.gather(*map(call, work[at : at + IN_FLIGHT]))
        cpu, ended = time.process_time() - cpu, time.monotonic()
    return Bought(keyed(work, texts), cpu, started, ended)


CONTENDERS: dict[str, Callable[[str, Sequence[bytes]], Bought]] = {
    "ours": window,
    "batches": batches,
}
