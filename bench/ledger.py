"""Rows a second through the ledger: 20,000 rows of 1.3 KB in groups of 64, each durable.

The ledger runs with WAL and synchronous=FULL. A row is a call's whole life: reserve,
send, answer, settle, in four transactions of 64 rows each, as with 64 calls in flight.
`send_answer` leaves out the first and the last, as for further calls of a pair.

The peer is an upper bound: a bare INSERT of the same requests' hashes and answers, one
transaction for 64 rows, without budget, states or sums. The target is for ours alone:
5,000 rows a second. `ratio` is our share of it.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bench.outcome import Outcome
from bench.process import peak_mib, run_fresh, spread
from bench.purchases import BUDGET, PRICE, Purchase, query_file, temporary_folder
from teachback.ledger.costs import Usage
from teachback.ledger.ledger import Ledger
from teachback.ledger.pairs import Pair

TARGET = 1.0
ROWS_PER_SECOND = 5000
REPEATS = 3
GROUP = 64
ANSWER_BYTES = 1300
USAGE = Usage(120, 180)
WORST_CASE = PRICE.worst(1000, 512)

T = TypeVar("T")


class Row(NamedTuple):
    seed: str
    request: bytes
    answer: str


Group = list[Row]


def bench(quick: bool) -> Outcome:
    rows, repeats = (1024, 1) if quick else (20_000, REPEATS)
    runs: dict[str, list[Purchase]] = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for name, contender in CONTENDERS.items():
            runs[name].append(run_fresh(contender, rows))

    speed, cpu = {}, {}
    for name, some in runs.items():
        speed[name] = spread([rows / run.wall_s for run in some], 0)
        cpu[name] = spread([1e6 * run.cpu_s / rows for run in some], 1)
    facts: dict[str, Any] = {
        "work": {
            "rows": rows,
            "group": GROUP,
            "answer_bytes": ANSWER_BYTES,
            "synchronous": "FULL",
            "repeats": repeats,
        },
        "rows_a_second": speed,
        "cpu_us_a_row": cpu,
    }
    texts = [run.texts for some in runs.values() for run in some]
    same = len(texts[0]) == rows and all(other == texts[0] for other in texts)
    ratio = speed["whole_row"]["median"] / ROWS_PER_SECOND
    rss_mib = max(run.rss_mib for run in runs["whole_row"])
    return Outcome(ratio, TARGET, same, rss_mib, facts)


def make_groups(count: int) -> list[Group]:
    """Short requests: the ledger keeps only their hashes."""
    rows = [make_row(i) for i in range(count)]
    return [rows[start : start + GROUP] for start in range(0, count, GROUP)]


def make_row(i: int) -> Row:
    return Row(f"s{i}", b"request %d" % i, f"answer {i} ".ljust(ANSWER_BYTES, "x"))


def whole_row(count: int) -> Purchase:
    def buy(ledger: Ledger, group: Group) -> None:
        pairs = reserve(ledger, group)
        send_and_answer(ledger, group, pairs)
        settle(ledger, pairs)

    return run_ledger(count, buy)


def send_answer(count: int) -> Purchase:
    """The pairs exist before the clock starts, and stay open."""
    pairs: dict[str, list[Pair]] = {}

    def reserve_all(ledger: Ledger, groups: Sequence[Group]) -> None:
        for group in groups:
            pairs[group[0].seed] = reserve(ledger, group)

    def buy(ledger: Ledger, group: Group) -> None:
        send_and_answer(ledger, group, pairs[group[0].seed])

    return run_ledger(count, buy, reserve_all)


def run_ledger(
    count: int,
    buy: Callable[[Ledger, Group], None],
    prepare: Callable[[Ledger, Sequence[Group]], None] = lambda ledger, groups: None,
) -> Purchase:
    groups = make_groups(count)
    with temporary_folder() as folder:
        path = Path(folder) / "ledger.sqlite"
        with Ledger(path, budget=BUDGET) as ledger:
            prepare(ledger, groups)
            started, cpu = time.monotonic(), time.process_time()
            for group in groups:
                buy(ledger, group)
            cpu, ended, rss = time.process_time() - cpu, time.monotonic(), peak_mib()
            check_sums(ledger, count)
        query = "SELECT request, body FROM calls WHERE state = 'answered'"
        texts = sorted(query_file(path, query))
        return Purchase(texts, cpu, started, ended, rss)


def check_sums(ledger: Ledger, count: int) -> None:
    spend = ledger.spend()
    if (spend.calls, spend.input_tokens) != (count, count * USAGE.input_tokens):
        raise AssertionError("the ledger's sums are not those of the work")


def reserve(ledger: Ledger, group: Group) -> list[Pair]:
    with ledger.group():
        return [paid(ledger.reserve(row.seed, 0, 0, WORST_CASE)) for row in group]


def send_and_answer(ledger: Ledger, group: Group, pairs: list[Pair]) -> None:
    calls = []
    with ledger.group():
        for pair, row in zip(pairs, group, strict=True):
            calls.append(
                paid(ledger.charge_call(pair, "pair", row.request, WORST_CASE))
            )
    with ledger.group():
        for call, row in zip(calls, group, strict=True):
            ledger.answer(call, row.answer, USAGE, 0.05, PRICE)


def settle(ledger: Ledger, pairs: list[Pair]) -> None:
    with ledger.group():
        for pair in pairs:
            ledger.settle(pair)


def bare_insert(count: int) -> Purchase:
    groups = make_groups(count)
    with temporary_folder() as folder:
        path = Path(folder) / "bare.sqlite"
        connection = sqlite3.connect(path, isolation_level=None)
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("CREATE TABLE calls (request, body)")

        started, cpu = time.monotonic(), time.process_time()
        for group in groups:
            connection.execute("BEGIN IMMEDIATE")
            for row in group:
                values = sha256(row.request).hexdigest(), row.answer
                connection.execute("INSERT INTO calls VALUES (?, ?)", values)
            connection.execute("COMMIT")
        cpu, ended, rss = time.process_time() - cpu, time.monotonic(), peak_mib()

        connection.close()
        texts = sorted(query_file(path, "SELECT request, body FROM calls"))
        return Purchase(texts, cpu, started, ended, rss)


def paid(value: T | None) -> T:
    assert value is not None, "the budget was reached"
    return value


CONTENDERS: dict[str, Callable[[int], Purchase]] = {
    "whole_row": whole_row,
    "send_answer": send_answer,
    "bare_insert": bare_insert,
}
