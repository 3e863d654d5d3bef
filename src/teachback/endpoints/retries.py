"""Which failed requests are worth another try, and how long to wait before it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from math import inf
from random import Random

# Timeout, conflict, misdirected, a dependency that failed, too early, too many requests, and
# what gateways call "no capacity" (498) and "closed" (499): these pass. So does every 5xx.
RETRYABLE_STATUSES = frozenset({408, 409, 421, 424, 425, 429, 498, 499})
DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[dhms])")
UNIT_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
RETRY_DELAY = re.compile(r'"retryDelay"\s*:\s*"([0-9]+(?:\.[0-9]+)?)s"')
# Larger numbers are seconds since 1970, and still larger ones milliseconds.
MIN_EPOCH_S, MIN_EPOCH_MS = 1e9, 1e12


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
    """Seconds to wait; 0 if the server doesn't say.

    OpenAI sends the finer retry-after-ms beside Retry-After. Where neither is there, the limit
    that is used up says when it is filled again.
    """
    for name, parse in (
        ("retry-after-ms", _parse_milliseconds),
        ("Retry-After", partial(_parse_retry_after, sent_at=headers.get("Date", ""))),
    ):
        wait_s = parse(headers.get(name, ""))
        if wait_s is not None:
            return wait_s
    return _parse_rate_limit_reset(headers)


def _parse_milliseconds(text: str) -> float | None:
    milliseconds = _parse_number(text)
    return None if milliseconds is None else milliseconds / 1e3


def _parse_retry_after(text: str, sent_at: str) -> float | None:
    """Seconds, or a date. A date is read by the server's own clock, where it shows that."""
    seconds = _parse_number(text)
    if seconds is not None:
        return seconds
    until = _parse_date(text)
    if until is None:
        return None
    now = _parse_date(sent_at) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _parse_rate_limit_reset(headers: Mapping[str, str]) -> float:
    """From x-ratelimit-reset-requests, anthropic-ratelimit-tokens-reset, ratelimit-reset, …

    Limits with something left are passed over; if none is known to be used up, the first
    that is filled again counts.
    """
    empty: list[float] = []
    others: list[float] = []
    for name, text in headers.items():
        name = name.lower()
        if "ratelimit" not in name or "reset" not in name:
            continue
        wait_s = _parse_reset(text)
        if wait_s is None:
            continue
        left = _parse_number(headers.get(name.replace("reset", "remaining"), ""))
        (empty if left == 0 else others).append(wait_s)
    return max(empty) if empty else min(others, default=0.0)


def _parse_reset(text: str) -> float | None:
    """Seconds from now: "2s", "1m30.5s", "120ms", "3", a date, or seconds since 1970."""
    number = _parse_number(text)
    if number is None:
        parts = DURATION_PART.findall(text)
        if parts and not DURATION_PART.sub("", text).strip():
            return sum(float(amount) * UNIT_SECONDS[unit] for amount, unit in parts)
        until = _parse_date(text)
        return (
            None
            if until is None
            else max(0.0, (until - datetime.now(UTC)).total_seconds())
        )
    if number < MIN_EPOCH_S:
        return number
    epoch_s = number / 1e3 if number >= MIN_EPOCH_MS else number
    return max(0.0, epoch_s - datetime.now(UTC).timestamp())


def _parse_number(text: str) -> float | None:
    """A number that can be waited for, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < inf else None


def _parse_date(text: str) -> datetime | None:
    """As HTTP writes it, or as ISO 8601 does."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = parse(text)
        except (ValueError, TypeError, OverflowError):
            continue
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def find_retry_delay(body: str) -> float:
    """What Google's APIs ask for in the body of a 429: "retryDelay": "2s". 0: nothing."""
    found = RETRY_DELAY.search(body)
    return float(found[1]) if found else 0.0
