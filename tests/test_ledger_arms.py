"""Arms that share a ledger, and groups of operations."""

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ledgers import (
    CALL_ENDS,
    PAIR_ENDS,
    PRICE,
    Open,
    buy,
    cost,
    crash,
    got,
    reserved,
    rows,
    statements,
    sums_hold,
)
from teachback.errors import LedgerError
from teachback.ledger.costs import Budget, Usage
from teachback.ledger.ledger import Ledger
from teachback.ledger.pairs import RecordedAnswer

# Arms that share a file


def test_an_arm_is_served_what_another_one_bought_and_pays_as_if_it_had_bought_it(
    start: Open, path: Path
) -> None:
    first, budget = start(arm="first"), Budget(5, 200)
    pair = reserved(first, "a", 100)
    call = buy(first, pair)
    first.settle(pair)
    second = start(arm="second", budget=budget)
    mine = reserved(second, "a", 100)
    assert mine.id != pair.id
    served = RecordedAnswer(call, "body of ask", Usage(20, 10))
    assert [second.find_answer(mine, "question", b"ask") for _ in range(3)] == [
        served
    ] * 3
    shared = second.spend()
    # what buying it leads to, to the last number
    alone = Ledger(path.with_name("alone.db"), budget=budget)
    buy(alone, reserved(alone, "a", 100))
    assert alone.spend() == shared
    alone.close()
    assert (shared.calls, shared.tokens, shared.held_tokens) == (1, 80, 50)
    second.settle(mine)
    bought = second.spend_of_all_arms()
    assert (bought.pairs, bought.calls, bought.tokens) == (1, 1, 30)
    sums_hold(path)


def test_a_shared_answer_has_to_fit_the_budget_of_the_arm(start: Open) -> None:
    first = start(arm="first")
    buy(first, reserved(first, "a"), worst=50)
    second = start(arm="second", budget=Budget(teacher_tokens=49))
    mine = reserved(second, "a", 0)
    assert second.find_answer(mine, "question", b"ask") is None
    assert second.spend().tokens == 0
    second.close()
    third = start(arm="second", budget=Budget(teacher_tokens=50))
    assert third.find_answer(mine, "question", b"ask") is not None
    assert (third.spend().tokens, third.amount_left().teacher_tokens) == (30, 20)


def test_a_closed_pair_is_not_charged_for_the_answer_of_another_arm(
    start: Open,
) -> None:
    first, second = start(arm="first"), start(arm="second")
    mine = reserved(second, "a")
    second.settle(mine)
    buy(first, reserved(first, "a"))
    assert second.find_answer(mine, "question", b"ask") is None
    assert second.spend().tokens == 0


def test_a_pair_is_served_what_it_paid_for_before_what_another_arm_got(
    start: Open,
) -> None:
    first, second = start(arm="first"), start(arm="second")
    theirs, mine = reserved(first, "a"), reserved(second, "a")
    early = got(first.charge_call(theirs, "question", b"ask", cost(50)))
    late = buy(second, mine)
    first.answer(early, "early", Usage(1, 1), 0.1, PRICE)
    served = second.find_answer(mine, "question", b"ask")
    assert served is not None
    assert served.call == late
    assert second.spend().calls == 1


def test_a_shared_answer_above_its_worst_case_stops_this_arm_too(start: Open) -> None:
    first = start(arm="first")
    pair = reserved(first, "a")
    first.answer(
        got(first.charge_call(pair, "question", b"ask", cost(50))),
        "body",
        Usage(0, 51),
        0.1,
        PRICE,
    )
    second = start(arm="second")
    mine = reserved(second, "a")
    assert not second.overran
    assert second.find_answer(mine, "question", b"ask") is not None
    assert second.overran
    assert second.charge_call(mine, "answer", b"more", cost(1)) is None
    assert second.reserve("b", 0, 0, cost(1)) is None


def test_a_failed_pair_counts_when_its_answer_was_shared(start: Open) -> None:
    first, second = start(arm="first"), start(arm="second")
    buy(first, reserved(first, "a"))
    mine = reserved(second, "a")
    assert second.find_answer(mine, "question", b"ask")
    second.fail(mine, "unparsed")
    assert second.spend().pairs == 1


# Groups


def test_a_group_is_one_transaction_and_counts_whole_or_not_at_all(
    start: Open, path: Path
) -> None:
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


def test_an_operation_that_raises_in_a_group_undoes_itself_only(
    start: Open, path: Path
) -> None:
    ledger = start()
    with ledger.group():
        pair = reserved(ledger, "a")
        got(ledger.charge_call(pair, "question", b"ask", cost(50)))
        with pytest.raises(LedgerError):
            ledger.settle(pair)  # raises after it has written
        reserved(ledger, "b")
    assert rows(path, "SELECT seed, state, hold_tokens FROM pairs") == [
        ("a", "open", 50),
        ("b", "open", 100),
    ]


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


def test_a_kill_inside_a_group_leaves_nothing_of_it(
    start: Open, path: Path, tmp_path: Path
) -> None:
    ledger = start()
    reserved(ledger, "a")
    with ledger.group():
        reserved(ledger, "b")
        copy = crash(path, tmp_path / "copy")
    with Ledger(copy) as again:
        assert again.spend().pairs == 1


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
            ledger.find_answer(pair, str(role), b"ask")
            end(ledger, got(ledger.charge_call(pair, str(role), b"ask", cost(50))))
        list(PAIR_ENDS.values())[int(seed) % 2](ledger, pair)
        assert not ledger.overran

    def life(seed: str) -> int:
        nonlocal steps
        steps = 0
        ledger._connection.db.set_progress_handler(step, 1)
        live(seed)
        ledger._connection.db.set_progress_handler(None, 1)
        return steps

    few = [life(str(seed)) for seed in range(10)]
    with ledger.group():
        for seed in range(10, 800):
            live(str(seed))
    assert min(few) > 100
    assert life("800") <= 1.3 * max(few)
