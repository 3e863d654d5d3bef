"""Flow control for the calls to one endpoint: how many at a time, and how fast. One event loop, no locks, one timer.

`enter` waits, first come first served, until a call may be sent; `leave` says what came of it, and teaches two things:
- **The window**, how many calls may be inside. It doubles each epoch (as many calls as the window) until trouble. From
  then on an epoch takes away half the share of its calls that failed, and adds 1/16 of `in_flight`. The share and not
  each failure, because a few random 5xx say nothing of load.
- **The pace**, calls per second, from the first 429 on. A server that limits requests has no token left when it says
  429: what it let through between two such moments is its rate. The pace falls to a little below that, and creeps up
  again, faster the longer no 429 came. The 429s of calls that entered before the pace fell are no news.
While a Retry-After lasts nothing enters. The limits that the provider states hold from the start.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Limiter", "Limits", "Outcome"]

# limited: 429, or 503 with Retry-After · failed: another 5xx, a timeout, a reset, no connection · refused: another 4xx
Outcome = Literal["answered", "limited", "failed", "refused"]

FIRST_WINDOW, STEPS = 16, 16
OVERLOAD = 0.25  # the share of failed calls that ends the doubling: an odd 5xx is no reason to start slowly
GUESS, BELOW = (
    0.25,
    0.95,
)  # the pace after the first 429, of what was sent; after later ones, of the estimate
FALL, FALL_BLIND, FLOOR = (
    0.8,
    0.5,
    1.0,
)  # the deepest fall; where nothing went through; and how low that can end, per s
RISE, RISE_BLIND, RISE_CALL_S = (
    0.015,
    1.5,
    1 / 30,
)  # per second; one call counts for that much time at most
ACCELERATE_S = 10.0  # the rise is twice as fast after this much time
GROWN = 2.0  # a pace that grew by this much since the last 429 was too low for a while: an estimate from it is, too
SLACK_S = 0.02  # what may be caught up on when the loop was late
GATE_CAP_S, TIMER_S = (
    60.0,
    1e-4,
)  # the longest gate that nobody asked for; the shortest timer, for rounding's sake


@dataclass(frozen=True)
class Limits:
    """in_flight: the most calls at a time. The others as the provider states them, where it does."""

    in_flight: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class _Bucket:
    """Fills at `rate` per second up to `size`."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        self.rate, self.size, self.level, self.at = rate, size, 0.0, now

    def wait(self, cost: float, now: float) -> float:
        """Seconds until `cost` is there. What is larger than the bucket goes when it is full, and leaves a debt."""
        if now > self.at:
            self.level = min(self.size, self.level + (now - self.at) * self.rate)
            self.at = now
        return (min(cost, self.size) - self.level) / self.rate


class _PerMinute(_Bucket):
    """So much in any minute, for calls of up to half of it. A minute can see a full bucket and what flows in meanwhile:
    so the bucket holds just the largest call and a tenth of a second, and fills that much slower."""

    def __init__(self, allowed: float, now: float) -> None:
        super().__init__(allowed / 60, 0.0, now)
        self.allowed, self.largest = allowed, 0.0

    def wait(self, cost: float, now: float) -> float:
        if cost > self.largest:
            self.size = min(cost, max(1.0, self.allowed / 2)) + self.allowed / 600
            self.rate = (
                self.allowed + 1 - self.size
            ) / 60  # + 1: the call at the minute's very end is the next one's
            self.level = self.level if self.largest else self.size
            self.largest = cost
        return super().wait(cost, now)


class _Window:
    """How many calls may be inside."""

    def __init__(self, most: int) -> None:
        self.most, self.size, self.doubling = most, float(min(most, FIRST_WINDOW)), True
        self.calls = self.failed = 0

    def count(self, failed: bool) -> None:
        self.calls += 1
        self.failed += failed
        if self.calls >= int(self.size):
            share = self.failed / self.calls
            self.calls = self.failed = 0
            self.doubling = self.doubling and share < OVERLOAD
            more = self.size if self.doubling else max(1.0, self.most / STEPS)
            self.size = min(
                float(self.most),
                max(1.0, self.size * (1 - share / 2)) + more * (1 - share),
            )


