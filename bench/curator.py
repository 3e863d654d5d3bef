"""The peer of `limits`: how bespokelabs curator sends its online requests.

Rewritten from src/bespokelabs/curator/request_processor/online/
base_online_request_processor.py, without its stated limits, trackers and files. A loop
starts one request after another, as fast as a semaphore allows. After a 429 the loop
waits until `seconds_to_pause_on_rate_limit` have passed since the last 429; it reads no
header. Failed requests, 429s included, go to a queue that is worked off when all others
are done, each at most 1 + `max_retries` times.

In one point it is kinder than the original. There, while the queue is empty and retries
are running, each turn of the loop takes a place of the semaphore and never gives it
back, which can end in a standstill.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

# Curator's defaults.
MAX_RETRIES = 10
PAUSE_S = 10.0


@dataclass
class Request:
    index: int
    body: bytes
    attempts_left: int = MAX_RETRIES


@dataclass
class Processor:
    url: str
    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    pause_s: float = PAUSE_S
    last_limited_at: float = -1e9
    retries: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)
    # By the request's index. A request that used up its attempts has no text.
    texts: dict[int, str] = field(default_factory=dict)

    async def process(self, bodies: Sequence[bytes]) -> None:
        pending = []
        for index, body in enumerate(bodies):
            pending.append(await self.start(Request(index, body)))
        await asyncio.gather(*pending)

        running: set[asyncio.Task[None]] = set()
        while not self.retries.empty() or running:
            if not self.retries.empty():
                running.add(await self.start(self.retries.get_nowait()))
            # Until all are done, or for a tenth of a second.
            _, running = await asyncio.wait(running, timeout=0.1)

    async def start(self, request: Request) -> asyncio.Task[None]:
        await self.slots.acquire()
        await self.cool_down()
        return asyncio.create_task(self.handle(request))

    async def cool_down(self) -> None:
        remaining_s = self.pause_s - (time.monotonic() - self.last_limited_at)
        if remaining_s > 0:
            await asyncio.sleep(remaining_s)

    async def handle(self, request: Request) -> None:
        try:
            self.texts[request.index] = await self.call(request.body)
        except (aiohttp.ClientError, TimeoutError):
            if request.attempts_left > 0:
                request.attempts_left -= 1
                self.retries.put_nowait(request)
        finally:
            self.slots.release()

    async def call(self, body: bytes) -> str:
        async with self.session.post(self.url, data=body) as response:
            if response.status == 429:
                self.last_limited_at = time.monotonic()
            response.raise_for_status()
            reply = await response.json()
            text: str = reply["choices"][0]["message"]["content"]
            return text
