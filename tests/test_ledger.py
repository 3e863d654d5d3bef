"""The ledger: L1-L6, arms that share a file, group commit, kills at any moment, and any sequence against a model."""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from teachback.errors import LedgerError
from teachback.group_commit import GroupCommit
from teachback.ledger import Answer, Budget, Ledger, Pair, Usage
from teachback.ledger_sql import VERSION

pytestmark = pytest.mark.filterwarnings("error")

Open = Callable[..., Ledger]
T = TypeVar("T")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def start(path: Path) -> Iterator[Open]:
    """Opens the test's ledger, as often as asked, and closes what it opened."""
    opened: list[Ledger] = []

    def start(**given: object) -> Ledger:
        opened.append(Ledger(path, **given))  # type: ignore[arg-type]
        return opened[-1]

    yield start
    for ledger in opened:
        ledger.close()


def got(value: int | None) -> int:
    assert value is not None
    return value


def reserved(ledger: Ledger, seed: str, tokens: int = 100, n: int = 0, round: int = 0) -> Pair:
    pair = ledger.reserve(seed, n, round, tokens)
    assert pair is not None
    return pair


def buy(ledger: Ledger, pair: Pair, role: str = "question", request: bytes = b"ask", worst: int = 50) -> int:
    call = got(ledger.send(pair, role, request, worst))
    ledger.answer(call, f"body of {request.decode()}", Usage(20, 10), 0.5)
    return call


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What another connection sees: committed rows only."""
    other = sqlite3.connect(path)
    try:
        return other.execute(query).fetchall()
    finally:
        other.close()


def sums_hold(path: Path) -> None:
    """What triggers keep in `arms` is what the rows add up to."""
    kept = "SELECT id, pairs, tokens, excess FROM arms ORDER BY id"
    added = """SELECT arms.id, (SELECT coalesce(sum(counted), 0) FROM pairs WHERE arm = arms.id),
        (SELECT coalesce(sum(hold), 0) FROM pairs WHERE arm = arms.id)
            + (SELECT coalesce(sum(tokens), 0) FROM charges JOIN pairs ON id = pair WHERE arm = arms.id),
        (SELECT coalesce(sum(max(0, tokens - worst)), 0) FROM costs WHERE costs.arm = arms.id)
        FROM arms ORDER BY id"""
    assert rows(path, kept) == rows(path, added)


# L1


def test_a_reservation_that_does_not_fit_reserves_nothing(start: Open, path: Path) -> None:
    ledger = start(budget=Budget(generated=2, teacher_tokens=100))
    assert reserved(ledger, "a", 60).state == "open"
    assert ledger.reserve("b", 0, 0, 41) is None
    assert reserved(ledger, "b", 40).state == "open"
    assert ledger.reserve("c", 0, 0, 0) is None  # a third pair
    assert (ledger.spend().pairs, ledger.spend().tokens, ledger.spend().held_tokens) == (2, 100, 100)
    assert ledger.left() == Budget(0, 0)
    assert rows(path, "SELECT seed FROM pairs") == [("a",), ("b",)]


def test_no_limit_means_none(start: Open) -> None:
    ledger = start()
    assert reserved(ledger, "a", 10**15)
    assert ledger.left() == Budget(None, None)


def test_the_budget_binds_two_connections_of_an_arm(start: Open) -> None:
    """The condition is in the statement: no connection trusts a sum that it read before."""
    one, two = start(budget=Budget(teacher_tokens=100)), start(budget=Budget(teacher_tokens=100))
    reserved(one, "a", 60)
    assert two.reserve("b", 0, 0, 60) is None
    assert reserved(two, "a", 60) == reserved(one, "a", 60)


def test_each_operation_is_durable_when_it_returns(start: Open, path: Path) -> None:
    ledger = start()
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert ledger._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: fsync at every commit
    pair = reserved(ledger, "a")
    assert rows(path, "SELECT hold FROM pairs") == [(100,)]
    call = got(ledger.send(pair, "question", b"ask", 30))
    assert rows(path, "SELECT costs.state, hold, tokens FROM costs JOIN pairs ON id = pair") == [("sent", 70, 30)]
    ledger.answer(call, "body\0 \u2028 ü", Usage(3, 4), 0.25)
    assert rows(path, "SELECT body, latency_s FROM calls") == [("body\0 \u2028 ü", 0.25)]


# L2


def test_a_pair_is_reserved_as_one_unit(start: Open) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 70)
    assert reserved(ledger, "b", 30)
    assert ledger.left().teacher_tokens == 0
    buy(ledger, pair, "question", worst=40)
    assert ledger.send(pair, "answer", b"answer", 30)  # others took all that was free, but not this pair's


def test_reserving_again_returns_the_pair_and_reserves_nothing(start: Open) -> None:
    ledger = start(budget=Budget(generated=3))
    settled, failed, still = (reserved(ledger, seed) for seed in "abc")
    ledger.settle(settled)
    ledger.fail(failed, "no question in it")
    assert ledger.reserve("a", 0, 5, 999) == Pair(settled.id, "settled", None)
    assert ledger.reserve("b", 0, 5, 999) == Pair(failed.id, "failed", "no question in it")
    assert ledger.reserve("c", 0, 5, 999) == Pair(still.id, "open", None)
    assert ledger.spend().held_tokens == 100
    assert reserved(ledger, "a", n=1).id not in (settled.id, failed.id, still.id)


# L3


def test_an_answer_stops_charging_what_it_did_not_use(start: Open) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 100)
    assert ledger.answer(got(ledger.send(pair, "question", b"ask", 60)), "body", Usage(5, 7), 0.1) == Usage(5, 7)
    spend = ledger.spend()
    assert (spend.calls, spend.input_tokens, spend.output_tokens, spend.held_tokens) == (1, 5, 7, 40)
    assert spend.tokens == 52
    assert ledger.left().teacher_tokens == 48


def test_missing_usage_charges_the_worst_case_and_says_estimated(start: Open) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    call = got(ledger.send(pair, "question", b"ask", 60))
    assert ledger.answer(call, "body", None, 0.1) == Usage(60, 0, estimated=True)
    assert (ledger.spend().estimated_calls, ledger.spend().tokens) == (1, 100)
    served = ledger.answered(pair, "question", b"ask")
    assert served == Answer(call, "body", Usage(60, 0, estimated=True))
    assert not ledger.overran


def test_usage_above_the_worst_case_is_charged_and_stops_the_arm(start: Open, path: Path) -> None:
    budget = Budget(teacher_tokens=200)
    ledger = start(budget=budget)
    pair, other = reserved(ledger, "a", 50), reserved(ledger, "b", 100)
    call, flying = got(ledger.send(pair, "question", b"ask", 50)), got(ledger.send(other, "question", b"ask", 50))
    assert (ledger.overran, ledger.overran_why) == (False, None)
    ledger.answer(call, "body", Usage(20, 131), 0.1)
    assert ledger.overran
    assert ledger.overran_why == f"call {call} (question) used 151 tokens where 50 is the worst case"
    assert ledger.spend().tokens == 251
    assert ledger.left().teacher_tokens == 0
    assert ledger.send(other, "answer", b"more", 0) is None
    assert ledger.reserve("c", 0, 0, 0) is None
    ledger.answer(flying, "late", Usage(1, 1), 0.1)  # what was under way is kept
    ledger.close()
    again = start(budget=budget)  # nobody lowered this budget
    assert again.overran
    assert again.answered(other, "question", b"ask") == Answer(flying, "late", Usage(1, 1))
    assert start(arm="b").reserve("c", 0, 0, 0) is not None  # another arm goes on
    sums_hold(path)


# L4


def test_a_call_in_flight_at_a_kill_is_in_doubt_and_charged_in_full(start: Open, path: Path) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 60)
    ledger.send(pair, "question", b"ask", 60)
    ledger.close()
    again = start(budget=Budget(teacher_tokens=100))
    spend = again.spend()
    assert (spend.in_doubt_calls, spend.in_doubt_tokens, spend.held_tokens, spend.calls) == (1, 60, 0, 0)
    assert again.answered(pair, "question", b"ask") is None
    assert again.send(pair, "question", b"ask", 41) is None  # the extension has to fit
    assert rows(path, "SELECT try, state FROM calls") == [(1, "in_doubt")]  # what did not fit left no call
    assert again.send(pair, "question", b"ask", 40)
    assert rows(path, "SELECT try, state, worst FROM calls ORDER BY try") == [(1, "in_doubt", 60), (2, "sent", 40)]
    assert again.spend().tokens == 100


def test_a_timeout_is_asked_again_out_of_the_hold_first(start: Open) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 70)
    ledger.doubt(got(ledger.send(pair, "question", b"ask", 50)), "timeout")
    assert ledger.spend().tokens == 70
    assert ledger.send(pair, "question", b"ask", 50)  # 20 of the hold, 30 that were free
    assert (ledger.spend().tokens, ledger.spend().in_doubt_tokens, ledger.spend().held_tokens) == (100, 50, 50)


def test_a_refused_call_costs_nothing_and_its_retry_needs_no_extension(start: Open, path: Path) -> None:
    ledger = start(budget=Budget(teacher_tokens=100))
    pair = reserved(ledger, "a", 100)
    for _ in range(3):
        ledger.refuse(got(ledger.send(pair, "question", b"ask", 100)), "429")
        assert ledger.spend().held_tokens == ledger.spend().tokens == 100
    assert buy(ledger, pair, worst=100)
    assert ledger.spend().tokens == 30
    assert rows(path, "SELECT try, state, reason FROM calls ORDER BY try")[2:] == [
        (3, "refused", "429"),
        (4, "answered", None),
    ]


def test_opening_leaves_the_calls_of_another_arm_alone(start: Open) -> None:
    ledger = start(arm="a")
    call = got(ledger.send(reserved(ledger, "a"), "question", b"ask", 50))
    start(arm="b")
    start(arm="a", repeat=1)
    assert ledger.answer(call, "body", Usage(1, 1), 0.1) == Usage(1, 1)


def test_looking_puts_nothing_in_doubt_and_writes_nothing(start: Open, path: Path) -> None:
    ledger = start()
    call = got(ledger.send(reserved(ledger, "a"), "question", b"ask", 50))
    assert Ledger.look(path) == ledger.spend()
    assert Ledger.look(path, arm="none").tokens == 0
    ledger.answer(call, "body", Usage(1, 1), 0.1)
    spend = ledger.spend()
    ledger.close()
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert Ledger.look(path) == spend
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    with pytest.raises(LedgerError, match="can't read"):
        Ledger.look(path.with_name("missing.db"))


# L5


def test_an_answered_call_is_served_to_the_same_key_only(start: Open) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    assert ledger.answered(pair, "question", b"ask") is None
    call = buy(ledger, pair)
    ledger.settle(pair)
    ledger.close()
    again = start()
    before = again.spend()
    served = Answer(call, "body of ask", Usage(20, 10))
    assert again.answered(pair, "question", b"ask") == again.answered(pair, "question", b"ask") == served
    assert again.spend() == before  # charged once
    assert again.answered(pair, "answer", b"ask") is None
    assert again.answered(pair, "question", b"ask ") is None
    assert again.answered(reserved(again, "b"), "question", b"ask") is None
    assert again.answered(reserved(again, "a", n=1), "question", b"ask") is None  # sampling never collapses
    later = start(repeat=1)
    assert later.answered(reserved(later, "a"), "question", b"ask") is None


def test_the_request_is_kept_as_its_hash_only(start: Open, path: Path) -> None:
    ledger = start()
    buy(ledger, reserved(ledger, "a"), request=b"plain text of the request")
    (kept,) = rows(path, "SELECT role, length(request), round, repeat, seed, n, try FROM calls")
    assert kept == ("question", 64, 0, 0, "a", 0, 1)
    files = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert files.count(b"plain text of the request") == files.count(b"body of plain text of the request") > 0


def test_a_second_answer_does_not_replace_the_first(start: Open) -> None:
    ledger = start()
    pair = reserved(ledger, "a", 200)
    ledger.doubt(got(ledger.send(pair, "question", b"ask", 50)), "timeout")
    first = buy(ledger, pair)
    ledger.answer(got(ledger.send(pair, "question", b"ask", 50)), "another", Usage(1, 1), 0.1)
    assert ledger.answered(pair, "question", b"ask") == Answer(first, "body of ask", Usage(20, 10))


# L6, and R4


@pytest.mark.parametrize("version", [VERSION + 1, -1])
def test_a_file_of_another_version_is_refused_with_both_numbers(path: Path, start: Open, version: int) -> None:
    start().close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"PRAGMA user_version = {version}")
    other.close()
    with pytest.raises(LedgerError, match=rf"(?s)got: {version}\n.*allowed: {VERSION}\n.*fix: "):
        start()
    assert rows(path, "PRAGMA user_version") == [(version,)]


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(path: Path, start: Open) -> None:
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
    [(Budget(1, 1000), "generated", 2), (Budget(2, 129), "teacher_tokens", 130), (Budget(0, 0), "generated", 2)],
)
def test_a_budget_below_what_is_committed_is_refused(start: Open, low: Budget, kind: str, spent: int) -> None:
    ledger = start(budget=Budget(5, 500))
    pair = reserved(ledger, "a", 50)
    buy(ledger, pair)
    reserved(ledger, "b", 100)
    ledger.close()
    with pytest.raises(LedgerError, match=rf"(?s)`{kind}` is below the {spent} .*fix: raise `{kind}` to {spent}"):
        start(budget=low)
    start(budget=Budget(2, 130)).close()
    raised = start(budget=Budget(3, 140))
    assert raised.left() == Budget(1, 10)
    assert raised.reserve("c", 0, 1, 11) is None
    assert raised.reserve("c", 0, 1, 10)


# Pairs and their states


def test_a_failed_pair_counts_when_it_may_have_cost_something(start: Open) -> None:
    ledger = start(budget=Budget(generated=4))
    never, refused, answered, doubted = (reserved(ledger, seed) for seed in "abcd")
    ledger.refuse(got(ledger.send(refused, "question", b"ask", 10)), "503")
    buy(ledger, answered)
    ledger.doubt(got(ledger.send(doubted, "question", b"ask", 10)), "reset")
    for pair, left in ((never, 1), (refused, 2), (answered, 2), (doubted, 2)):
        ledger.fail(pair, "unparsed")
        assert ledger.left().generated == left
    assert (ledger.spend().pairs, ledger.spend().held_tokens, ledger.spend().tokens) == (2, 0, 40)


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
    call = got(ledger.send(pair, "question", b"ask", 50))
    ledger.fail(pair, "cancelled")
    assert rows(path, "SELECT state FROM calls") == [("in_doubt",)]
    assert (ledger.spend().pairs, ledger.spend().in_doubt_tokens, ledger.spend().tokens) == (1, 50, 50)
    with pytest.raises(LedgerError, match=r"(?s)got: in_doubt.*allowed: sent"):
        ledger.answer(call, "late", None, 1.0)


CALL_ENDS: dict[str, Callable[[Ledger, int], object]] = {
    "answered": lambda ledger, call: ledger.answer(call, "body", Usage(1, 1), 0.1),
    "refused": lambda ledger, call: ledger.refuse(call, "429"),
    "in_doubt": lambda ledger, call: ledger.doubt(call, "timeout"),
}
PAIR_ENDS: dict[str, Callable[[Ledger, Pair], object]] = {
    "settled": lambda ledger, pair: ledger.settle(pair),
    "failed": lambda ledger, pair: ledger.fail(pair, "unparsed"),
}


@pytest.mark.parametrize("second", CALL_ENDS)
@pytest.mark.parametrize("first", CALL_ENDS)
def test_a_call_ends_once(start: Open, first: str, second: str) -> None:
    ledger = start()
    call = got(ledger.send(reserved(ledger, "a"), "question", b"ask", 50))
    CALL_ENDS[first](ledger, call)
    before = ledger.spend()
    with pytest.raises(LedgerError, match=rf"(?s)call {call} .*got: {first}\n.*allowed: sent"):
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
        lambda: ledger.send(pair, "question", b"more", 1),
    )
    for bug in bugs:
        with pytest.raises(LedgerError, match=rf"(?s)pair {pair.id} .*got: {end}\n.*allowed: open"):
            bug()
    assert ledger.answered(pair, "question", b"ask") == Answer(call, "body of ask", Usage(20, 10))


def test_settling_with_a_call_in_flight_is_a_bug_and_changes_nothing(start: Open) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    call = got(ledger.send(pair, "question", b"ask", 50))
    before = ledger.spend()
    with pytest.raises(LedgerError, match=f"call {call} is in flight"):
        ledger.settle(pair)
    assert ledger.spend() == before
    assert reserved(ledger, "a").state == "open"


def test_unknown_and_foreign_things_are_bugs(start: Open) -> None:
    ledger, other = start(arm="a"), start(arm="b")
    pair = reserved(ledger, "a")
    call = got(ledger.send(pair, "question", b"ask", 50))
    for ledger_, call_, pair_ in ((other, call, pair), (ledger, call + 1, Pair(pair.id + 1, "open", None))):
        for end in CALL_ENDS.values():
            with pytest.raises(LedgerError, match="no such call"):
                end(ledger_, call_)
        with pytest.raises(LedgerError, match="no such pair"):
            ledger_.send(pair_, "question", b"ask", 1)
        with pytest.raises(LedgerError, match="no such pair"):
            ledger_.answered(pair_, "question", b"ask")


def test_negative_tokens_are_refused(start: Open) -> None:
    """They would make room in the budget."""
    ledger = start()
    pair = reserved(ledger, "a")
    call = got(ledger.send(pair, "question", b"ask", 50))
    bugs: tuple[Callable[[], object], ...] = (
        lambda: ledger.reserve("b", 0, 0, -1),
        lambda: ledger.send(pair, "question", b"ask", -1),
        lambda: ledger.answer(call, "body", Usage(-1, 5), 0.1),
        lambda: ledger.answer(call, "body", Usage(5, -1), 0.1),
    )
    for bug in bugs:
        with pytest.raises(LedgerError, match="got: -1"):
            bug()
    assert ledger.spend().held_tokens == 100


def test_spend_and_left_by_round(start: Open) -> None:
    ledger = start(budget=Budget(10, 1000))
    for round, used in enumerate((10, 20, 30)):
        pair = reserved(ledger, "a", n=round, round=round)
        ledger.answer(got(ledger.send(pair, "question", b"ask", 50)), "body", Usage(used, 0), 0.1)
        ledger.settle(pair)
    assert [ledger.spend(round=round).tokens for round in range(4)] == [10, 20, 30, 0]
    assert [ledger.spend(before_round=round).tokens for round in range(4)] == [0, 10, 30, 60]
    assert ledger.spend().tokens == 60
    assert ledger.left(before_round=2) == Budget(8, 970)
    assert ledger.left() == Budget(7, 940)


# Arms that share a file


def test_an_arm_is_served_what_another_one_bought_and_pays_as_if_it_had_bought_it(start: Open, path: Path) -> None:
    first, budget = start(arm="first"), Budget(5, 200)
    pair = reserved(first, "a", 100)
    call = buy(first, pair)
    first.settle(pair)
    second = start(arm="second", budget=budget)
    mine = reserved(second, "a", 100)
    assert mine.id != pair.id
    served = Answer(call, "body of ask", Usage(20, 10))
    assert [second.answered(mine, "question", b"ask") for _ in range(3)] == [served] * 3
    shared = second.spend()
    # what buying it leads to, to the last number
    alone = Ledger(path.with_name("alone.db"), budget=budget)
    buy(alone, reserved(alone, "a", 100))
    assert alone.spend() == shared
    alone.close()
    assert (shared.calls, shared.tokens, shared.held_tokens) == (1, 80, 50)
    second.settle(mine)
    bought = second.bought()
    assert (bought.pairs, bought.calls, bought.tokens) == (1, 1, 30)
    sums_hold(path)


def test_a_shared_answer_has_to_fit_the_budget_of_the_arm(start: Open) -> None:
    first = start(arm="first")
    buy(first, reserved(first, "a"), worst=50)
    second = start(arm="second", budget=Budget(teacher_tokens=49))
    mine = reserved(second, "a", 0)
    assert second.answered(mine, "question", b"ask") is None
    assert second.spend().tokens == 0
    second.close()
    third = start(arm="second", budget=Budget(teacher_tokens=50))
    assert third.answered(mine, "question", b"ask") is not None
    assert (third.spend().tokens, third.left().teacher_tokens) == (30, 20)


def test_a_closed_pair_is_not_charged_for_the_answer_of_another_arm(start: Open) -> None:
    first, second = start(arm="first"), start(arm="second")
    mine = reserved(second, "a")
    second.settle(mine)
    buy(first, reserved(first, "a"))
    assert second.answered(mine, "question", b"ask") is None
    assert second.spend().tokens == 0


def test_a_pair_is_served_what_it_paid_for_before_what_another_arm_got(start: Open) -> None:
    first, second = start(arm="first"), start(arm="second")
    theirs, mine = reserved(first, "a"), reserved(second, "a")
    early = got(first.send(theirs, "question", b"ask", 50))
    late = buy(second, mine)
    first.answer(early, "early", Usage(1, 1), 0.1)
    served = second.answered(mine, "question", b"ask")
    assert served is not None
    assert served.call == late
    assert second.spend().calls == 1


def test_a_shared_answer_above_its_worst_case_stops_this_arm_too(start: Open) -> None:
    first = start(arm="first")
    pair = reserved(first, "a")
    first.answer(got(first.send(pair, "question", b"ask", 50)), "body", Usage(0, 51), 0.1)
    second = start(arm="second")
    mine = reserved(second, "a")
    assert not second.overran
    assert second.answered(mine, "question", b"ask") is not None
    assert second.overran
    assert second.send(mine, "answer", b"more", 1) is None
    assert second.reserve("b", 0, 0, 1) is None


def test_a_failed_pair_counts_when_its_answer_was_shared(start: Open) -> None:
    first, second = start(arm="first"), start(arm="second")
    buy(first, reserved(first, "a"))
    mine = reserved(second, "a")
    assert second.answered(mine, "question", b"ask")
    second.fail(mine, "unparsed")
    assert second.spend().pairs == 1


# Groups


def statements(ledger: Ledger) -> list[str]:
    seen: list[str] = []
    ledger._db.set_trace_callback(seen.append)
    return seen


def test_a_group_is_one_transaction_and_counts_whole_or_not_at_all(start: Open, path: Path) -> None:
    ledger = start()
    seen = statements(ledger)
    with ledger.group(), ledger.group():
        buy(ledger, reserved(ledger, "a"))
        assert rows(path, "SELECT * FROM pairs") == []
    assert (seen.count("BEGIN IMMEDIATE"), seen.count("COMMIT")) == (1, 1)
    assert len(rows(path, "SELECT * FROM pairs")) == 1

    def bad() -> None:
        with ledger.group():
            buy(ledger, reserved(ledger, "b"))
            raise KeyError

    with pytest.raises(KeyError):
        bad()
    assert rows(path, "SELECT seed FROM pairs") == [("a",)]
    assert ledger.spend().pairs == 1
    sums_hold(path)


def test_an_operation_that_raises_in_a_group_undoes_itself_only(start: Open, path: Path) -> None:
    ledger = start()
    with ledger.group():
        pair = reserved(ledger, "a")
        got(ledger.send(pair, "question", b"ask", 50))
        with pytest.raises(LedgerError):
            ledger.settle(pair)  # raises after it has written
        reserved(ledger, "b")
    assert rows(path, "SELECT seed, state, hold FROM pairs") == [("a", "open", 50), ("b", "open", 100)]


def test_other_threads_never_see_half_a_group(start: Open) -> None:
    ledger = start()
    entered = threading.Event()

    def undone() -> None:
        with suppress(KeyError), ledger.group():
            reserved(ledger, "a")
            entered.set()
            time.sleep(0.1)
            raise KeyError

    thread = threading.Thread(target=undone)
    thread.start()
    assert entered.wait(10)
    assert ledger.spend().pairs == 0
    thread.join()


def test_a_kill_inside_a_group_leaves_nothing_of_it(start: Open, path: Path, tmp_path: Path) -> None:
    ledger = start()
    reserved(ledger, "a")
    with ledger.group():
        reserved(ledger, "b")
        copy = crash(path, tmp_path / "copy")
    with Ledger(copy) as again:
        assert again.spend().pairs == 1


def crash(path: Path, folder: Path) -> Path:
    """What a kill at this moment leaves: the file and its log, without the memory of any process."""
    folder.mkdir(parents=True)
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(path.with_name(name), folder / name)
    return folder / path.name


def test_the_life_of_a_pair_costs_the_same_in_a_large_ledger(start: Open) -> None:
    """No statement on the way reads the whole file. Counted in steps of SQLite's machine."""
    ledger, ends = start(budget=Budget(10**6, 10**9)), list(CALL_ENDS.values())
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def live(seed: str) -> None:
        pair = reserved(ledger, seed, 500)
        for role, end in enumerate(ends):
            ledger.answered(pair, str(role), b"ask")
            end(ledger, got(ledger.send(pair, str(role), b"ask", 50)))
        list(PAIR_ENDS.values())[int(seed) % 2](ledger, pair)
        assert not ledger.overran

    def cost(seed: str) -> int:
        nonlocal steps
        steps = 0
        ledger._db.set_progress_handler(step, 1)
        live(seed)
        ledger._db.set_progress_handler(None, 1)
        return steps

    few = [cost(str(seed)) for seed in range(10)]
    with ledger.group():
        for seed in range(10, 800):
            live(str(seed))
    assert min(few) > 100
    assert cost("800") <= 1.3 * max(few)


