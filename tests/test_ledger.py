"""The ledger: L1-L6, pairs and their states, money."""

import sqlite3
from pathlib import Path

import pytest

from ledgers import PRICE, Open, buy, cost, got, looked, reserved, rows, sums_hold
from teachback.errors import LedgerError
from teachback.ledger.costs import Budget, Usage
from teachback.ledger.ledger import Ledger
from teachback.ledger.pairs import Pair, RecordedAnswer
from teachback.ledger.schema import LEDGER_VERSION

# L1


def test_a_reservation_that_does_not_fit_reserves_nothing(
    start: Open, path: Path
) -> None:
    ledger = start(budget=Budget(generated=2, teacher_tokens=100))
    assert reserved(ledger, "a", 60).state == "open"
    assert ledger.reserve("b", 0, 0, cost(41)) is None
    assert reserved(ledger, "b", 40).state == "open"
    assert ledger.reserve("c", 0, 0, cost(0)) is None  # a third pair
    assert (
        ledger.spend().pairs,
        ledger.spend().tokens,
        ledger.spend().held_tokens,
    ) == (
        2,
        100,
        100,
    )
    assert ledger.amount_left() == Budget(0, 0)
    assert rows(path, "SELECT seed FROM pairs") == [("a",), ("b",)]


def test_no_limit_means_none(start: Open) -> None:
    ledger = start()
    assert reserved(ledger, "a", 10**15)
    assert ledger.amount_left() == Budget(None, None)


def test_the_budget_binds_two_connections_of_an_arm(start: Open) -> None:
    """The condition is in the statement: no connection trusts a sum that it read before."""
    one, two = (
        start(budget=Budget(teacher_tokens=100)),
        start(budget=Budget(teacher_tokens=100)),
    )
    reserved(one, "a", 60)
    assert two.reserve("b", 0, 0, cost(60)) is None
    assert reserved(two, "a", 60) == reserved(one, "a", 60)


def test_each_operation_is_durable_when_it_returns(start: Open, path: Path) -> None:
    ledger = start()
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert ledger._connection.db.execute("PRAGMA synchronous").fetchone() == (
        2,
    )  # FULL: fsync at every commit
    pair = reserved(ledger, "a")
    assert rows(path, "SELECT hold_tokens FROM pairs") == [(100,)]
    call = got(ledger.charge_call(pair, "question", b"ask", cost(30)))
    assert rows(
        path,
        "SELECT costs.state, hold_tokens, tokens FROM costs JOIN pairs ON id = pair",
    ) == [("sent", 70, 30)]
    ledger.answer(call, "body\0 \u2028 ü", Usage(3, 4), 0.25, PRICE)
    assert rows(path, "SELECT body, latency_s FROM calls") == [
        ("body\0 \u2028 ü", 0.25)
    ]


# L2


def test_a_pair_is_reserved_as_one_unit(start: Open) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 70)
    assert reserved(ledger, "b", 30)
    assert ledger.amount_left().teacher_tokens == 0
    buy(ledger, pair, "question", worst=40)
    assert ledger.charge_call(
        pair, "answer", b"answer", cost(30)
    )  # others took all that was free, but not this pair's


def test_reserving_again_returns_the_pair_and_reserves_nothing(start: Open) -> None:
    ledger = start(budget=Budget(generated=3))
    settled, failed, still = (reserved(ledger, seed) for seed in "abc")
    ledger.settle(settled)
    ledger.fail(failed, "no question in it")
    assert ledger.reserve("a", 0, 5, cost(999)) == Pair(settled.id, "settled", None)
    assert ledger.reserve("b", 0, 5, cost(999)) == Pair(
        failed.id, "failed", "no question in it"
    )
    assert ledger.reserve("c", 0, 5, cost(999)) == Pair(still.id, "open", None)
    assert ledger.spend().held_tokens == 100
    assert reserved(ledger, "a", n=1).id not in (settled.id, failed.id, still.id)


# L3


def test_an_answer_stops_charging_what_it_did_not_use(start: Open) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 100)
    assert ledger.answer(
        got(ledger.charge_call(pair, "question", b"ask", cost(60))),
        "body",
        Usage(5, 7),
        0.1,
        PRICE,
    ) == Usage(5, 7)
    spend = ledger.spend()
    assert (
        spend.calls,
        spend.input_tokens,
        spend.output_tokens,
        spend.held_tokens,
    ) == (
        1,
        5,
        7,
        40,
    )
    assert spend.tokens == 52
    assert ledger.amount_left().teacher_tokens == 48


