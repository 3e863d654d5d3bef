"""Group commit: many tasks, one durable transaction."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

import pytest

from ledgers import PRICE, Open, T, cost, got, reserved, rows, statements, sums_hold
from teachback.errors import DiskError, LedgerError
from teachback.ledger.costs import Budget, Usage
from teachback.ledger.group_commit import GroupCommit
from teachback.ledger.ledger import Ledger
from teachback.ledger.pairs import Pair

# Group commit


def run(main: Coroutine[object, object, T]) -> T:
    """A test that waits for what never comes fails."""
    return asyncio.run(asyncio.wait_for(main, 20))


async def bought_pair(
    group: GroupCommit, ledger: Ledger, seed: str
) -> tuple[Pair, int]:
    pair = await group.run(ledger.reserve, seed, 0, 0, cost(100))
    assert pair is not None
    call = await group.run(ledger.charge_call, pair, "question", b"ask", cost(50))
    assert (
        await group.run(ledger.answer, got(call), "body", Usage(5, 5), 0.1, PRICE)
    ).total == 10
    await group.run(ledger.settle, pair)
    return pair, got(call)


def test_64_tasks_share_transactions_and_see_what_is_durable(
    start: Open, path: Path
) -> None:
    ledger = start(budget=Budget(generated=64))

    async def task(group: GroupCommit, other: sqlite3.Connection, seed: str) -> None:
        pair, call = await bought_pair(group, ledger, seed)
        columns = "pairs.state, calls.state, body"
        joined = "calls JOIN pairs ON pairs.id = pair"
        find = f"SELECT {columns} FROM {joined} WHERE calls.id = ?"
        assert other.execute(find, (call,)).fetchall() == [
            ("settled", "answered", "body")
        ]
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
    assert (
        4 <= seen.count("COMMIT") == seen.count("BEGIN IMMEDIATE") <= 64
    )  # of 256 operations


def together(
    ledger: Ledger, *jobs: Callable[[], object]
) -> tuple[list[object], list[str]]:
    """Queue jobs while the thread is busy. Returns their results and the statements."""
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
            ledger._connection.db.set_trace_callback(seen.append)
            gate.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

    return run(main()), seen


def test_what_is_queued_behind_a_commit_becomes_one_transaction(start: Open) -> None:
    ledger = start()
    results, seen = together(
        ledger, *(partial(ledger.reserve, str(i), 0, 0, cost(1)) for i in range(64))
    )
    assert [type(result) for result in results] == [Pair] * 64
    assert (
        seen.count("COMMIT") == 2
    )  # of the job that kept the thread busy, and of the 64
    assert ledger.spend().pairs == 64


def test_nobody_gets_a_result_before_the_commit(start: Open, path: Path) -> None:
    """With the commit held back, the operation has run and its caller still waits."""
    ledger = start()
    gate, ran = threading.Event(), threading.Event()

    def trace(statement: str) -> None:
        if statement == "COMMIT":
            ran.set()
            assert gate.wait(10)

    ledger._connection.db.set_trace_callback(trace)

    async def main() -> None:
        async with GroupCommit(ledger) as group:
            task = asyncio.create_task(group.run(ledger.reserve, "a", 0, 0, cost(1)))
            assert await asyncio.to_thread(ran.wait, 10)
            await asyncio.sleep(0.05)
            assert not task.done()
            assert rows(path, "SELECT * FROM pairs") == []
            gate.set()
            assert await task
            assert len(rows(path, "SELECT * FROM pairs")) == 1

    run(main())


def test_an_operation_that_raises_does_not_undo_the_others(
    start: Open, path: Path
) -> None:
    ledger = start()
    pair = reserved(ledger, "a")
    call = got(ledger.charge_call(pair, "question", b"ask", cost(50)))
    results, seen = together(
        ledger,
        partial(ledger.reserve, "b", 0, 0, cost(1)),
        partial(
            ledger.settle, pair
        ),  # raises after it has written: a call is in flight
        partial(ledger.doubt, call + 1, "no such call"),
        partial(ledger.reserve, "c", 0, 0, cost(1)),
    )
    assert [type(result) for result in results] == [
        Pair,
        LedgerError,
        LedgerError,
        Pair,
    ]
    assert rows(path, "SELECT seed, state, hold_tokens FROM pairs") == [
        ("a", "open", 50),
        ("b", "open", 1),
        ("c", "open", 1),
    ]
    assert seen.count("COMMIT") == 2
    sums_hold(path)


def test_several_operations_can_be_run_as_one(start: Open, path: Path) -> None:
    ledger = start()

    def half() -> None:
        with ledger.group():  # a savepoint: without it the pair would stay
            reserved(ledger, "b")
            ledger.doubt(99, "no such call")

    results, _ = together(ledger, partial(ledger.reserve, "a", 0, 0, cost(1)), half)
    assert [type(result) for result in results] == [Pair, LedgerError]
    assert rows(path, "SELECT seed FROM pairs") == [("a",)]


def test_cancelled_callers_break_nothing_and_what_they_queued_is_kept(
    start: Open,
) -> None:
    ledger = start()

    async def main() -> None:
        async with GroupCommit(ledger) as group:
            tasks = [
                asyncio.create_task(group.run(ledger.reserve, str(i), 0, 0, cost(1)))
                for i in range(64)
            ]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result) for result in results] == [
                asyncio.CancelledError,
                Pair,
            ] * 32
            assert await group.run(ledger.reserve, "after", 0, 0, cost(1))

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
                    asyncio.create_task(
                        group.run(ledger.reserve, str(i), 0, 0, cost(1))
                    ).add_done_callback(
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


def test_a_full_disk_fails_what_does_not_fit_and_keeps_the_rest(
    start: Open, path: Path
) -> None:
    """SQLite then rolls back the transaction of the whole group, whatever its savepoints."""
    ledger = start()
    one, two = (
        got(ledger.charge_call(reserved(ledger, seed), "question", b"ask", cost(50)))
        for seed in "ab"
    )
    (pages,) = ledger._connection.db.execute("PRAGMA page_count").fetchone()
    ledger._connection.db.execute(f"PRAGMA max_page_count = {pages + 4}")
    (before, failed, kept), _ = together(
        ledger,
        partial(ledger.reserve, "c", 0, 0, cost(1)),
        partial(ledger.answer, one, "x" * 200_000, Usage(1, 1), 0.1, PRICE),
        partial(ledger.answer, two, "body", Usage(1, 1), 0.1, PRICE),
    )
    assert isinstance(before, Pair)
    assert isinstance(failed, DiskError)
    assert "got: database or disk is full" in str(failed)
    assert kept == Usage(1, 1)
    assert rows(path, "SELECT state, length(body) FROM calls ORDER BY id") == [
        ("sent", None),
        ("answered", 4),
    ]
    assert rows(path, "SELECT seed FROM pairs") == [("a",), ("b",), ("c",)]
    sums_hold(path)


def test_a_group_that_lost_its_transaction_commits_nothing(
    start: Open, path: Path
) -> None:
    ledger = start()
    call = got(ledger.charge_call(reserved(ledger, "a"), "question", b"ask", cost(50)))
    (pages,) = ledger._connection.db.execute("PRAGMA page_count").fetchone()
    ledger._connection.db.execute(f"PRAGMA max_page_count = {pages + 4}")

    def group() -> None:
        with ledger.group():
            with pytest.raises(sqlite3.OperationalError, match="full"):
                ledger.answer(call, "x" * 200_000, None, 0.1, PRICE)
            ledger.reserve(
                "b", 0, 0, cost(1)
            )  # alone, it would be a transaction of its own

    with pytest.raises(LedgerError, match="see the error before this one"):
        group()
    assert rows(path, "SELECT seed FROM pairs") == [("a",)]
    assert reserved(ledger, "c")
