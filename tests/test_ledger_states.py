"""The ledger: what pairs and calls can become, and what only a bug asks for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledgers import CALL_ENDS, PAIR_ENDS, PRICE, Open, buy, cost, got, reserved, rows
from teachback.errors import LedgerError
from teachback.ledger.costs import Budget, Usage
from teachback.ledger.pairs import Pair, RecordedAnswer

# Pairs and their states


def test_a_failed_pair_counts_when_it_may_have_cost_something(start: Open) -> None:
    ledger = start(budget=Budget(generated=4))
    never, refused, answered, doubted = (reserved(ledger, seed) for seed in "abcd")
    ledger.refuse(got(ledger.charge_call(refused, "question", b"ask", cost(10))), "503")
    buy(ledger, answered)
    ledger.doubt(
        got(ledger.charge_call(doubted, "question", b"ask", cost(10))), "reset"
    )
    for pair, left in ((never, 1), (refused, 2), (answered, 2), (doubted, 2)):
        ledger.fail(pair, "unparsed")
        assert ledger.amount_left().generated == left
    assert (
        ledger.spend().pairs,
        ledger.spend().held_tokens,
        ledger.spend().tokens,
    ) == (2, 0, 40)


def test_settling_releases_the_hold(start: Open) -> None:
    ledger = start()
    pair = reserved(ledger, "a", 500)
    buy(ledger, pair)
    assert ledger.spend().tokens == 480
    ledger.settle(pair)
    assert ledger.spend().tokens == 30


def test_failing_puts_a_call_in_flight_in_doubt(start: Open, path: Path) -> None:
    ledger = start()
    pair = reserved(ledger, "a", 500)
    call = got(ledger.charge_call(pair, "question", b"ask", cost(50)))
    ledger.fail(pair, "cancelled")
    assert rows(path, "SELECT state FROM calls") == [("in_doubt",)]
    assert (
        ledger.spend().pairs,
        ledger.spend().in_doubt_tokens,
        ledger.spend().tokens,
    ) == (
        1,
        50,
        50,
    )
    with pytest.raises(LedgerError, match=r"(?s)got: in_doubt.*allowed: sent"):
        ledger.answer(call, "late", None, 1.0, PRICE)


@pytest.mark.parametrize("second", CALL_ENDS)
@pytest.mark.parametrize("first", CALL_ENDS)
def test_a_call_ends_once(start: Open, first: str, second: str) -> None:
    ledger = start()
    call = got(ledger.charge_call(reserved(ledger, "a"), "question", b"ask", cost(50)))
    CALL_ENDS[first](ledger, call)
    before = ledger.spend()
    with pytest.raises(
        LedgerError, match=rf"(?s)call {call} .*got: {first}\n.*allowed: sent"
    ):
        CALL_ENDS[second](ledger, call)
    assert ledger.spend() == before


@pytest.mark.parametrize("end", PAIR_ENDS)
def test_a_closed_pair_is_only_read(start: Open, end: str) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    call = buy(ledger, pair)
    PAIR_ENDS[end](ledger, pair)
    bugs: tuple[Callable[[], object], ...] = (
        lambda: ledger.settle(pair),
        lambda: ledger.fail(pair, "again"),
        lambda: ledger.charge_call(pair, "question", b"more", cost(1)),
    )
    for bug in bugs:
        with pytest.raises(
            LedgerError, match=rf"(?s)pair {pair.id} .*got: {end}\n.*allowed: open"
        ):
            bug()
    assert ledger.find_answer(pair, "question", b"ask") == RecordedAnswer(
        call, "body of ask", Usage(20, 10)
    )


def test_settling_with_a_call_in_flight_is_a_bug_and_changes_nothing(
    start: Open,
) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    call = got(ledger.charge_call(pair, "question", b"ask", cost(50)))
    before = ledger.spend()
    with pytest.raises(LedgerError, match=f"call {call} is in flight"):
        ledger.settle(pair)
    assert ledger.spend() == before
    assert reserved(ledger, "a").state == "open"


def test_unknown_and_foreign_things_are_bugs(start: Open) -> None:
    ledger, other = start(arm="a"), start(arm="b")
    pair = reserved(ledger, "a")
    call = got(ledger.charge_call(pair, "question", b"ask", cost(50)))
    for ledger_, call_, pair_ in (
        (other, call, pair),
        (ledger, call + 1, Pair(pair.id + 1, "open", None)),
    ):
        for end in CALL_ENDS.values():
            with pytest.raises(LedgerError, match="no such call"):
                end(ledger_, call_)
        with pytest.raises(LedgerError, match="no such pair"):
            ledger_.charge_call(pair_, "question", b"ask", cost(1))
        with pytest.raises(LedgerError, match="no such pair"):
            ledger_.find_answer(pair_, "question", b"ask")


def test_negative_tokens_are_refused(start: Open) -> None:
    """They would make room in the budget."""
    ledger = start()
    pair = reserved(ledger, "a")
    call = got(ledger.charge_call(pair, "question", b"ask", cost(50)))
    bugs: tuple[Callable[[], object], ...] = (
        lambda: ledger.reserve("b", 0, 0, cost(-1)),
        lambda: ledger.charge_call(pair, "question", b"ask", cost(-1)),
        lambda: ledger.answer(call, "body", Usage(-1, 5), 0.1, PRICE),
        lambda: ledger.answer(call, "body", Usage(5, -1), 0.1, PRICE),
    )
    for bug in bugs:
        with pytest.raises(LedgerError, match="negative"):
            bug()
    assert ledger.spend().held_tokens == 100


def test_spend_and_left_by_round(start: Open) -> None:
    ledger = start(budget=Budget(10, 1000))
    for round, used in enumerate((10, 20, 30)):
        pair = reserved(ledger, "a", n=round, round=round)
        ledger.answer(
            got(ledger.charge_call(pair, "question", b"ask", cost(50))),
            "body",
            Usage(used, 0),
            0.1,
            PRICE,
        )
        ledger.settle(pair)
    assert [ledger.spend(round=round).tokens for round in range(4)] == [10, 20, 30, 0]
    assert [ledger.spend(before_round=round).tokens for round in range(4)] == [
        0,
        10,
        30,
        60,
    ]
    assert ledger.spend().tokens == 60
    assert ledger.amount_left(before_round=2) == Budget(8, 970)
    assert ledger.amount_left() == Budget(7, 940)