# Group commit


def run(main: Coroutine[object, object, T]) -> T:
    """A test that waits for what never comes fails."""
    return asyncio.run(asyncio.wait_for(main, 20))


async def bought_pair(group: GroupCommit, ledger: Ledger, seed: str) -> tuple[Pair, int]:
    pair = await group.run(ledger.reserve, seed, 0, 0, 100)
    assert pair is not None
    call = await group.run(ledger.send, pair, "question", b"ask", 50)
    assert (await group.run(ledger.answer, got(call), "body", Usage(5, 5), latency_s=0.1)).total == 10
    await group.run(ledger.settle, pair)
    return pair, got(call)


def test_64_tasks_share_transactions_and_see_what_is_durable(start: Open, path: Path) -> None:
    ledger = start(budget=Budget(generated=64))

    async def task(group: GroupCommit, other: sqlite3.Connection, seed: str) -> None:
        pair, call = await bought_pair(group, ledger, seed)
        find = "SELECT pairs.state, calls.state, body FROM calls JOIN pairs ON pairs.id = pair WHERE calls.id = ?"
        assert other.execute(find, (call,)).fetchall() == [("settled", "answered", "body")]
        assert pair.state == "open"

    async def main() -> None:
        other = sqlite3.connect(path, isolation_level=None)
        try:
            async with GroupCommit(ledger) as group:
                await asyncio.gather(*(task(group, other, str(i)) for i in range(64)))
        finally:
            other.close()

    seen = statements(ledger)
    run(main())
    assert ledger.spend().pairs == 64
    assert ledger.spend().tokens == 640
    assert 4 <= seen.count("COMMIT") == seen.count("BEGIN IMMEDIATE") <= 64  # of 256 operations


