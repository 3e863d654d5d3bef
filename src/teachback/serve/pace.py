"""How fast the rehearsal server answers: how long a request takes, and how many it lets in."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

from ..errors import ConfigError
from .faults import uniform
from .messages import Request

Latency = Callable[[Request], float]


def latency(median_s: float, sigma: float = 0.0) -> Latency:
    """Seconds that a request takes: lognormal with this median, drawn from its bytes. sigma 0: always the same."""
    for name, value in (
        ("the median latency in seconds", median_s),
        ("the latency's sigma", sigma),
    ):
        if not 0 <= value < math.inf:
            raise ConfigError(name, got=value, allowed="0 or more")
    if not sigma or not median_s:
        return lambda request: median_s
    normal = NormalDist()
    return lambda request: (
        median_s * math.exp(sigma * normal.inv_cdf(uniform(b"latency " + request.raw)))
    )


AT_ONCE = latency(0)


@dataclass(frozen=True)
class Limit:
    """A token bucket: `per_second` requests in the long run, `burst` at once after a pause. A request too many gets
    429; retry_after: its Retry-After in whole seconds, to the millisecond (some servers do that), or no such header."""

    per_second: float
    burst: int = 1
    retry_after: Literal["whole", "fraction", "none"] = "whole"

    def __post_init__(self) -> None:
        if not 0 < self.per_second < math.inf:
            raise ConfigError(
                "the rate limit, in requests a second",
                got=self.per_second,
                allowed="more than 0",
            )
        if self.burst < 1:
            raise ConfigError(
                "the rate limit's burst", got=self.burst, allowed="1 or more"
            )

    def headers(self, wait_s: float) -> dict[str, str]:
        if self.retry_after == "none":
            return {}
        # Rounded up: whoever waits as told finds a token.
        whole, fine = str(math.ceil(wait_s)), f"{math.ceil(wait_s * 1000) / 1000:.3f}"
        return {"Retry-After": whole if self.retry_after == "whole" else fine}


@dataclass
class Bucket:
    """A limit's state. clock: seconds; another one can be put in for tests."""

    limit: Limit
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._at = self.limit.burst, self.clock()

    def take(self) -> float:
        """0 when the request may pass, otherwise the seconds until the next token."""
        now = self.clock()
        self._tokens = min(
            self.limit.burst, self._tokens + (now - self._at) * self.limit.per_second
        )
        self._at = now
        if self._tokens >= 1 - 1e-9:  # sums of fractions of a token
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.limit.per_second
