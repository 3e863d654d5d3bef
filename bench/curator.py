"""The peer of `limits`: how bespokelabs curator's online request processor sends requests, rewritten from its source.

(src/bespokelabs/curator/request_processor/online/base_online_request_processor.py, without its stated limits, trackers
and files.) A loop starts one request after another, as a semaphore lets it. A 429 makes the loop wait until
`seconds_to_pause_on_rate_limit` have passed since the last 429; no header is read. What failed, 429s included, goes to
a queue that is worked off when all others are done, each request at most 1 + `max_retries` times.

Kinder than the original in one point: there, while the queue is empty and retries are running, each turn of the loop
takes a place of the semaphore and never gives it back, which can end in a standstill.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

MAX_RETRIES = 10  # its default
SECONDS_TO_PAUSE = 10.0  # its default


@dataclass
class Request:
    at: int
    body: bytes
    attempts_left: int = MAX_RETRIES


@dataclass
class Processor:
    """texts: by the request's place; a request that used up its attempts has none."""

    url: str
    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    pause_s: float = SECONDS_TO_PAUSE
    last_limited: float = -1e9
    retries: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)
    texts: dict[int, str] = field(default_factory=dict)

    async def process(self, bodies: Sequence[bytes]) -> None:
        pending = [
            await self.start(Request(at, body)) for at, body in enumerate(bodies)
        ]
        await asyncio.gather(*pending)
        running: set[asyncio.Task[None]] = set()
        while not self.retries.empty() or running:
            if not self.retries.empty():
                running.add(await self.start(self.retries.get_nowait()))
            _, running = await asyncio.wait(
                running, timeout=0.1
            )  # for all of them, or a tenth of a second

    async def start(self, request: Request) -> asyncio.Task[None]:
        await self.slots.acquire()
        await self.cool_down()
        return asyncio.create_task(self.handle(request))

    async def cool_down(self) -> None:
        remaining = self.pause_s - (time.monotonic() - self.last_limited)
        if remaining > 0:
            await asyncio.sleep(remaining)

    async def handle(self, request: Request) -> None:
        try:
            self.texts[request.at] = await self.call(request.body)
        except (aiohttp.ClientError, TimeoutError):
            if request.attempts_left > 0:
                request.attempts_left -= 1
                self.retries.put_nowait(request)
        finally:
            self.slots.release()

    async def call(self, body: bytes) -> str:
        async with self.session.post(self.url, data=body) as response:
            if response.status == 429:
                self.last_limited = time.monotonic()
            response.raise_for_status()
            text: str = (await response.json())["choices"][0]["message"]["content"]
            return text