def together(ledger: Ledger, *jobs: Callable[[], object]) -> tuple[list[object], list[str]]:
    """The results of jobs that were queued while the thread was busy, and the statements that this took."""
    gate, entered, seen = threading.Event(), threading.Event(), list[str]()

    def hold() -> None:
        entered.set()
        assert gate.wait(10)

    async def main() -> list[object]:
        async with GroupCommit(ledger) as group:
            first = asyncio.create_task(group.run(hold))
            assert await asyncio.to_thread(entered.wait, 10)
            tasks = [asyncio.create_task(group.run(job)) for job in jobs]
            await asyncio.sleep(0.02)  # the loop goes on while the thread is busy
            assert not any(task.done() for task in (first, *tasks))
            ledger._db.set_trace_callback(seen.append)
            gate.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    return run(main()), seen


def test_what_is_queued_behind_a_commit_becomes_one_transaction(start: Open) -> None:
    ledger = start()
    results, seen = together(ledger, *(partial(ledger.reserve, str(i), 0, 0, 1) for i in range(64)))
    assert [type(result) for result in results] == [Pair] * 64
    assert seen.count("COMMIT") == 2  # of the job that kept the thread busy, and of the 64
    assert ledger.spend().pairs == 64


def test_nobody_gets_a_result_before_the_commit(start: Open, path: Path) -> None:
    """With the commit held back, the operation has run and its caller still waits."""
    ledger = start()
    gate, ran = threading.Event(), threading.Event()

    def trace(statement: str) -> None:
        if statement == "COMMIT":
            ran.set()
            assert gate.wait(10)

    ledger._db.set_trace_callback(trace)

    async def main() -> None:
        async with GroupCommit(ledger) as group:
            task = asyncio.create_task(group.run(ledger.reserve, "a", 0, 0, 1))
            assert await asyncio.to_thread(ran.wait, 10)
            await asyncio.sleep(0.05)
            assert not task.done()
            assert rows(path, "SELECT * FROM pairs") == []
            gate.set()
            assert await task
            assert len(rows(path, "SELECT * FROM pairs")) == 1

    run(main())


