"""Faults, latency and the rate limit, as functions: which request gets what, and when."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teachback.errors import ConfigError
from teachback.serve.faults import (
    MIXED_FAULTS,
    Fault,
    find_faults,
    mix_faults,
    parse_faults,
)
from teachback.serve.messages import Request
from teachback.serve.pace import RequestBucket, RequestLimit, lognormal_latency


def test_latency_is_drawn_from_the_request() -> None:
    drawn = [
        lognormal_latency(2.0, 0.5)(Request(0, b"%d" % n, {})) for n in range(2000)
    ]
    assert drawn == [
        lognormal_latency(2.0, 0.5)(Request(n, b"%d" % n, {"x": "y"}))
        for n in range(2000)
    ]
    ordered = sorted(drawn)
    assert ordered[1000] == pytest.approx(2.0, rel=0.05)
    assert ordered[round(2000 * 0.8413)] == pytest.approx(2.0 * math.exp(0.5), rel=0.07)
    assert lognormal_latency(0.3)(Request(0, b"", {})) == 0.3
    for bad in (-1, 0), (1, -1), (math.nan, 0), (math.inf, 0):
        with pytest.raises(ConfigError, match="latency"):
            lognormal_latency(*bad)


@given(
    st.lists(st.binary(max_size=3), max_size=30),
    st.integers(),
    st.randoms(use_true_random=False),
)
def test_a_mix_depends_on_the_request_and_on_how_often_it_came(
    bodies: list[bytes], seed: int, rng: Any
) -> None:
    def drawn(order: list[bytes]) -> Counter[tuple[bytes, str]]:
        choose = mix_faults({"mixed": 0.5, "hang": 0.2}, seed)
        return Counter(
            (raw, str(choose(Request(at, raw, {"at": str(at)}))))
            for at, raw in enumerate(order)
        )

    assert drawn(bodies) == drawn(rng.sample(bodies, len(bodies)))


def test_a_mix_keeps_its_rates_and_draws_anew_for_a_retry() -> None:
    choose = mix_faults({"500": 0.1, "mixed": 0.3, "over": 0.0}, seed=1)
    one_body = Counter(choose(Request(0, b"same", {})) and "fault" for _ in range(4000))
    assert one_body["fault"] == pytest.approx(1600, abs=120)
    faults = [choose(Request(0, b"%d" % n, {})) for n in range(12000)]
    assert sum(fault is not None for fault in faults) == pytest.approx(4800, abs=220)
    common = sum(fault == find_faults("500")[0] for fault in faults)
    assert common == pytest.approx(1200 + 3600 / len(MIXED_FAULTS), abs=150)
    assert all(fault in faults for fault in MIXED_FAULTS)
    assert not any(fault and fault.kind in ("hang", "over", "none") for fault in faults)
    assert mix_faults({"hang": 1.0}, 0)(Request(0, b"", {})) == Fault("hang")
    assert mix_faults({}, 0)(Request(0, b"", {})) is None


def test_faults_are_read_from_a_text() -> None:
    rates = parse_faults(
        "500:0.05, 429:0.02,429-bare:0.01,Hang:0.01,no usage:0.1,wrong-json:0,mixed:0.2,"
    )
    expected = {
        "500": 0.05,
        "429": 0.02,
        "429-bare": 0.01,
        "hang": 0.01,
        "no-usage": 0.1,
        "wrong-json": 0,
        "mixed": 0.2,
    }
    assert rates == expected
    assert parse_faults("") == {}
    assert find_faults("429")[0].headers == {"Retry-After": "1"}
    assert find_faults("429-bare")[0].headers == {}
    with pytest.raises(
        ConfigError, match=r"(?s)got: 'hangs'.*allowed: a status.*hang, reset, half"
    ):
        parse_faults("hangs:0.1")
    for bad in (
        "500",
        "500:",
        ":0.1",
        "hang:nan",
        "hang:-0.1",
        "hang:1.1",
        "hang:0.6,reset:0.6",
        "hang:0,hang:0",
        "200:0",
    ):
        with pytest.raises(ConfigError):
            parse_faults(bad)


NAME = st.sampled_from(
    ["500", "429", "hang", "mixed", "no usage", "status", "٥٠٠", "999"]
) | st.text(max_size=5)


@given(st.text() | st.lists(st.tuples(NAME, st.floats() | st.text(max_size=4))).map(
    lambda pairs: ",".join(f"{name}:{rate}" for name, rate in pairs)))  # fmt: skip
@example("hang:1e999")
def test_any_text_is_faults_or_is_refused(text: str) -> None:
    try:
        rates = parse_faults(text)
    except ConfigError:
        return
    mix_faults(rates, 0)(Request(0, b"", {}))
    assert (
        parse_faults(",".join(f"{name}:{rate}" for name, rate in rates.items()))
        == rates
    )


@given(
    st.floats(0.1, 500), st.integers(1, 50), st.lists(st.floats(0, 0.1), max_size=200)
)
def test_a_bucket_lets_through_its_burst_and_then_its_rate(
    rate: float, burst: int, gaps: list[float]
) -> None:
    now = [0.0]
    bucket, passed = RequestBucket(RequestLimit(rate, burst), lambda: now[0]), 0
    for gap in [0.0] * (burst + 1) + gaps:
        now[0] += gap
        wait = bucket.take()
        passed += wait == 0
        assert passed <= burst + rate * now[0] + 1e-6
        assert wait <= 1 / rate + 1e-9
    assert passed >= burst
    now[0] += bucket.take()  # whoever waits as told is let in
    assert bucket.take() == 0 or not wait


def test_a_limit_says_when_to_come_back() -> None:
    assert RequestLimit(2).retry_headers(0.2) == {"Retry-After": "1"}
    assert RequestLimit(2, retry_after="none").retry_headers(0.2) == {}
    for bad in (0, 1), (-1, 1), (math.nan, 1), (math.inf, 1), (1, 0):
        with pytest.raises(ConfigError):
            RequestLimit(*bad)
