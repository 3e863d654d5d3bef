"""Simulated servers and a simulated clock, to test flow control: hours pass in no time."""

import asyncio
import math
import random
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from teachback.endpoints.rate_limits import RateLimiter, RateLimits

# -- the clock ---------------------------------------------------------------------------


class _Skip(selectors.SelectSelector):
    """Waits for a timer by moving the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "all wait, and no timer is set"
        self.now += max(0.0, timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.skip = _Skip()
        super().__init__(self.skip)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.skip.now


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


def limiter(in_flight: int, **stated: float) -> RateLimiter:
    return RateLimiter(RateLimits(in_flight, **stated), asyncio.get_running_loop().time)


# -- the servers -------------------------------------------------------------------------

Server = Callable[
    [float], float | None
]  # the time of arrival -> Retry-After of a 429 (0: without one); None: accepted


@dataclass
class TokenBucket:
    """retry: what it says, of the seconds until the next token."""

    rate: float
    burst: float
    retry: Callable[[float], float] = lambda seconds: seconds
    level: float = -1.0
    at: float = 0.0

    def __call__(self, now: float) -> float | None:
        level = (
            self.burst
            if self.level < 0
            else min(self.burst, self.level + (now - self.at) * self.rate)
        )
        accepted = level >= 1 - 1e-9
        self.level, self.at = max(0.0, level - accepted), now
        return None if accepted else self.retry((1 - level) / self.rate)


@dataclass
class FixedWindow:
    """So many in each span of seconds. Retry-After in whole seconds."""

    allowed: int
    span: float
    index: int = -1
    count: int = 0

    def __call__(self, now: float) -> float | None:
        index = int(now // self.span)
        self.index, self.count = index, self.count + 1 if index == self.index else 1
        return (
            None
            if self.count <= self.allowed
            else math.ceil((index + 1) * self.span - now) or 1.0
        )


def open_to_all(now: float) -> None:
    return None


@dataclass
class Told:
    """What a run saw: when calls were accepted and refused, and when the run ended."""

    accepted: list[float] = field(default_factory=list)
    limited: list[float] = field(default_factory=list)
    entered: list[float] = field(default_factory=list)
    ended: float = 0.0
    limiter: RateLimiter | None = None

    @property
    def refused_share(self) -> float:
        return len(self.limited) / len(self.entered)

    def rate(self, start: float, end: float) -> float:
        return sum(start <= at < end for at in self.accepted) / (end - start)


async def simulate(
    server: Server,
    in_flight: int,
    *,
    calls: int = 3000,
    latency_s: float = 0.05,
    refusal_s: float = 0.05,
    failing: Callable[[float], float] = lambda now: 0.05,
    seed: int = 0,
    jitter: float = 0.2,
    at: tuple[tuple[float, Callable[[], None]], ...] = (),
    watch: Callable[[RateLimiter], None] = lambda flow: None,
) -> Told:
    """Run twice as many workers as fit. A call is sent again after a 429, not after a failure."""
    loop, draws, told = asyncio.get_running_loop(), random.Random(seed), Told()
    flow = told.limiter = limiter(in_flight)
    for when, act in at:
        loop.call_at(when, act)

    async def worker() -> None:
        nonlocal calls
        while calls > 0:
            calls -= 1
            call = await flow.enter()
            told.entered.append(loop.time())
            slower = draws.uniform(1 - jitter, 1 + jitter)
            await asyncio.sleep(latency_s / 2 * slower)
            retry_after_s = server(loop.time())
            if retry_after_s is not None:
                told.limited.append(loop.time())
                await asyncio.sleep(refusal_s / 2 * slower)
                flow.leave(call, "limited", retry_after_s=retry_after_s)
                calls += 1
            else:
                told.accepted.append(loop.time())
                await asyncio.sleep(latency_s / 2 * slower)
                flow.leave(
                    call,
                    "failed" if draws.random() < failing(loop.time()) else "answered",
                )
            watch(flow)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2 * in_flight):
            tasks.create_task(worker())
    told.ended = loop.time()
    assert flow.in_flight == flow.waiting == 0
    return told


def used(told: Told, server: TokenBucket) -> float:
    """Of what the server allowed, its burst included."""
    return len(told.accepted) / (server.rate * told.ended + server.burst)
