"""CPU seconds a call: our teacher with its limiter, retries and ledger, against openai's AsyncOpenAI.

2,500 pairs of two calls, 256 in flight, 50 ms a call. Bare httpx and bare aiohttp do the same work beside them, and say
how much of it is HTTP. Each contender is a fresh process, warmed up first; each of them has one event loop, ours has
the ledger's thread beside it. AsyncOpenAI is as it comes (its default transport, its default retries), with room for
256 connections; a semaphore holds all peers to 256 calls in flight.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from bench.against import Bought, Outcome, asking, bought, fresh, keyed, seeds, spread
from bench.rehearsal import Setting, rehearsal
from teachback.endpoints.replies import read
from teachback.serve.program import additions

TARGET, REPEATS = 5.0, 3
WARM = (
    16  # pairs before the measurement: imports and first connections are nobody's calls
)
Call = Callable[[bytes], Awaitable[str]]
Opened = Callable[[str, int], AbstractAsyncContextManager[Call]]


def bench(quick: bool) -> Outcome:
    pairs, in_flight, latency_s, repeats = (
        (30, 16, 0.01, 1) if quick else (2500, 256, 0.05, REPEATS)
    )
    found: dict[str, list[Bought]] = {name: [] for name in CONTENDERS}
    asked = set[int]()  # by anyone: nobody needs a call more than the others
    for _ in range(repeats):
        for name in CONTENDERS:
            with rehearsal(Setting(latency_s)) as server:
                found[name].append(
                    fresh(contend, name, server.base_url, pairs, in_flight)
                )
                asked.add(server.ask().calls)
    texts = [one.texts for ones in found.values() for one in ones]
    facts: dict[str, Any] = {
        "work": {
            "calls": 2 * pairs,
            "in_flight": in_flight,
            "latency_s": latency_s,
            "repeats": repeats,
        },
        "cpu_ms_a_call": {
            name: spread([1e3 * b.cpu_s / (2 * pairs) for b in ones])
            for name, ones in found.items()
        },
        "wall_s": {
            name: spread([b.wall_s for b in ones], 2) for name, ones in found.items()
        },
        "peak_mib": {
            name: spread([b.rss_mib for b in ones], 1) for name, ones in found.items()
        },
    }
    cpu = facts["cpu_ms_a_call"]
    ours = cpu["ours"]["median"]
    facts["ours_against"] = {
        name: round(value["median"] / ours, 2)
        for name, value in cpu.items()
        if name != "ours"
    }
    same = (
        len(texts[0]) == 2 * pairs
        and all(other == texts[0] for other in texts)
        and asked == {2 * (pairs + WARM)}
    )
    return Outcome(
        cpu["AsyncOpenAI"]["median"] / ours,
        TARGET,
        same,
        facts["peak_mib"]["ours"]["median"],
        facts,
    )


def contend(name: str, base_url: str, pairs: int, in_flight: int) -> Bought:
    return CONTENDERS[name](base_url, pairs, in_flight)


def ours(base_url: str, pairs: int, in_flight: int) -> Bought:
    given = asking(base_url, in_flight)
    bought(given, WARM)
    return bought(given, pairs)


def peer(opened: Opened, base_url: str, pairs: int, most: int) -> Bought:
    return asyncio.run(gathered(opened, base_url, bodies(pairs), most))


async def gathered(
    opened: Opened, base_url: str, work: Sequence[bytes], most: int
) -> Bought:
    slots = asyncio.Semaphore(most)

    async def one(call: Call, body: bytes) -> str:
        async with slots:
            return await call(body)

    async with opened(base_url, most) as call:
        await asyncio.gather(*(one(call, body) for body in work[: 2 * WARM]))
        started, cpu = time.monotonic(), time.process_time()
        texts = await asyncio.gather(*(one(call, body) for body in work))
        cpu, ended = time.process_time() - cpu, time.monotonic()
    return Bought(keyed(work, texts), cpu, started, ended)


def bodies(pairs: int) -> list[bytes]:
    """What `bought` sends, byte for byte: the gate compares texts by the request's hash, and would see another byte."""
    given = asking("http://127.0.0.1", 1)
    first = [given.first(seed.question, 0, None) for seed in seeds(pairs)]
    questions = [read(said(body)).question(given.question_bytes) for body in first]
    return [*first, *map(given.answer, questions)]


def said(body: bytes) -> str:
    """What the server will answer."""
    return json.dumps(
        {"choices": [{"message": {"content": additions(json.loads(body)["messages"])}}]}
    )


@asynccontextmanager
async def async_openai(base_url: str, most: int) -> AsyncIterator[Call]:
    """It writes its own JSON of the same fields."""
    import httpx2
    import openai

    limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
    http = openai.DefaultAsyncHttpxClient(limits=limits)
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="none", http_client=http
    ) as client:

        async def call(body: bytes) -> str:
            completion = await client.chat.completions.create(**json.loads(body))
            return completion.choices[0].message.content or ""

        yield call


@asynccontextmanager
async def bare_httpx(base_url: str, most: int) -> AsyncIterator[Call]:
    import httpx

    limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
    async with httpx.AsyncClient(
        limits=limits, timeout=60, headers={"Content-Type": "application/json"}
    ) as client:

        async def call(body: bytes) -> str:
            return content(
                (await client.post(f"{base_url}/chat/completions", content=body)).json()
            )

        yield call


@asynccontextmanager
async def bare_aiohttp(base_url: str, most: int) -> AsyncIterator[Call]:
    import aiohttp

    connector, headers = (
        aiohttp.TCPConnector(limit=most),
        {"Content-Type": "application/json"},
    )
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def call(body: bytes) -> str:
            async with session.post(
                f"{base_url}/chat/completions", data=body
            ) as response:
                return content(await response.json())

        yield call


def content(data: Any) -> str:
    text: str = data["choices"][0]["message"]["content"]
    return text


CONTENDERS: dict[str, Callable[[str, int, int], Bought]] = {
    "ours": ours,
    "AsyncOpenAI": partial(peer, async_openai),
    "httpx": partial(peer, bare_httpx),
    "aiohttp": partial(peer, bare_aiohttp),
}