def test_an_operation_that_raises_does_not_undo_the_others(start: Open, path: Path) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    call = got(ledger.send(pair, "question", b"ask", 50))
    results, seen = together(
        ledger,
        partial(ledger.reserve, "b", 0, 0, 1),
        partial(ledger.settle, pair),  # raises after it has written: a call is in flight
        partial(ledger.doubt, call + 1, "no such call"),
        partial(ledger.reserve, "c", 0, 0, 1),
    )
    assert [type(result) for result in results] == [Pair, LedgerError, LedgerError, Pair]
    assert rows(path, "SELECT seed, state, hold FROM pairs") == [("a", "open", 50), ("b", "open", 1), ("c", "open", 1)]
    assert seen.count("COMMIT") == 2
    sums_hold(path)


def test_several_operations_can_be_run_as_one(start: Open, path: Path) -> None:
    ledger = start()

    def half() -> None:
        reserved(ledger, "b")
        ledger.doubt(99, "no such call")

    results, _ = together(ledger, partial(ledger.reserve, "a", 0, 0, 1), half)
    assert [type(result) for result in results] == [Pair, LedgerError]
    assert rows(path, "SELECT seed FROM pairs") == [("a",)]


def test_cancelled_callers_break_nothing_and_what_they_queued_is_kept(start: Open) -> None:
    ledger = start()

    async def main() -> None:
        async with GroupCommit(ledger) as group:
            tasks = [asyncio.create_task(group.run(ledger.reserve, str(i), 0, 0, 1)) for i in range(64)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError, Pair] * 32
            assert await group.run(ledger.reserve, "after", 0, 0, 1)

    run(main())
    assert ledger.spend().pairs == 65


