"""How long a server asks to wait, in all the ways in which servers say it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.endpoints.retries import find_retry_delay, parse_retry_after

NOW = datetime.now(UTC).replace(microsecond=0)
DATE = format_datetime(NOW, usegmt=True)


def http_date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": http_date(30), "Date": DATE}, 30.0),
        ({"Retry-After": http_date(-30), "Date": DATE}, 0.0),
        # By the server's clock, which may differ from ours.
        ({"Retry-After": http_date(5020), "Date": http_date(5000)}, 20.0),
        ({"Retry-After": "soon", "x-ratelimit-reset-requests": "2s"}, 2.0),
        ({"x-ratelimit-reset-requests": "1m30.5s"}, 90.5),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-requests": "1h2m"}, 3720.0),
        ({"ratelimit-reset": "12"}, 12.0),
        ({"X-RateLimit-Reset": "12.5"}, 12.5),
        # Of two limits the one that is used up counts.
        (
            {
                "x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-requests": "12",
                "x-ratelimit-reset-tokens": "9s", "x-ratelimit-remaining-tokens": "0",
            },
            9.0,
        ),
        (
            {
                "x-ratelimit-reset-requests": "24h", "x-ratelimit-remaining-requests": "12",
                "x-ratelimit-reset-tokens": "9s", "x-ratelimit-remaining-tokens": "300",
            },
            9.0,
        ),
        ({"Retry-After": "1", "x-ratelimit-reset-requests": "9s"}, 1.0),
        ({"x-ratelimit-reset-requests": "whenever"}, 0.0),
        ({"x-ratelimit-reset-requests": "2 apples"}, 0.0),
        ({"x-ratelimit-reset-requests": "-3"}, 0.0),
        ({"x-ratelimit-reset-requests": ""}, 0.0),
        ({"x-ratelimit-limit-requests": "60"}, 0.0),
    ],
)  # fmt: skip
def test_the_wait(headers: Mapping[str, str], expected: float) -> None:
    assert parse_retry_after(headers) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        f"{(NOW + timedelta(seconds=60)).timestamp():.0f}",
        f"{(NOW + timedelta(seconds=60)).timestamp() * 1000:.0f}",
        (NOW + timedelta(seconds=60)).isoformat(),
        (NOW + timedelta(seconds=60)).isoformat().replace("+00:00", "Z"),
        http_date(60),
    ],
    ids=["epoch", "epoch in ms", "ISO", "ISO with Z", "HTTP"],
)
def test_a_moment_in_a_rate_limit(text: str) -> None:
    wait_s = parse_retry_after({"anthropic-ratelimit-requests-reset": text})
    passed_s = (datetime.now(UTC) - NOW).total_seconds()
    assert 60 - passed_s - 2 < wait_s <= 60


@given(st.text(), st.text(), st.text())
def test_no_header_raises(first: str, second: str, third: str) -> None:
    headers = {"Retry-After": first, "Date": second, "x-ratelimit-reset-tokens": third}
    assert 0 <= parse_retry_after(headers) < float("inf")


def test_a_delay_in_the_body() -> None:
    assert find_retry_delay('{"details": [{"retryDelay": "2.5s"}]}') == 2.5
    assert find_retry_delay('{"retryDelay": "soon"}') == 0.0
