"""A rate limit that nobody told us, and 5 % errors: our limiter against curator's pause (bench/curator.py).

The server's token bucket lets `per_second` calls in, `burst` of them at once after a pause; it turns the others away
with 429 and a Retry-After, and gives 5 % of those it lets in a 500. 32 in flight, 50 ms a call, up to 10 retries of a
call for both. Ours goes through limiter, retries and ledger; the peer keeps nothing. The targets are those of the first
limit, 100 a second with a second's burst, whose Retry-After is in whole seconds; under the others ours runs alone,
once, because the peer would need hours. All of it takes some twelve minutes.

rate_share: the calls that were let in, of those that the bucket would have let in until the last one came, its burst
included. waste: the 429s among all calls sent. (The 500s were ordered, and are no waste.)
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

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
from bench.curator import MAX_RETRIES, SECONDS_TO_PAUSE, Processor
from bench.rehearsal import Asked, Setting, rehearsal
from teachback.serve.pace import Limit
from teachback.serve.program import additions

Run = tuple[Bought, Asked]
TARGET, RATE, WASTE, REPEATS = 2.0, 0.92, 0.02, 2
IN_FLIGHT, LATENCY_S, ERRORS, SEED = 32, 0.05, 0.05, 0
FACED = Limit(100, 100), 3000  # the limit that both face, and the calls
ALONE = (  # 5,000 a minute without much of a burst, by what its Retry-After tells; 500 a minute
    (Limit(5000 / 60, 10), 1000),
    (Limit(5000 / 60, 10, "fraction"), 1000),
    (Limit(500 / 60, 8), 300),
)


def bench(quick: bool) -> Outcome:
    faced, alone, pause_s = (
        ((Limit(100, 20, "fraction"), 60), (), 0.2)
        if quick
        else (FACED, ALONE, SECONDS_TO_PAUSE)
    )
    plan = [(*faced, "ours"), (*faced, "curator"), *((*one, "ours") for one in alone)]
    found: list[list[Run]] = [[] for _ in plan]
    for repeat in range(1 if quick else REPEATS):
        for (limit, calls, name), runs in list(zip(plan, found, strict=True))[
            : len(plan) if repeat == 0 else 2
        ]:
            with rehearsal(Setting(LATENCY_S, 0.0, ERRORS, SEED, limit)) as server:
                runs.append(
                    (
                        fresh(
                            CONTENDERS[name],
                            server.base_url,
                            single_calls(calls),
                            pause_s,
                        ),
                        server.ask(),
                    )
                )
    told = [facts_of(*one, runs) for one, runs in zip(plan, found, strict=True)]
    work = {
        "in_flight": IN_FLIGHT,
        "latency_s": LATENCY_S,
        "errors": ERRORS,
        "seed": SEED,
        "tries": 1 + MAX_RETRIES,
    }
    facts = {"work": work | {"peer_pauses_s": pause_s}, "runs": told}
    rss = max(b.rss_mib for b, _ in found[0])
    ratio = told[1]["wall_s"]["median"] / told[0]["wall_s"]["median"]
    return Outcome(
        ratio, TARGET, all(one["same"] for one in told), rss, facts, short(told[0])
    )


def facts_of(
    limit: Limit, calls: int, name: str, runs: Sequence[Run]
) -> dict[str, Any]:
    """same: every request has its answer, the one that the server's teacher gives."""
    work = single_calls(calls)
    right = keyed(work, [additions(json.loads(body)["messages"]) for body in work])
    return {
        "who": name,
        "limit": {
            "per_second": round(limit.per_second, 2),
            "burst": limit.burst,
            "retry_after": limit.retry_after,
        },
        "calls": calls,
        "same": all(b.texts == right for b, _ in runs),
        "wall_s": spread([b.wall_s for b, _ in runs], 2),
        "rate_share": spread([rate(limit, asked) for _, asked in runs]),
        "waste": spread([asked.limited / asked.calls for _, asked in runs]),
        "sent": [asked.calls for _, asked in runs],
        "turned_away": [asked.limited for _, asked in runs],
        "ordered_500s": [asked.errors for _, asked in runs],
    }


def rate(limit: Limit, asked: Asked) -> float:
    """Of what the bucket would have let in from the first call to the last."""
    return (asked.calls - asked.limited) / (
        limit.burst + limit.per_second * (asked.last_at - asked.first_at)
    )


def short(facts: dict[str, Any]) -> list[str]:
    share, waste = facts["rate_share"]["median"], facts["waste"]["median"]
    return [
        *(
            [f"{share:.1%} of the allowed rate, target {RATE:.0%}"]
            if share < RATE
            else []
        ),
        *(
            [f"{waste:.1%} of the calls wasted, target {WASTE:.0%}"]
            if waste > WASTE
            else []
        ),
    ]


def ours(base_url: str, work: Sequence[bytes], pause_s: float) -> Bought:
    return bought(
        asking(base_url, IN_FLIGHT, pair_in_one=True, tries=1 + MAX_RETRIES), len(work)
    )


def curator(base_url: str, work: Sequence[bytes], pause_s: float) -> Bought:
    return asyncio.run(paused(base_url, work, pause_s))


async def paused(base_url: str, work: Sequence[bytes], pause_s: float) -> Bought:
    connector, headers = (
        aiohttp.TCPConnector(limit=10 * IN_FLIGHT),
        {"Content-Type": "application/json"},
    )
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        slots = asyncio.Semaphore(IN_FLIGHT)
        processor = Processor(f"{base_url}/chat/completions", session, slots, pause_s)
        started, cpu = time.monotonic(), time.process_time()
        await processor.process(work)
        cpu, ended = time.process_time() - cpu, time.monotonic()
    answered = sorted(processor.texts)
    texts = keyed(
        [work[at] for at in answered], [processor.texts[at] for at in answered]
    )
    return Bought(texts, cpu, started, ended)


CONTENDERS: dict[str, Callable[[str, Sequence[bytes], float], Bought]] = {
    "ours": ours,
    "curator": curator,
}