def test_leaving_finishes_what_is_queued_even_when_cancelled(start: Open) -> None:
    ledger = start()

    async def main() -> None:
        group = GroupCommit(ledger)
        with pytest.raises(LedgerError, match="not open"):
            await group.run(ledger.spend)
        inside = asyncio.Event()

        async def run() -> None:
            async with group:
                for i in range(100):
                    asyncio.create_task(group.run(ledger.reserve, str(i), 0, 0, 1)).add_done_callback(
                        lambda task: task.cancelled() or task.exception()
                    )
                await asyncio.sleep(0)
                inside.set()

        task = asyncio.create_task(run())
        await inside.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert ledger.spend().pairs == 100
        with pytest.raises(LedgerError, match="not open"):
            await group.run(ledger.spend)

    run(main())
    assert not [thread for thread in threading.enumerate() if thread.name == "ledger"]


def test_the_loop_goes_on_while_the_last_commit_is_awaited(start: Open) -> None:
    ledger = start()
    gate = threading.Event()

    async def main() -> bool:
        async with GroupCommit(ledger) as group:
            last = asyncio.create_task(group.run(gate.wait, 2))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.05, gate.set)
        return await last

    assert run(main())


def test_a_full_disk_fails_what_does_not_fit_and_keeps_the_rest(start: Open, path: Path) -> None:
    """SQLite then rolls back the transaction of the whole group, whatever its savepoints."""
    ledger = start()
    one, two = (got(ledger.send(reserved(ledger, seed), "question", b"ask", 50)) for seed in "ab")
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages + 4}")
    (before, failed, kept), _ = together(
        ledger,
        partial(ledger.reserve, "c", 0, 0, 1),
        partial(ledger.answer, one, "x" * 200_000, Usage(1, 1), 0.1),
        partial(ledger.answer, two, "body", Usage(1, 1), 0.1),
    )
    assert isinstance(before, Pair)
    assert str(failed) == "database or disk is full"
    assert kept == Usage(1, 1)
    assert rows(path, "SELECT state, length(body) FROM calls ORDER BY id") == [("sent", None), ("answered", 4)]
    assert rows(path, "SELECT seed FROM pairs") == [("a",), ("b",), ("c",)]
    sums_hold(path)


