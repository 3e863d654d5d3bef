"""Money and FLOPs: exact sums, and limits that bind each for itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgers import PRICE, Open, buy, cost, got, reserved, rows, sums_hold
from teachback.errors import LedgerError
from teachback.ledger.costs import (
    Budget,
    Cost,
    Price,
    Usage,
    believe_usage,
    price_per_token,
    to_kiloflops,
    to_picodollars,
)

LIMITS = {
    "teacher_tokens": 100,
    "usd": 700,
    "flops": 300,
}  # each of them 100 tokens at PRICE


@pytest.mark.parametrize("kind", LIMITS)
def test_each_kind_of_limit_binds_alone(start: Open, path: Path, kind: str) -> None:
    ledger = start(budget=Budget(**{kind: LIMITS[kind]}))
    pair = reserved(ledger, "a", 60)
    assert ledger.reserve("b", 0, 0, cost(41)) is None
    call = got(ledger.charge_call(pair, "question", b"ask", cost(60)))
    ledger.answer(call, "body", Usage(10, 10), 0.1, PRICE)
    assert ledger.charge_call(pair, "answer", b"ask", cost(81)) is None
    ledger.doubt(got(ledger.charge_call(pair, "answer", b"ask", cost(80))), "timeout")
    assert vars(ledger.amount_committed())[kind] == LIMITS[kind]
    assert vars(ledger.amount_left())[kind] == 0
    assert ledger.reserve("c", 0, 0, cost(1)) is None
    sums_hold(path)
    ledger.fail(pair, "lost")
    ledger.close()
    with pytest.raises(LedgerError, match=f"`{kind}` is below"):
        start(budget=Budget(**{kind: LIMITS[kind] - 1}))


def test_what_is_held_is_not_paid_yet(start: Open) -> None:
    ledger = start()
    done, under_way = reserved(ledger, "a", 200), reserved(ledger, "b", 200)
    buy(ledger, done)
    ledger.settle(done)
    buy(ledger, under_way)
    ledger.charge_call(under_way, "answer", b"ask", cost(50))
    ledger.doubt(
        got(ledger.charge_call(under_way, "answer", b"ask", cost(40))), "timeout"
    )
    assert ledger.amount_paid() == Budget(1, 30 + 30 + 40, 7 * 100, 3 * 100)
    assert ledger.amount_committed() == Budget(
        2, 30 + 30 + 40 + 50 + 60, 7 * 210, 3 * 210
    )


def test_money_by_the_kind_of_token(start: Open, path: Path) -> None:
    ledger, price = start(), Price(input=5, output=40, cached=1, flops=2)
    call = got(
        ledger.charge_call(
            reserved(ledger, "a", 100), "question", b"ask", price.worst(60, 40)
        )
    )
    used = Usage(50, 30, cached_tokens=20, reasoning_tokens=25)
    assert ledger.answer(call, "body", used, 0.1, price) == used
    spend = ledger.spend()
    assert (spend.usd, spend.flops) == (30 * 5 + 20 * 1 + 30 * 40, 80 * 2)
    assert (
        spend.input_tokens,
        spend.cached_tokens,
        spend.output_tokens,
        spend.reasoning_tokens,
    ) == (50, 20, 30, 25)
    assert spend.unpriced_calls == 0
    sums_hold(path)


def test_a_cached_token_that_is_dearer_is_the_worst_case() -> None:
    assert Price(input=5, output=40, cached=6).worst(10, 1).usd == 100
    assert Price(input=5, output=40, cached=1).worst(10, 1).usd == 90


def test_an_unknown_price_stays_unknown(start: Open, path: Path) -> None:
    ledger = start()
    call = got(
        ledger.charge_call(
            reserved(ledger, "a", 100), "question", b"ask", Price().worst(60, 40)
        )
    )
    ledger.answer(call, "body", Usage(5, 5), 0.1, Price())
    assert rows(path, "SELECT usd, flops FROM calls") == [(None, None)]
    assert (ledger.spend().usd, ledger.spend().unpriced_calls) == (0, 1)
    for kind in ("usd", "flops"):
        limited = start(arm=kind, budget=Budget(**{kind: 10**6}))
        with pytest.raises(LedgerError, match=f"`{kind}` can't be held"):
            limited.reserve("a", 0, 0, Price().worst(60, 40))


def test_more_money_than_the_worst_case_stops_the_arm_too(start: Open) -> None:
    """As many tokens as were reserved, but more of the dear ones."""
    ledger, price = start(), Price(input=1, output=10)
    pair = reserved(ledger, "a")
    ledger.answer(
        got(ledger.charge_call(pair, "question", b"ask", price.worst(50, 10))),
        "body",
        Usage(0, 60),
        0.1,
        price,
    )
    assert ledger.overran
    assert ledger.overrun_reason is not None
    assert ledger.charge_call(pair, "answer", b"ask", Cost(0, 0, 0)) is None


def test_costs_by_role_and_round(start: Open) -> None:
    ledger = start()
    for round, seed in enumerate("ab"):
        pair = reserved(ledger, seed, round=round)
        buy(ledger, pair, "question")
        ledger.refuse(got(ledger.charge_call(pair, "answer", b"ask", cost(50))), "429")
        buy(ledger, pair, "answer")
    found = [
        (one.role, one.round, one.sent, one.spend.calls, one.spend.refused_calls)
        for one in ledger.costs_by_role()
    ]
    assert found == [
        ("question", 0, 1, 1, 0),
        ("answer", 0, 2, 1, 1),
        ("question", 1, 1, 1, 0),
        ("answer", 1, 2, 1, 1),
    ]
    assert [one.latency_s for one in ledger.costs_by_role()] == [(0.5, 0.5)] * 4
    assert (
        sum(one.spend.usd for one in ledger.costs_by_role())
        == ledger.spend().usd
        == 4 * 210
    )
    assert ledger.answers("question") == [
        ("a", 0, "body of ask"),
        ("b", 0, "body of ask"),
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 300), st.integers(0, 300)),
        max_size=12,
    )
)
def test_the_sum_of_costs_is_the_cost_of_the_sum(
    parts: list[tuple[int, int, int]],
) -> None:
    at = Price(input=5, output=40, cached=1, flops=2)
    usages = [
        Usage(max(used, cached), written, cached) for used, written, cached in parts
    ]
    kinds = ("input_tokens", "output_tokens", "cached_tokens")
    total = Usage(*(sum(vars(usage)[kind] for usage in usages) for kind in kinds))
    assert sum((at.of(usage) for usage in usages), Cost(0, 0, 0)) == at.of(total)


def test_prices_and_budgets_are_exact() -> None:
    assert price_per_token(
        input=0.15, output=0.6, cached=0.075, parameters=7e9
    ) == Price(150_000, 600_000, 75_000, 14_000_000)
    assert price_per_token(input=None, output=0.6, cached=None, parameters=None).of(
        Usage(1, 1)
    ) == Cost(2, None, None)
    assert (
        price_per_token(input=0.0375, output=0.3, cached=None, parameters=None)
        .of(Usage(10**6, 10**6))
        .usd
        == 337_500_000_000
    )
    assert (
        to_picodollars(5),
        to_picodollars(0.1),
        to_kiloflops(1e18),
        to_kiloflops(1),
    ) == (
        5 * 10**12,
        10**11,
        10**15,
        1,
    )


@pytest.mark.parametrize(
    ("usage", "is_believed"),
    [
        (Usage(100, 20), True),
        (Usage(30, 4), True),
        (Usage(0, 0), False),
        (Usage(0, 20), False),
        (Usage(100, 0), False),
        # 960 bytes are 30 tokens at least, and 128 characters 4.
        (Usage(29, 20), False),
        (Usage(100, 3), False),
        # All of it is said to be reasoning, and there is an answer too.
        (Usage(100, 50, reasoning_tokens=50), False),
        (Usage(100, 54, reasoning_tokens=50), True),
        (Usage(10**9, 20), False),
        (Usage(100, 2**52), False),
    ],
)
def test_a_usage_that_can_not_be_is_not_believed(
    usage: Usage, is_believed: bool
) -> None:
    found = believe_usage(usage, prompt_bytes=960, answer_chars=128, thought_chars=0)
    assert found == (usage if is_believed else None)


def test_what_was_not_reported_or_not_written_is_no_fault() -> None:
    def believe(usage: Usage | None) -> Usage | None:
        return believe_usage(usage, prompt_bytes=31, answer_chars=0, thought_chars=0)

    assert believe(None) is None
    assert believe(Usage(1, 0)) == Usage(1, 0)
