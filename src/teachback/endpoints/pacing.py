"""What a rate limiter is made of: buckets, the window, and the pace that 429s taught."""

# -- the window --------------------------------------------------------------------------
INITIAL_WINDOW = 16
# After the doubling, an epoch adds this share of the most calls.
WINDOW_STEP = 1 / 16
# The share of failed calls that ends the doubling. An odd 5xx is no reason to start slowly.
OVERLOAD_SHARE = 0.25

# -- the pace ----------------------------------------------------------------------------
# After the first 429: this much of what was sent.
FIRST_PACE_SHARE = 0.25
# After later ones: this much of the estimate.
ESTIMATE_SHARE = 0.95
# It falls at most to this share, to the other one where nothing went through.
MIN_FALL = 0.8
MIN_FALL_BLIND = 0.5
# Where nothing went through, it does not fall below this many calls per second.
MIN_BLIND_PACE = 1.0
# It rises by this share per second, faster while there is no estimate.
RISE_PER_S = 0.015
RISE_BLIND_PER_S = 1.5
# The rise is twice as fast after this time.
ACCELERATION_S = 10.0
# One call raises the pace by what this time gives, at most.
MAX_RISE_S = 1 / 30
# A pace that grew by this factor since the last 429 was too low for a while. So is an
# estimate from that while.
GROWTH_WITHOUT_ESTIMATE = 2.0
# What may be caught up on when the event loop was late.
CATCH_UP_S = 0.02
# The longest gate that no server asked for.
MAX_OWN_GATE_S = 60.0
# Shorter spans are errors of rounding.
MIN_SPAN_S = 1e-4


class TokenBucket:
    """Fills at `rate` per second up to `size`."""

    def __init__(self, rate: float, size: float, now: float) -> None:
        self.rate = rate
        self.size = size
        self.level = 0.0
        self.updated_at = now

    def wait_s(self, cost: float, now: float) -> float:
        """Seconds until it holds `cost`.

        A cost beyond its size goes when it is full, and leaves a debt.
        """
        if now > self.updated_at:
            gained = (now - self.updated_at) * self.rate
            self.level = min(self.size, self.level + gained)
            self.updated_at = now
        return (min(cost, self.size) - self.level) / self.rate


class MinuteBucket(TokenBucket):
    """Lets through at most `allowed` in any minute, in calls that cost up to half of it.

    A minute can see a full bucket and what flows in meanwhile. So the bucket holds just the
    largest call and a tenth of a second, and fills that much slower.
    """

    def __init__(self, allowed: float, now: float) -> None:
        super().__init__(allowed / 60, 0.0, now)
        self.allowed = allowed
        self.largest = 0.0

    def wait_s(self, cost: float, now: float) -> float:
        if cost > self.largest:
            self._grow(cost)
        return super().wait_s(cost, now)

    def _grow(self, cost: float) -> None:
        self.size = min(cost, max(1.0, self.allowed / 2)) + self.allowed / 600
        # + 1: the call at the very end of the minute belongs to the next one.
        self.rate = (self.allowed + 1 - self.size) / 60
        if not self.largest:
            self.level = self.size
        self.largest = cost


class CongestionWindow:
    """How many calls may be in flight.

    An epoch is as many calls as the window. The window doubles each epoch until trouble. From
    then on an epoch takes away half the share of its calls that failed, and adds a step. It
    is the share and not each failure, because a few random 5xx say nothing of load.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.size = float(min(max_size, INITIAL_WINDOW))
        self.doubling = True
        self.calls = 0
        self.failures = 0

    def count(self, failed: bool) -> None:
        self.calls += 1
        self.failures += failed
        if self.calls >= int(self.size):
            self._end_epoch()

    def _end_epoch(self) -> None:
        share = self.failures / self.calls
        self.calls = self.failures = 0
        self.doubling = self.doubling and share < OVERLOAD_SHARE
        step = self.size if self.doubling else max(1.0, self.max_size * WINDOW_STEP)
        shrunk = max(1.0, self.size * (1 - share / 2))
        self.size = min(float(self.max_size), shrunk + step * (1 - share))


class LearnedPace(TokenBucket):
    """Calls per second, as 429s taught it.

    A server that limits requests has no token left when it says 429. What it let through
    between two such events is its rate. The pace falls to a little below that, and creeps up
    again, faster the longer no 429 came.

    An event is the first 429 after the pace fell. 429s of calls that entered before the fall
    are no news.
    """

    def __init__(self, rate: float, now: float) -> None:
        super().__init__(rate, 1.0, now)
        # Whether the pace holds the next call back, and when the last one entered.
        self.holds_back = False
        self.last_entry = now
        # The refused call of the last event, and when it entered.
        self.event: tuple[int, float] | None = None
        # Refused calls after it.
        self.refused_since = 0
        # At the event: how many calls had entered, and the pace after its fall.
        self.entries_at_event = 0
        self.pace_at_event = rate
        # How long the pace has been rising.
        self.rising_s = 0.0
        # No estimate yet, or nothing went through between the last two events.
        self.blind = True
        # Events in a row between which nothing went through.
        self.blind_events = 0

    def wait_s(self, cost: float, now: float) -> float:
        delay_s = super().wait_s(cost, now)
        self.holds_back = self.holds_back or delay_s > 0
        return delay_s

    def enter(self, now: float) -> None:
        """A call enters. Only one that was held back raises the pace."""
        if self.holds_back:
            step_s = min(now - self.last_entry, MAX_RISE_S)
            self.rising_s += step_s
            rise = RISE_PER_S * (1 + self.rising_s / ACCELERATION_S)
            self.rate *= 1 + step_s * (RISE_BLIND_PER_S if self.blind else rise)
            self.size = 1 + self.rate * CATCH_UP_S
        self.level -= 1
        self.last_entry = now
        self.holds_back = False

    def refuse(self, call: int, entered_at: float, entries: int) -> float:
        """A 429, when so many calls have entered.

        Returns seconds to let nobody in, for a server that names none. 0: it is no news.
        """
        if call <= self.entries_at_event:
            if self.event is not None and call > self.event[0]:
                self.refused_since += 1
            return 0.0

        if self.event:
            last_call, last_entered_at = self.event
            passed = call - 1 - last_call - self.refused_since
            self._fall(passed, max(entered_at - last_entered_at, MIN_SPAN_S))
        self.event = call, entered_at
        self.refused_since = 0
        self.entries_at_event = entries
        self.pace_at_event = self.rate
        self.rising_s = 0.0
        self.level = 0.0
        return min(MAX_OWN_GATE_S, 0.5 / self.rate * 2.0 ** min(self.blind_events, 16))

    def _fall(self, passed: int, span_s: float) -> None:
        """passed: calls that went through since the last event, in span_s seconds."""
        # One call more is the most that the server can allow.
        estimate = (max(passed, 0) + 1) / span_s
        if passed <= 0:
            # The server may let nobody in at all. Then it isn't the pace, and a low one
            # would be slow to rise.
            floor = max(self.rate * MIN_FALL_BLIND, min(self.rate, MIN_BLIND_PACE))
        elif self.blind and self.rate < GROWTH_WITHOUT_ESTIMATE * self.pace_at_event:
            floor = 0.0
        else:
            floor = self.rate * MIN_FALL
        self.rate = max(ESTIMATE_SHARE * min(self.rate, estimate), floor)
        self.blind = passed <= 0
        self.blind_events = self.blind_events + 1 if self.blind else 0
