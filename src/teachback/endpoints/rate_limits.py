"""Lets calls to one endpoint in: how many at a time, and how fast.

`enter` waits, first come first served, until a call may be sent. `leave` says what came of it,
and teaches the window and the pace (see pacing.py). While a Retry-After lasts nothing enters. The
limits that the provider states hold from the start.

For one event loop at a time: no locks, one timer.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .pacing import (
    FIRST_PACE_SHARE,
    MIN_SPAN_S,
    CongestionWindow,
    LearnedPace,
    MinuteBucket,
)

# limited: 429, or 503 with Retry-After. refused: another 4xx.
# failed: another 5xx, a timeout, a lost connection or none.
CallOutcome = Literal["answered", "limited", "failed", "refused"]


@dataclass(frozen=True)
class RateLimits:
    # The most calls at a time.
    in_flight: int
    # What the provider states, where it does.
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class RateLimiter:
    """Each call gets a number when it enters, and leaves with it."""

    def __init__(
        self, limits: RateLimits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        # Nothing enters before this time.
        self._gate = -math.inf
        self._window = CongestionWindow(limits.in_flight)
        self._pace: LearnedPace | None = None
        # Each with whether it counts tokens.
        self._stated: list[tuple[MinuteBucket, bool]] = []
        if limits.requests_per_minute:
            bucket = MinuteBucket(limits.requests_per_minute, clock())
            self._stated.append((bucket, False))
        if limits.tokens_per_minute:
            bucket = MinuteBucket(limits.tokens_per_minute, clock())
            self._stated.append((bucket, True))
        self._entries = 0
        self._lets_all_in = False
        # When each call entered, the oldest first.
        self._entered_at: dict[int, float] = {}
        self._queue: deque[tuple[asyncio.Future[int], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        return len(self._entered_at)

    @property
    def window(self) -> float:
        return self._window.size

    @property
    def rate(self) -> float | None:
        return self._pace.rate if self._pace else None

    @property
    def waiting(self) -> int:
        return sum(not future.done() for future, _ in self._queue)

    async def enter(self, tokens: int = 0) -> int:
        """Wait until a call may be sent. tokens: the most that it can use."""
        if not self._queue:
            now = self._clock()
            if self._delay_s(tokens, now) <= 0:
                return self._admit(tokens, now)

        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append((future, tokens))
        if len(self._queue) == 1:
            self._wake()
        try:
            return await future
        except BaseException:
            # Cancelled, before its turn or when it had been let in but did not run any more.
            if future.cancelled():
                self._wake()
            else:
                self.leave(future.result(), "refused", unused_tokens=tokens)
            raise

    def leave(
        self,
        call: int,
        outcome: CallOutcome,
        *,
        retry_after_s: float = 0.0,
        unused_tokens: int = 0,
    ) -> None:
        """The call has ended. unused_tokens: of those it entered with."""
        now = self._clock()
        oldest = next(iter(self._entered_at), call)
        earliest = self._entered_at[oldest]
        entered_at = self._entered_at.pop(call)

        if outcome == "limited":
            self._window.doubling = False
            if self._pace is None:
                calls = self._entries - oldest + 1
                sent_rate = calls / max(now - earliest, 1e-3)
                self._pace = LearnedPace(FIRST_PACE_SHARE * sent_rate, now)
            own_gate_s = self._pace.refuse(call, entered_at, self._entries)
            retry_after_s = retry_after_s if retry_after_s > 0 else own_gate_s
        elif outcome != "refused":
            self._window.count(outcome == "failed")

        for bucket, by_token in self._stated:
            if by_token:
                bucket.level = min(bucket.size, bucket.level + unused_tokens)
        if retry_after_s > 0:
            self._close_until(now + retry_after_s)
        if self._queue:
            self._wake()

    def let_all_in(self) -> None:
        """From now on nobody waits: they will find that nothing more is sent."""
        self._lets_all_in = True
        self._wake()

    def _close_until(self, time: float) -> None:
        self._gate = max(self._gate, time)
        if self._pace:  # it saves nothing up meanwhile
            self._pace.updated_at = max(self._pace.updated_at, self._gate)

    def _delay_s(self, tokens: int, now: float) -> float:
        """Seconds until the next call may enter. Infinite: another must leave first."""
        if self._lets_all_in:
            return 0.0
        if len(self._entered_at) >= int(self._window.size):
            return math.inf
        delay_s = self._gate - now
        if self._pace:
            delay_s = max(delay_s, self._pace.wait_s(1.0, now))
        for bucket, by_token in self._stated:
            delay_s = max(delay_s, bucket.wait_s(tokens if by_token else 1.0, now))
        return delay_s

    def _admit(self, tokens: int, now: float) -> int:
        if self._pace:
            self._pace.enter(now)
        for bucket, by_token in self._stated:
            bucket.level -= tokens if by_token else 1
        self._entries += 1
        self._entered_at[self._entries] = now
        return self._entries

    def _wake(self) -> None:
        """Let in whoever may enter now, and set the timer for the next one."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        while self._queue:
            future, tokens = self._queue[0]
            if not future.done():  # or else it was cancelled
                delay_s = self._delay_s(tokens, now)
                if delay_s > 0:
                    if delay_s < math.inf:
                        self._set_timer(delay_s)
                    return
                future.set_result(self._admit(tokens, now))
            self._queue.popleft()

    def _set_timer(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(delay_s, MIN_SPAN_S), self._wake)
