"""How fast the rehearsal server answers: its latency, and its limit on requests."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

from ..errors import ConfigError
from .faults import uniform_from_bytes
from .messages import Request

# Seconds that a request takes.
LatencyModel = Callable[[Request], float]


def lognormal_latency(median_s: float, sigma: float = 0.0) -> LatencyModel:
    """Draw each latency from the request's bytes: lognormal, or always the median if sigma is 0.

    Raises ConfigError for negative and infinite values.
    """
    _check_latency_setting("the median latency in seconds", median_s)
    _check_latency_setting("the latency's sigma", sigma)
    if not sigma or not median_s:
        return lambda request: median_s
    normal = NormalDist()

    def latency_s(request: Request) -> float:
        uniform = uniform_from_bytes(b"latency " + request.raw)
        return median_s * math.exp(sigma * normal.inv_cdf(uniform))

    return latency_s


def _check_latency_setting(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise ConfigError(name, got=value, allowed="0 or more")


NO_LATENCY = lognormal_latency(0)


@dataclass(frozen=True)
class RequestLimit:
    """Requests beyond it get HTTP 429."""

    per_second: float  # requests in the long run
    burst: int = 1  # requests at once after a pause
    # The Retry-After header: whole seconds, or to the millisecond (as some servers do), or none.
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

    def retry_headers(self, wait_s: float) -> dict[str, str]:
        """The headers of a 429. Rounded up, so that a client that waits finds a token."""
        if self.retry_after == "none":
            return {}
        if self.retry_after == "whole":
            return {"Retry-After": str(math.ceil(wait_s))}
        return {"Retry-After": f"{math.ceil(wait_s * 1000) / 1000:.3f}"}


@dataclass
class RequestBucket:
    """A token bucket: how many requests the limit lets in at the moment.

    It starts full, unlike the client's bucket in endpoints/pacing.py.
    """

    limit: RequestLimit
    clock: Callable[[], float] = time.monotonic  # in seconds; tests put in another one
    _tokens: float = field(init=False)
    _updated_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens = self.limit.burst
        self._updated_at = self.clock()

    def take(self) -> float:
        """Return 0 if the request may pass, otherwise the seconds until the next token."""
        now = self.clock()
        refilled = self._tokens + (now - self._updated_at) * self.limit.per_second
        self._tokens = min(self.limit.burst, refilled)
        self._updated_at = now
        # Fractions of a token add up to slightly less than 1.
        if self._tokens >= 1 - 1e-9:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.limit.per_second