def test_a_group_that_lost_its_transaction_commits_nothing(start: Open, path: Path) -> None:
    ledger = start()
    call = got(ledger.send(reserved(ledger, "a"), "question", b"ask", 50))
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages + 4}")

    def group() -> None:
        with ledger.group():
            with pytest.raises(sqlite3.OperationalError, match="full"):
                ledger.answer(call, "x" * 200_000, None, 0.1)
            ledger.reserve("b", 0, 0, 1)  # alone, it would be a transaction of its own

    with pytest.raises(LedgerError, match="was rolled back"):
        group()
    assert rows(path, "SELECT seed FROM pairs") == [("a",)]
    assert reserved(ledger, "c")


# Kills

KILLS = 30
KILL_BUDGET = Budget(generated=400, teacher_tokens=7000)


def stream(path: Path, run: int, tell: int) -> None:
    """Random operations until killed; says on the pipe, after each answer, what the ledger acknowledged."""
    draw = random.Random(run)
    ledger = Ledger(path, budget=KILL_BUDGET)
    os.write(tell, b"open\n")
    for step in range(10**6):
        seed = f"{run}-{step}"
        pair = ledger.reserve(seed, 0, run, draw.randrange(100))
        if pair is None:
            os.write(tell, b"full\n")
            continue
        call = ledger.send(pair, "question", seed.encode(), draw.randrange(60))
        end = draw.randrange(4)
        if call is not None and end == 0:
            ledger.refuse(call, "429")
        elif call is not None and end == 1:
            ledger.doubt(call, "timeout")
        elif call is not None:
            with ledger.group():
                ledger.answer(call, seed, None if end == 2 else Usage(0, 0), 0.1)
                ledger.settle(pair)
            os.write(tell, f"{seed}\n".encode())
            continue
        ledger.fail(pair, "no answer")
        os.write(tell, b"failed\n")


def killed(path: Path, run: int, after: int, wait: float) -> list[str]:
    """Kills a child `wait` seconds after it has acknowledged `after` operations: anywhere in those that follow."""
    listen, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(listen)
            stream(path, run, tell)
        finally:
            os._exit(1)
    os.close(tell)
    with os.fdopen(listen, "rb") as pipe:
        said = [pipe.readline() for _ in range(after)]
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        said += pipe.readlines()
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    return [line.decode().strip() for line in said if line.endswith(b"\n")]


def test_sigkill_at_random_points_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """The first kills fall into the creation of the file."""
    draw, acknowledged = random.Random(0), set()
    for run in range(KILLS):
        wait = run / 1000 if run < 10 else draw.random() / 200
        said = killed(path, run, after=0 if run < 10 else draw.randrange(40), wait=wait)
        acknowledged |= {line for line in said if "-" in line}
        if not path.exists():
            continue
        with Ledger(path, budget=KILL_BUDGET) as ledger:  # refuses a file that commits more than its budget
            spend = ledger.spend()
            assert spend.pairs <= 400
            assert spend.tokens <= 7000
            sums_hold(path)
            assert rows(path, "SELECT count(*) FROM calls WHERE state = 'sent'") == [(0,)]
            assert rows(path, "PRAGMA integrity_check") == [("ok",)]
            # a group is whole: no pair is settled without its answer, none is open with one
            torn = "SELECT * FROM costs JOIN pairs ON id = pair WHERE (pairs.state = 'settled') <> (costs.state = "
            torn += "'answered')"
            assert rows(path, torn) == []
            for seed in acknowledged:
                pair = ledger.reserve(seed, 0, 0, 0)
                assert pair is not None
                served = ledger.answered(pair, "question", seed.encode())
                assert served is not None
                assert served.body == seed
    assert len(acknowledged) > 50


# Any sequence, against a model


@dataclass
class PairModel:
    arm: str
    seed: str
    round: int
    hold: int
    state: str = "open"
    counted: int = 1
    charges: dict[int, int] = field(default_factory=dict)


@dataclass
class CallModel:
    key: tuple[str, bytes, str]
    tried: int
    worst: int
    pair: int
    state: str = "sent"
    usage: Usage | None = None
    body: str = ""


SEEDS = st.sampled_from("vwxyz")
ROLES = st.sampled_from(["question", "answer"])
REQUESTS = st.sampled_from([b"1", b"2"])
TOKENS = st.integers(0, 30)
ENDS = st.sampled_from(["refused", "in_doubt", "unsaid"] + ["answered"] * 9 + ["over"])
ARMS = st.sampled_from(["one", "two"])


