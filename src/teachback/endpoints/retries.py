"""Which failed requests are worth another try, and how long to wait before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from random import Random

# Timeout, conflict, too early, too many requests: these pass. So does every 5xx.
RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter, on top of what Retry-After asks for."""

    # Doubled with each failure. A wait is drawn between 0 and that.
    backoff_s: float = 0.5
    # Limits the backoff, and separately what is obeyed of a Retry-After.
    max_wait_s: float = 60.0

    def is_retryable(self, status: int) -> bool:
        return status >= 500 or status in RETRYABLE_STATUSES

    def wait_s(self, failures: int, retry_after_s: float, jitter: Random) -> float:
        """Seconds to wait after so many failures in a row."""
        longest_s = min(self.max_wait_s, self.backoff_s * 2**failures)
        return min(retry_after_s, self.max_wait_s) + jitter.uniform(0, longest_s)


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait. 0 if the server doesn't say, or names a date.

    OpenAI sends the finer retry-after-ms beside Retry-After.
    """
    for name, seconds_per_unit in (("retry-after-ms", 1e-3), ("Retry-After", 1.0)):
        try:
            wait_s = seconds_per_unit * float(headers.get(name, ""))
        except ValueError:
            continue
        if 0 <= wait_s < inf:
            return wait_s
    return 0.0
