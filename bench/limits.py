"""A rate limit that no client is told, and 5 % errors: our limiter against curator's pause.

The server's token bucket lets `per_second` calls in, and `burst` of them at once after a
pause. It turns the others away with 429 and a Retry-After, and answers 5 % of those it
lets in with a 500. 32 in flight, 50 ms a call, up to 10 retries of a call for both. Ours
goes through limiter, retries and ledger; the peer (bench/curator.py) keeps nothing.

The targets hold for the first limit: 100 a second with a second's burst, whose
Retry-After is in whole seconds. Under the other limits ours runs alone, once, because
the peer would need hours. All of it takes some twelve minutes.

rate_share: the calls that got in, over those that the bucket would have let in until the
last one came, its burst included. waste: the 429s among all calls sent. The 500s were
ordered and are no waste.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import aiohttp

from bench.client import JSON_HEADERS
from bench.curator import MAX_RETRIES, PAUSE_S, Processor
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
from teachback.serve.additions import addition_teacher
from teachback.serve.pace import RequestLimit

TARGET = 2.0
RATE_TARGET = 0.92
WASTE_TARGET = 0.02
REPEATS = 2
IN_FLIGHT = 32
LATENCY_S = 0.05
ERRORS = 0.05
SEED = 0

Run = tuple[Purchase, CallCounts]


class Trial(NamedTuple):
    limit: RequestLimit
    calls: int
    contender: str = "ours"


# Both contenders face this limit.
SHARED_LIMIT = RequestLimit(100, 100)
SHARED_CALLS = 3000
QUICK_LIMIT = RequestLimit(100, 20, "fraction")
QUICK_CALLS = 60
QUICK_PAUSE_S = 0.2
ALONE = (
    # 5,000 a minute with a small burst: Retry-After in whole seconds, then exact.
    Trial(RequestLimit(5000 / 60, 10), 1000),
    Trial(RequestLimit(5000 / 60, 10, "fraction"), 1000),
    # 500 a minute.
    Trial(RequestLimit(500 / 60, 8), 300),
)


def bench(quick: bool) -> Outcome:
    limit, calls, pause_s = SHARED_LIMIT, SHARED_CALLS, PAUSE_S
    if quick:
        limit, calls, pause_s = QUICK_LIMIT, QUICK_CALLS, QUICK_PAUSE_S

    compared = [Trial(limit, calls, "ours"), Trial(limit, calls, "curator")]
    trials = [*compared, *(() if quick else ALONE)]
    runs: list[list[Run]] = [[] for _ in trials]
    for repeat in range(1 if quick else REPEATS):
        for trial, some in zip(trials, runs, strict=True):
            if repeat == 0 or trial in compared:
                some.append(run_trial(trial, pause_s))

    work = {
        "in_flight": IN_FLIGHT,
        "latency_s": LATENCY_S,
        "errors": ERRORS,
        "seed": SEED,
        "tries": 1 + MAX_RETRIES,
        "peer_pauses_s": pause_s,
    }
    results = [summarise(*pair) for pair in zip(trials, runs, strict=True)]
    ours, peer = results[:2]
    ratio = peer["wall_s"]["median"] / ours["wall_s"]["median"]
    same = all(result["same"] for result in results)
    rss_mib = max(purchase.rss_mib for purchase, _ in runs[0])
    facts = {"work": work, "runs": results}
    return Outcome(ratio, TARGET, same, rss_mib, facts, missed_targets(ours))


def run_trial(trial: Trial, pause_s: float) -> Run:
    settings = ServerSettings(LATENCY_S, 0.0, ERRORS, SEED, trial.limit)
    with rehearsal_server(settings) as server:
        contender = CONTENDERS[trial.contender]
        bodies = one_call_requests(trial.calls)
        purchase = run_fresh(contender, server.base_url, bodies, pause_s)
        return purchase, server.count_calls()


def summarise(trial: Trial, runs: Sequence[Run]) -> dict[str, Any]:
    """same: every request has the answer that the server's teacher gives."""
    limit = trial.limit
    bodies = one_call_requests(trial.calls)
    answers = [addition_teacher(json.loads(body)["messages"]) for body in bodies]
    expected = texts_by_request(bodies, answers)
    counts = [one for _, one in runs]
    return {
        "who": trial.contender,
        "limit": {
            "per_second": round(limit.per_second, 2),
            "burst": limit.burst,
            "retry_after": limit.retry_after,
        },
        "calls": trial.calls,
        "same": all(purchase.texts == expected for purchase, _ in runs),
        "wall_s": spread([purchase.wall_s for purchase, _ in runs], 2),
        "rate_share": spread([rate_share(limit, one) for one in counts]),
        "waste": spread([one.limited / one.calls for one in counts]),
        "sent": [one.calls for one in counts],
        "turned_away": [one.limited for one in counts],
        "ordered_500s": [one.errors for one in counts],
    }


def rate_share(limit: RequestLimit, counts: CallCounts) -> float:
    """The calls that got in, over what the bucket allows from the first call to the last."""
    allowed = limit.burst + limit.per_second * (counts.last_at - counts.first_at)
    return (counts.calls - counts.limited) / allowed


def missed_targets(result: dict[str, Any]) -> list[str]:
    share, waste = result["rate_share"]["median"], result["waste"]["median"]
    missed = []
    if share < RATE_TARGET:
        missed.append(f"{share:.1%} of the allowed rate, target {RATE_TARGET:.0%}")
    if waste > WASTE_TARGET:
        missed.append(f"{waste:.1%} of the calls wasted, target {WASTE_TARGET:.0%}")
    return missed


def buy_with_ours(base_url: str, bodies: Sequence[bytes], pause_s: float) -> Purchase:
    tries = 1 + MAX_RETRIES
    calls = make_pair_calls(base_url, IN_FLIGHT, calls_per_pair=1, tries=tries)
    return buy_pairs(calls, len(bodies))


def buy_with_curator(
    base_url: str, bodies: Sequence[bytes], pause_s: float
) -> Purchase:
    return asyncio.run(process_all(base_url, bodies, pause_s))


async def process_all(
    base_url: str, bodies: Sequence[bytes], pause_s: float
) -> Purchase:
    connector = aiohttp.TCPConnector(limit=10 * IN_FLIGHT)
    async with aiohttp.ClientSession(
        connector=connector, headers=JSON_HEADERS
    ) as session:
        slots = asyncio.Semaphore(IN_FLIGHT)
        processor = Processor(f"{base_url}/chat/completions", session, slots, pause_s)
        started, cpu = time.monotonic(), time.process_time()
        await processor.process(bodies)
        cpu, ended = time.process_time() - cpu, time.monotonic()

    answered = sorted(processor.texts)
    texts = texts_by_request(
        [bodies[index] for index in answered],
        [processor.texts[index] for index in answered],
    )
    return Purchase(texts, cpu, started, ended)


CONTENDERS: dict[str, Callable[[str, Sequence[bytes], float], Purchase]] = {
    "ours": buy_with_ours,
    "curator": buy_with_curator,
}