def test_missing_usage_charges_the_worst_case_and_says_estimated(start: Open) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    call = got(ledger.charge_call(pair, "question", b"ask", cost(60)))
    assert ledger.answer(call, "body", None, 0.1, PRICE) == Usage(60, 0, estimated=True)
    assert (ledger.spend().estimated_calls, ledger.spend().tokens) == (1, 100)
    served = ledger.find_answer(pair, "question", b"ask")
    assert served == RecordedAnswer(call, "body", Usage(60, 0, estimated=True))
    assert not ledger.overran


def test_usage_above_the_worst_case_is_charged_and_stops_the_arm(
    start: Open, path: Path
) -> None:
    budget = Budget(teacher_tokens=200)
    ledger = start(budget=budget)
    pair, other = reserved(ledger, "a", 50), reserved(ledger, "b", 100)
    call, flying = (
        got(ledger.charge_call(pair, "question", b"ask", cost(50))),
        got(ledger.charge_call(other, "question", b"ask", cost(50))),
    )
    assert (ledger.overran, ledger.overrun_reason) == (False, None)
    ledger.answer(call, "body", Usage(20, 131), 0.1, PRICE)
    assert ledger.overran
    assert (
        ledger.overrun_reason
        == f"call {call} (question) used 151 tokens where 50 is the worst case"
    )
    assert ledger.spend().tokens == 251
    assert ledger.amount_left().teacher_tokens == 0
    assert ledger.charge_call(other, "answer", b"more", cost(0)) is None
    assert ledger.reserve("c", 0, 0, cost(0)) is None
    ledger.answer(flying, "late", Usage(1, 1), 0.1, PRICE)  # what was under way is kept
    ledger.close()
    again = start(budget=budget)  # nobody lowered this budget
    assert again.overran
    assert again.find_answer(other, "question", b"ask") == RecordedAnswer(
        flying, "late", Usage(1, 1)
    )
    assert start(arm="b").reserve("c", 0, 0, cost(0)) is not None  # another arm goes on
    sums_hold(path)


# L4


def test_a_call_in_flight_at_a_kill_is_in_doubt_and_charged_in_full(
    start: Open, path: Path
) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 60)
    ledger.charge_call(pair, "question", b"ask", cost(60))
    ledger.close()
    again = start(budget=Budget(teacher_tokens=100))
    spend = again.spend()
    assert (
        spend.in_doubt_calls,
        spend.in_doubt_tokens,
        spend.held_tokens,
        spend.calls,
    ) == (
        1,
        60,
        0,
        0,
    )
    assert again.find_answer(pair, "question", b"ask") is None
    assert (
        again.charge_call(pair, "question", b"ask", cost(41)) is None
    )  # the extension has to fit
    assert rows(path, "SELECT try, state FROM calls") == [
        (1, "in_doubt")
    ]  # what did not fit left no call
    assert again.charge_call(pair, "question", b"ask", cost(40))
    assert rows(path, "SELECT try, state, worst_tokens FROM calls ORDER BY try") == [
        (1, "in_doubt", 60),
        (2, "sent", 40),
    ]
    assert again.spend().tokens == 100


def test_a_timeout_is_asked_again_out_of_the_hold_first(start: Open) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 70)
    ledger.doubt(got(ledger.charge_call(pair, "question", b"ask", cost(50))), "timeout")
    assert ledger.spend().tokens == 70
    assert ledger.charge_call(
        pair, "question", b"ask", cost(50)
    )  # 20 of the hold, 30 that were free
    assert (
        ledger.spend().tokens,
        ledger.spend().in_doubt_tokens,
        ledger.spend().held_tokens,
    ) == (
        100,
        50,
        50,
    )


def test_a_refused_call_costs_nothing_and_its_retry_needs_no_extension(
    start: Open, path: Path
) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 100)
    for _ in range(3):
        ledger.refuse(
            got(ledger.charge_call(pair, "question", b"ask", cost(100))), "429"
        )
        assert ledger.spend().held_tokens == ledger.spend().tokens == 100
    assert buy(ledger, pair, worst=100)
    assert ledger.spend().tokens == 30
    assert rows(path, "SELECT try, state, reason FROM calls ORDER BY try")[2:] == [
        (3, "refused", "429"),
        (4, "answered", None),
    ]


def test_opening_leaves_the_calls_of_another_arm_alone(start: Open) -> None:
    ledger = start(arm="a")
    call = got(ledger.charge_call(reserved(ledger, "a"), "question", b"ask", cost(50)))
    start(arm="b")
    start(arm="a", repeat=1)
    assert ledger.answer(call, "body", Usage(1, 1), 0.1, PRICE) == Usage(1, 1)