class AnySequence(RuleBasedStateMachine):
    """Two arms in one file, one of them at work; each has a budget of its own."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")  # where there is one, syncing costs no time
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.path = self.folder / "ledger.db"
        self.pairs: dict[int, PairModel] = {}
        self.calls: dict[int, CallModel] = {}
        self.budgets = {"one": Budget(), "two": Budget()}
        self.over: set[str] = set()
        self.crashes = self.age = 0
        self.arm = "one"

    @initialize(data=st.data(), one=st.integers(1, 150), two=st.integers(1, 150), pairs=st.integers(2, 6))
    def begin(self, data: st.DataObject, one: int, two: int, pairs: int) -> None:
        self.budgets = {"one": Budget(pairs, one), "two": Budget(None, two)}
        self.ledger = Ledger(self.path, arm=self.arm, budget=self.budgets[self.arm])
        for arm in ("two", "one"):
            self.crash(arm, kill=False, more=0)
            for seed in "vw":
                self.reserve(seed, 0, min(one, two) // 5)
            for id in self.open() if arm == "two" else ():
                if call := self.sent(id, "question", b"1", 5):
                    self.finish(call, data, "answered")

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
        shutil.rmtree(self.folder)

    def mine(self, arm: str) -> dict[int, PairModel]:
        return {id: pair for id, pair in self.pairs.items() if pair.arm == arm}

    def tokens(self, arm: str) -> int:
        return sum(pair.hold + sum(pair.charges.values()) for pair in self.mine(arm).values())

    def fits(self, more: int) -> bool:
        limit = self.budgets[self.arm].teacher_tokens
        return self.arm not in self.over and (limit is None or self.tokens(self.arm) + max(0, more) <= limit)

    def open(self) -> list[int]:
        return [id for id, pair in self.mine(self.arm).items() if pair.state == "open"]

    def flying(self) -> list[int]:
        return [id for id, call in self.calls.items() if call.state == "sent" and self.pairs[call.pair].arm == self.arm]

    def for_sale(self) -> list[tuple[int, int]]:
        """Open pairs of this arm, with the answers that another arm has had to the same key."""
        answered = [id for id, call in self.calls.items() if call.state == "answered"]
        both = [(pair, id) for pair in self.open() for id in answered if self.calls[id].key[2] == self.pairs[pair].seed]
        return [(pair, id) for pair, id in both if id not in self.pairs[pair].charges]

    def handle(self, id: int) -> Pair:
        return Pair(id, "open", None)  # stale on purpose: the ledger goes by its file

    @rule(seed=SEEDS, round=st.integers(0, 1), tokens=TOKENS)
    def reserve(self, seed: str, round: int, tokens: int) -> None:
        known = [id for id, pair in self.mine(self.arm).items() if pair.seed == seed]
        limit = self.budgets[self.arm].generated
        room = limit is None or sum(pair.counted for pair in self.mine(self.arm).values()) + 1 <= limit
        self.age += 1
        pair = self.ledger.reserve(seed, 0, round, tokens)
        if known:
            assert pair is not None
            assert (pair.id, pair.state) == (known[0], self.pairs[known[0]].state)
        elif room and self.fits(tokens):
            assert pair is not None
            assert pair.id not in self.pairs
            self.pairs[pair.id] = PairModel(self.arm, seed, round, tokens)
        else:
            assert pair is None

    @precondition(lambda self: self.open())
    @rule(data=st.data(), role=ROLES, request=REQUESTS, worst=TOKENS, end=st.one_of(st.none(), ENDS))
    def send(self, data: st.DataObject, role: str, request: bytes, worst: int, end: str | None) -> None:
        call = self.sent(data.draw(st.sampled_from(self.open())), role, request, worst)
        if call is not None and end:
            self.finish(call, data, end)

    def sent(self, id: int, role: str, request: bytes, worst: int) -> int | None:
        pair = self.pairs[id]
        self.age += 1
        fits = self.fits(worst - pair.hold)
        call = self.ledger.send(self.handle(id), role, request, worst)
        assert (call is not None) == fits
        if call is not None:
            key = (role, request, pair.seed)
            tries = [other.tried for other in self.calls.values() if other.key == key]
            self.calls[call] = CallModel(key, len(tries) + 1, worst, id)
            pair.hold = max(0, pair.hold - worst)
            pair.charges[call] = worst
        return call

    @precondition(lambda self: self.flying())
    @rule(data=st.data(), end=ENDS)
    def end(self, data: st.DataObject, end: str) -> None:
        self.age += 1
        self.finish(data.draw(st.sampled_from(self.flying())), data, end)

    def finish(self, id: int, data: st.DataObject, end: str) -> None:
        call = self.calls[id]
        if end == "refused":
            self.ledger.refuse(id, "429")
            self.pairs[call.pair].charges[id] = 0
            self.pairs[call.pair].hold += call.worst
        elif end == "in_doubt":
            self.ledger.doubt(id, "timeout")
        else:
            call.body = data.draw(st.text())
            written = data.draw(st.integers(0, call.worst)) if end == "answered" else call.worst + (end == "over")
            call.usage = (
                Usage(call.worst, 0, estimated=True) if end == "unsaid" else Usage(written - written // 2, written // 2)
            )
            reported = None if end == "unsaid" else call.usage
            assert self.ledger.answer(id, call.body, reported, 0.1) == call.usage
            self.pairs[call.pair].charges[id] = call.usage.total
            if call.usage.total > call.worst:
                self.over.add(self.arm)
        call.state = end if end in ("refused", "in_doubt") else "answered"

    @precondition(lambda self: len(self.open()) > 1)  # else most sequences end with nothing left to do
    @rule(data=st.data(), settle=st.booleans())
    def close(self, data: st.DataObject, settle: bool) -> None:
        id = data.draw(st.sampled_from(self.open()))
        pair = self.pairs[id]
        flying = [call for call in pair.charges if self.calls[call].state == "sent"]
        if settle and flying:
            with pytest.raises(LedgerError):
                self.ledger.settle(self.handle(id))
            return
        if settle:
            self.ledger.settle(self.handle(id))
        else:
            self.ledger.fail(self.handle(id), "unparsed")
            pair.counted = int(any(self.calls[call].state != "refused" for call in pair.charges))
        pair.state, pair.hold = "settled" if settle else "failed", 0
        for call in flying:
            self.calls[call].state = "in_doubt"

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), bug=st.sampled_from([*PAIR_ENDS.values()]))
    def use_a_pair_wrongly(self, data: st.DataObject, bug: Callable[[Ledger, Pair], object]) -> None:
        """One that is closed, or that belongs to the other arm."""
        id = data.draw(st.sampled_from([*self.pairs]))
        if id not in self.open():
            with pytest.raises(LedgerError):
                bug(self.ledger, self.handle(id))
            with pytest.raises(LedgerError):
                self.ledger.send(self.handle(id), "question", b"1", 0)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), bug=st.sampled_from([*CALL_ENDS.values()]))
    def use_a_call_wrongly(self, data: st.DataObject, bug: Callable[[Ledger, int], object]) -> None:
        id = data.draw(st.sampled_from([*self.calls]))
        if id not in self.flying():
            with pytest.raises(LedgerError):
                bug(self.ledger, id)

    @precondition(lambda self: self.for_sale())
    @rule(data=st.data())
    def share(self, data: st.DataObject) -> None:
        pair, call = data.draw(st.sampled_from(self.for_sale()))
        self.serve(pair, *self.calls[call].key[:2])

    @precondition(lambda self: self.mine(self.arm))
    @rule(data=st.data(), role=ROLES, request=REQUESTS)
    def answered(self, data: st.DataObject, role: str, request: bytes) -> None:
        self.serve(data.draw(st.sampled_from([*self.mine(self.arm)])), role, request)

    @precondition(lambda self: any(call.state == "answered" for call in self.calls.values()))
    @rule(data=st.data())
    def serve_again(self, data: st.DataObject) -> None:
        """An answered call is always there for the pair that paid for it, open or closed."""
        answered = [call for call in self.calls.values() if call.state == "answered"]
        call = data.draw(st.sampled_from(answered))
        if self.pairs[call.pair].arm == self.arm:
            assert self.ledger.answered(self.handle(call.pair), *call.key[:2]) is not None
            self.serve(call.pair, *call.key[:2])

    def serve(self, id: int, role: str, request: bytes) -> None:
        pair, key = self.pairs[id], (role, request, self.pairs[id].seed)
        all_ = sorted((c.tried, n) for n, c in self.calls.items() if c.key == key and c.state == "answered")
        paid = [n for _, n in all_ if n in pair.charges]
        served = self.ledger.answered(self.handle(id), role, request)
        if paid:
            call = paid[0]
        elif all_ and pair.state == "open" and self.fits(self.calls[all_[0][1]].worst - pair.hold):
            call = all_[0][1]
            usage, worst = self.calls[call].usage, self.calls[call].worst
            assert usage is not None
            pair.hold = max(0, pair.hold - worst)
            pair.charges[call] = usage.total
            if usage.total > worst:
                self.over.add(self.arm)
        else:
            assert served is None
            return
        assert served is not None
        assert (served.call, served.body, served.usage) == (call, self.calls[call].body, self.calls[call].usage)

    @precondition(lambda self: self.age > 5)  # else most of the time nothing is in flight
    @rule(arm=ARMS, kill=st.booleans(), more=st.integers(0, 30))
    def crash(self, arm: str, kill: bool, more: int) -> None:
        """Another process goes on, for the same arm or another, with as much budget or more."""
        if kill:
            self.crashes += 1
            self.path = crash(self.path, self.folder / str(self.crashes))
        self.age = 0
        self.ledger.close()
        old = self.budgets[arm]
        self.budgets[arm] = Budget(old.generated, got(old.teacher_tokens) + more)
        self.arm = arm
        self.ledger = Ledger(self.path, arm=arm, budget=self.budgets[arm])
        for call in self.calls.values():
            if call.state == "sent" and self.pairs[call.pair].arm == arm:
                call.state = "in_doubt"

    @precondition(lambda self: self.age == 5)
    @rule()
    def lower(self) -> None:
        """A budget below what is committed is refused, and the refusal changes nothing."""
        self.age += 1
        if (tokens := self.tokens(self.arm)) and self.arm not in self.over:
            with pytest.raises(LedgerError, match="teacher_tokens"):
                Ledger(self.path, arm=self.arm, budget=Budget(None, tokens - 1))

    @invariant()
    def the_budget_holds(self) -> None:
        for arm, tokens in rows(self.path, "SELECT arm, tokens FROM arms"):
            assert isinstance(arm, str)
            assert tokens == self.tokens(arm)
            limit = self.budgets[arm].teacher_tokens
            assert arm in self.over or limit is None or self.tokens(arm) <= limit

    @invariant()
    def spend_is_the_models(self) -> None:
        for round in (None, 0, 1):
            pairs = [pair for pair in self.mine(self.arm).values() if round in (None, pair.round)]
            charged = [(self.calls[call], tokens) for pair in pairs for call, tokens in pair.charges.items()]
            usages = [call.usage for call, _ in charged if call.usage is not None]
            spend = self.ledger.spend(round=round)
            assert spend.pairs == sum(pair.counted for pair in pairs)
            assert spend.calls == len(usages)
            assert spend.input_tokens == sum(usage.input_tokens for usage in usages)
            assert spend.output_tokens == sum(usage.output_tokens for usage in usages)
            assert spend.estimated_calls == sum(usage.estimated for usage in usages)
            assert spend.in_doubt_calls == sum(call.state == "in_doubt" for call, _ in charged)
            assert spend.in_doubt_tokens == sum(tokens for call, tokens in charged if call.state == "in_doubt")
            assert spend.tokens == sum(pair.hold for pair in pairs) + sum(tokens for _, tokens in charged)
        assert self.ledger.overran == (self.arm in self.over)

    @invariant()
    def calls_are_the_models(self) -> None:
        query = "SELECT id, seed, try, state, body FROM calls ORDER BY id"
        model = [
            (id, call.key[2], call.tried, call.state, call.body if call.state == "answered" else None)
            for id, call in sorted(self.calls.items())
        ]
        assert rows(self.path, query) == model
        assert len({(call.key, call.tried) for call in self.calls.values()}) == len(self.calls)
        bought = self.ledger.bought()
        sent = [call for call in self.calls.values() if call.state != "refused"]
        assert bought.pairs == len({call.pair for call in sent})
        assert bought.tokens == sum(call.usage.total if call.usage else call.worst for call in sent)


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