class _Pace(_Bucket):
    """The send rate that 429s taught. An event is the first 429 after the pace fell."""

    def __init__(self, rate: float, now: float) -> None:
        super().__init__(rate, 1.0, now)
        self.held, self.last = False, now
        self.event: tuple[int, float] | None = (
            None  # the call that was refused, and when it entered
        )
        self.refused_since = 0  # of the calls after it
        self.newest, self.fell_to, self.quiet_s = (
            0,
            rate,
            0.0,
        )  # at the event: calls sent, the pace; time rising since
        self.blind = (
            True  # no estimate yet, or nothing went through between the last two events
        )
        self.refusals = 0  # events in a row between which nothing went through

    def wait(self, cost: float, now: float) -> float:
        delay = super().wait(cost, now)
        self.held = self.held or delay > 0
        return delay

    def take(self, now: float) -> None:
        """A call enters. One that the pace didn't hold back says nothing of it, and raises nothing."""
        if self.held:
            step = min(now - self.last, RISE_CALL_S)
            self.quiet_s += step
            self.rate *= 1 + step * (
                RISE_BLIND if self.blind else RISE * (1 + self.quiet_s / ACCELERATE_S)
            )
            self.size = 1 + self.rate * SLACK_S
        self.level -= 1
        self.last, self.held = now, False

    def refused(self, call: int, entered: float, entries: int) -> float:
        """A 429, `entries` calls having entered so far. Returns for how long to let nobody in if the server doesn't say
        so: 0 if this is no news."""
        if call <= self.newest:
            self.refused_since += self.event is not None and call > self.event[0]
            return 0.0
        if self.event:
            self.fall(
                call - 1 - self.event[0] - self.refused_since,
                max(entered - self.event[1], TIMER_S),
            )
        self.event, self.refused_since = (call, entered), 0
        self.newest, self.fell_to, self.quiet_s, self.level = (
            entries,
            self.rate,
            0.0,
            0.0,
        )
        return min(GATE_CAP_S, 0.5 / self.rate * 2.0 ** min(self.refusals, 16))

    def fall(self, through: int, span_s: float) -> None:
        """What went through since the last event, and one call more, is the most that the server can allow."""
        most = (max(through, 0) + 1) / span_s
        if (
            through <= 0
        ):  # it may let nobody in at all: then it isn't the pace, and a low one would be slow to rise
            least = max(self.rate * FALL_BLIND, min(self.rate, FLOOR))
        else:
            least = (
                0.0
                if self.blind and self.rate < GROWN * self.fell_to
                else self.rate * FALL
            )
        self.rate = max(BELOW * min(self.rate, most), least)
        self.blind, self.refusals = (
            through <= 0,
            self.refusals + 1 if through <= 0 else 0,
        )


class Limiter:
    """Lets calls in. Each one gets a number, and leaves with it."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._gate = clock, -math.inf
        self._window = _Window(limits.in_flight)
        self._pace: _Pace | None = None
        stated = (limits.requests_per_minute, False), (limits.tokens_per_minute, True)
        self._stated = [
            (_PerMinute(allowed, clock()), by_token)
            for allowed, by_token in stated
            if allowed
        ]
        self._entries, self._open = 0, False
        self._inside: dict[int, float] = {}  # when each call entered, the oldest first
        self._queue: deque[tuple[asyncio.Future[int], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        return len(self._inside)

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
        """Waits until a call may be sent. tokens: the most that it can use."""
        if not self._queue and self._delay(tokens, now := self._clock()) <= 0:
            return self._admit(tokens, now)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append((future, tokens))
        if len(self._queue) == 1:
            self._wake()
        try:
            return await future
        except BaseException:  # cancelled: before its turn, or when it had been let in but did not run any more
            if future.cancelled():
                self._wake()
            else:
                self.leave(future.result(), "refused", unused_tokens=tokens)
            raise

    def leave(
        self,
        call: int,
        outcome: Outcome,
        *,
        retry_after_s: float = 0.0,
        unused_tokens: int = 0,
    ) -> None:
        """The call has ended. retry_after_s: what the server asked for. unused_tokens: of those it entered with."""
        now, oldest = self._clock(), next(iter(self._inside), call)
        entered, earliest = self._inside[call], self._inside[oldest]
        del self._inside[call]
        if outcome == "limited":
            self._window.doubling = False
            sent_rate = (self._entries - oldest + 1) / max(now - earliest, 1e-3)
            self._pace = self._pace or _Pace(GUESS * sent_rate, now)
            own_s = self._pace.refused(call, entered, self._entries)
            retry_after_s = retry_after_s if retry_after_s > 0 else own_s
        elif outcome != "refused":
            self._window.count(outcome == "failed")
        for bucket, by_token in self._stated:
            bucket.level = min(bucket.size, bucket.level + unused_tokens * by_token)
        if retry_after_s > 0:
            self._gate = max(self._gate, now + retry_after_s)
            if self._pace:  # it saves nothing up meanwhile
                self._pace.at = max(self._pace.at, self._gate)
        if self._queue:
            self._wake()

    def open_up(self) -> None:
        """From now on all are let in at once: they will find that nothing more is sent."""
        self._open = True
        self._wake()

    def _delay(self, tokens: int, now: float) -> float:
        """Seconds until the next call may enter, as far as known; infinite if another must leave first."""
        if self._open:
            return 0.0
        if len(self._inside) >= int(self._window.size):
            return math.inf
        delay = self._gate - now
        if self._pace:
            delay = max(delay, self._pace.wait(1.0, now))
        for bucket, by_token in self._stated:
            delay = max(delay, bucket.wait(tokens if by_token else 1.0, now))
        return delay

    def _admit(self, tokens: int, now: float) -> int:
        if self._pace:
            self._pace.take(now)
        for bucket, by_token in self._stated:
            bucket.level -= tokens if by_token else 1
        self._entries += 1
        self._inside[self._entries] = now
        return self._entries

    def _wake(self) -> None:
        """Lets in whoever may enter now, and sets the timer for the next."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        while self._queue:
            future, tokens = self._queue[0]
            if not future.done():  # or else it was cancelled
                delay = self._delay(tokens, now)
                if 0 < delay < math.inf:
                    self._timer = asyncio.get_running_loop().call_later(
                        max(delay, TIMER_S), self._wake
                    )
                if delay > 0:
                    return
                future.set_result(self._admit(tokens, now))
            self._queue.popleft()