def test_looking_puts_nothing_in_doubt_and_writes_nothing(
    start: Open, path: Path
) -> None:
    ledger = start()
    call = got(ledger.charge_call(reserved(ledger, "a"), "question", b"ask", cost(50)))
    assert looked(path) == ledger.spend()
    assert looked(path, arm="none").tokens == 0
    ledger.answer(call, "body", Usage(1, 1), 0.1, PRICE)
    spend = ledger.spend()
    ledger.close()
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert looked(path) == spend
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    with pytest.raises(LedgerError, match="can't read"):
        looked(path.with_name("missing.db"))


# L5


def test_an_answered_call_is_served_to_the_same_key_only(start: Open) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    assert ledger.find_answer(pair, "question", b"ask") is None
    call = buy(ledger, pair)
    ledger.settle(pair)
    ledger.close()
    again = start()
    before = again.spend()
    served = RecordedAnswer(call, "body of ask", Usage(20, 10))
    assert (
        again.find_answer(pair, "question", b"ask")
        == again.find_answer(pair, "question", b"ask")
        == served
    )
    assert again.spend() == before  # charged once
    assert again.find_answer(pair, "answer", b"ask") is None
    assert again.find_answer(pair, "question", b"ask ") is None
    assert again.find_answer(reserved(again, "b"), "question", b"ask") is None
    assert (
        again.find_answer(reserved(again, "a", n=1), "question", b"ask") is None
    )  # sampling never collapses
    later = start(repeat=1)
    assert later.find_answer(reserved(later, "a"), "question", b"ask") is None


def test_the_request_is_kept_as_its_hash_only(start: Open, path: Path) -> None:
    ledger = start()
    buy(ledger, reserved(ledger, "a"), request=b"plain text of the request")
    (kept,) = rows(
        path, "SELECT role, length(request), round, repeat, seed, n, try FROM calls"
    )
    assert kept == ("question", 64, 0, 0, "a", 0, 1)
    files = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert (
        files.count(b"plain text of the request")
        == files.count(b"body of plain text of the request")
        > 0
    )


def test_a_second_answer_does_not_replace_the_first(start: Open) -> None:
    ledger = start()
    pair = reserved(ledger, "a", 200)
    ledger.doubt(got(ledger.charge_call(pair, "question", b"ask", cost(50))), "timeout")
    first = buy(ledger, pair)
    ledger.answer(
        got(ledger.charge_call(pair, "question", b"ask", cost(50))),
        "another",
        Usage(1, 1),
        0.1,
        PRICE,
    )
    assert ledger.find_answer(pair, "question", b"ask") == RecordedAnswer(
        first, "body of ask", Usage(20, 10)
    )


# L6, and R4


@pytest.mark.parametrize("version", [LEDGER_VERSION + 1, -1])
def test_a_file_of_another_version_is_refused_with_both_numbers(
    path: Path, start: Open, version: int
) -> None:
    start().close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"PRAGMA user_version = {version}")
    other.close()
    with pytest.raises(
        LedgerError, match=rf"(?s)got: {version}\n.*allowed: {LEDGER_VERSION}\n.*fix: "
    ):
        start()
    assert rows(path, "PRAGMA user_version") == [(version,)]


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(
    path: Path, start: Open
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="no ledger of this version"):
        start()
    assert path.read_bytes() == before
    path.write_text("seed,question\n" * 100)
    with pytest.raises(LedgerError, match="not a database"):
        start()
    with pytest.raises(LedgerError, match="can't open"):
        Ledger(path.parent / "missing" / "ledger.db")


@pytest.mark.parametrize(
    ("low", "kind", "spent"),
    [
        (Budget(1, 1000), "generated", 2),
        (Budget(2, 129), "teacher_tokens", 130),
        (Budget(0, 0), "generated", 2),
    ],
)
def test_a_budget_below_what_is_committed_is_refused(
    start: Open, low: Budget, kind: str, spent: int
) -> None:
    ledger = start(budget=Budget(5, 500))
    pair = reserved(ledger, "a", 50)
    buy(ledger, pair)
    reserved(ledger, "b", 100)
    ledger.close()
    with pytest.raises(
        LedgerError,
        match=rf"(?s)`{kind}` is below the {spent} .*fix: raise `{kind}` to {spent}",
    ):
        start(budget=low)
    start(budget=Budget(2, 130)).close()
    raised = start(budget=Budget(3, 140))
    assert raised.amount_left() == Budget(1, 10)
    assert raised.reserve("c", 0, 1, cost(11)) is None
    assert raised.reserve("c", 0, 1, cost(10))
