"""CPU seconds a call: our teacher with limiter, retries and ledger, against AsyncOpenAI.

2,500 pairs of two calls, 256 in flight, 50 ms a call. Bare httpx and bare aiohttp do the
same work and show how much of it is HTTP. Each contender is a fresh process and warms up
first. Each has one event loop; ours also has the ledger's thread. AsyncOpenAI keeps its
defaults (transport, retries), with room for 256 connections. A semaphore holds all peers
to 256 calls in flight.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from bench.outcome import Outcome
from bench.process import run_fresh, spread
from bench.purchases import (
    Purchase,
    buy_pairs,
    make_pair_calls,
    make_seeds,
    texts_by_request,
)
from bench.rehearsal import ServerSettings, rehearsal_server
from teachback.endpoints.replies import parse_completion
from teachback.serve.additions import addition_teacher

TARGET = 5.0
REPEATS = 3
# Bought before the measurement, so that imports and first connections don't count.
WARMUP_PAIRS = 16
JSON_HEADERS = {"Content-Type": "application/json"}

Call = Callable[[bytes], Awaitable[str]]
OpenClient = Callable[[str, int], AbstractAsyncContextManager[Call]]
Runs = dict[str, list[Purchase]]


def bench(quick: bool) -> Outcome:
    pairs, in_flight, latency_s, repeats = 2500, 256, 0.05, REPEATS
    if quick:
        pairs, in_flight, latency_s, repeats = 30, 16, 0.01, 1

    runs: Runs = {name: [] for name in CONTENDERS}
    server_counts = set[int]()
    for _ in range(repeats):
        for name in CONTENDERS:
            with rehearsal_server(ServerSettings(latency_s)) as server:
                purchase = run_fresh(contend, name, server.base_url, pairs, in_flight)
                runs[name].append(purchase)
                server_counts.add(server.count_calls().calls)

    work = {
        "calls": 2 * pairs,
        "in_flight": in_flight,
        "latency_s": latency_s,
        "repeats": repeats,
    }
    facts = {"work": work, **summarise(runs, 2 * pairs)}
    # The server counts the calls: no contender needs more of them than the others.
    same = same_texts(runs, 2 * pairs) and server_counts == {2 * (pairs + WARMUP_PAIRS)}
    ratio = facts["cpu_ms_a_call"]["AsyncOpenAI"]["median"]
    ratio /= facts["cpu_ms_a_call"]["ours"]["median"]
    rss_mib = facts["peak_mib"]["ours"]["median"]
    return Outcome(ratio, TARGET, same, rss_mib, facts)


def summarise(runs: Runs, calls: int) -> dict[str, Any]:
    cpu, wall, memory = {}, {}, {}
    for name, purchases in runs.items():
        cpu[name] = spread([1e3 * one.cpu_s / calls for one in purchases])
        wall[name] = spread([one.wall_s for one in purchases], 2)
        memory[name] = spread([one.rss_mib for one in purchases], 1)

    ours = cpu["ours"]["median"]
    peers = [name for name in cpu if name != "ours"]
    return {
        "cpu_ms_a_call": cpu,
        "wall_s": wall,
        "peak_mib": memory,
        "ours_against": {name: round(cpu[name]["median"] / ours, 2) for name in peers},
    }


def same_texts(runs: Runs, calls: int) -> bool:
    purchases = [one for some in runs.values() for one in some]
    first = purchases[0].texts
    return len(first) == calls and all(one.texts == first for one in purchases)


def contend(name: str, base_url: str, pairs: int, in_flight: int) -> Purchase:
    return CONTENDERS[name](base_url, pairs, in_flight)


def buy_with_ours(base_url: str, pairs: int, in_flight: int) -> Purchase:
    calls = make_pair_calls(base_url, in_flight)
    buy_pairs(calls, WARMUP_PAIRS)
    return buy_pairs(calls, pairs)


def buy_with_peer(
    open_client: OpenClient, base_url: str, pairs: int, in_flight: int
) -> Purchase:
    return asyncio.run(
        call_all(open_client, base_url, request_bodies(pairs), in_flight)
    )


async def call_all(
    open_client: OpenClient, base_url: str, bodies: Sequence[bytes], in_flight: int
) -> Purchase:
    slots = asyncio.Semaphore(in_flight)

    async def call_in_slot(call: Call, body: bytes) -> str:
        async with slots:
            return await call(body)

    async with open_client(base_url, in_flight) as call:
        warmup = bodies[: 2 * WARMUP_PAIRS]
        await asyncio.gather(*(call_in_slot(call, body) for body in warmup))

        started, cpu = time.monotonic(), time.process_time()
        texts = await asyncio.gather(*(call_in_slot(call, body) for body in bodies))
        cpu, ended = time.process_time() - cpu, time.monotonic()
    return Purchase(texts_by_request(bodies, texts), cpu, started, ended)


def request_bodies(pairs: int) -> list[bytes]:
    """The bytes that `buy_pairs` sends.

    The gate compares texts by the request's hash, so one different byte would fail it.
    """
    calls = make_pair_calls("http://127.0.0.1", 1)
    first = [calls.first_request(seed.question, 0, None) for seed in make_seeds(pairs)]
    replies = [parse_completion(server_reply(body)) for body in first]
    questions = [reply.question(calls.max_question_bytes) for reply in replies]
    return [*first, *map(calls.answer_request, questions)]


def server_reply(body: bytes) -> str:
    """The reply that the rehearsal server will send."""
    content = addition_teacher(json.loads(body)["messages"])
    return json.dumps({"choices": [{"message": {"content": content}}]})


@asynccontextmanager
async def async_openai(base_url: str, in_flight: int) -> AsyncIterator[Call]:
    """It writes its own JSON of the same fields."""
    import httpx2
    import openai

    limits = httpx2.Limits(
        max_connections=in_flight, max_keepalive_connections=in_flight
    )
    http = openai.DefaultAsyncHttpxClient(limits=limits)
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="none", http_client=http
    ) as client:

        async def call(body: bytes) -> str:
            completion = await client.chat.completions.create(**json.loads(body))
            return completion.choices[0].message.content or ""

        yield call


@asynccontextmanager
async def bare_httpx(base_url: str, in_flight: int) -> AsyncIterator[Call]:
    import httpx

    url = f"{base_url}/chat/completions"
    limits = httpx.Limits(
        max_connections=in_flight, max_keepalive_connections=in_flight
    )
    async with httpx.AsyncClient(
        limits=limits, timeout=60, headers=JSON_HEADERS
    ) as client:

        async def call(body: bytes) -> str:
            response = await client.post(url, content=body)
            return reply_content(response.json())

        yield call


@asynccontextmanager
async def bare_aiohttp(base_url: str, in_flight: int) -> AsyncIterator[Call]:
    import aiohttp

    url = f"{base_url}/chat/completions"
    connector = aiohttp.TCPConnector(limit=in_flight)
    async with aiohttp.ClientSession(
        connector=connector, headers=JSON_HEADERS
    ) as session:

        async def call(body: bytes) -> str:
            async with session.post(url, data=body) as response:
                return reply_content(await response.json())

        yield call


def reply_content(reply: Any) -> str:
    text: str = reply["choices"][0]["message"]["content"]
    return text


CONTENDERS: dict[str, Callable[[str, int, int], Purchase]] = {
    "ours": buy_with_ours,
    "AsyncOpenAI": partial(buy_with_peer, async_openai),
    "httpx": partial(buy_with_peer, bare_httpx),
    "aiohttp": partial(buy_with_peer, bare_aiohttp),
}
