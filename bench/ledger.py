"""Rows a second through the ledger: 20,000 rows of 1.3 KB in groups of 64, each durable (WAL, synchronous=FULL).

A row is a call's whole life: reserve, send, answer, settle, in four transactions of 64 rows each, as it is when 64
calls are in flight; `send_answer` leaves out the first and the last, as for further calls of a pair. The peer is a
bound from above: a bare INSERT of the same requests' hashes and answers, one transaction for 64 rows, no budget, no
states, no sums. The target is ours alone: 5,000 rows a second, and `ratio` is what we reach of it.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bench.against import (
    BUDGET,
    PRICE,
    Bought,
    Outcome,
    Texts,
    fresh,
    on_disk,
    peak_mib,
    spread,
)
from teachback.ledger.costs import Usage
from teachback.ledger.ledger import Ledger, Pair

TARGET, ROWS_A_SECOND, REPEATS = 1.0, 5000, 3
GROUP, BYTES = 64, 1300
USAGE = Usage(120, 180)
WORST = PRICE.worst(1000, 512)
T = TypeVar("T")


class Row(NamedTuple):
    seed: str
    request: bytes
    answer: str


Group = list[Row]


def bench(quick: bool) -> Outcome:
    rows, repeats = (1024, 1) if quick else (20_000, REPEATS)
    found: dict[str, list[Bought]] = {name: [] for name in CONTENDERS}
    for _ in range(repeats):
        for name, contender in CONTENDERS.items():
            found[name].append(fresh(contender, rows))
    speed = {
        name: spread([rows / bought.wall_s for bought in ones], 0)
        for name, ones in found.items()
    }
    facts: dict[str, Any] = {
        "work": {
            "rows": rows,
            "group": GROUP,
            "answer_bytes": BYTES,
            "synchronous": "FULL",
            "repeats": repeats,
        },
        "rows_a_second": speed,
        "cpu_us_a_row": {
            name: spread([1e6 * b.cpu_s / rows for b in ones], 1)
            for name, ones in found.items()
        },
    }
    texts = [bought.texts for ones in found.values() for bought in ones]
    same = len(texts[0]) == rows and all(other == texts[0] for other in texts)
    rss = max(bought.rss_mib for bought in found["whole_row"])
    return Outcome(
        speed["whole_row"]["median"] / ROWS_A_SECOND, TARGET, same, rss, facts
    )


def work(rows: int) -> list[Group]:
    """Requests are told apart by their hash; their own bytes are not kept."""
    made = [
        Row(f"s{row}", b"request %d" % row, f"answer {row} ".ljust(BYTES, "x"))
        for row in range(rows)
    ]
    return [made[at : at + GROUP] for at in range(0, rows, GROUP)]


def whole_row(rows: int) -> Bought:
    return measured(
        rows,
        lambda ledger, group: settle(
            ledger, buy(ledger, group, reserve(ledger, group))
        ),
    )


def send_answer(rows: int) -> Bought:
    """The pairs are there before the clock starts, and stay open."""
    pairs: dict[str, list[Pair]] = {}

    def before(ledger: Ledger, groups: Sequence[Group]) -> None:
        pairs.update((group[0].seed, reserve(ledger, group)) for group in groups)

    return measured(
        rows, lambda ledger, group: buy(ledger, group, pairs[group[0].seed]), before
    )


def measured(
    rows: int,
    one: Callable[[Ledger, Group], object],
    before: Callable[[Ledger, Sequence[Group]], None] = lambda ledger, groups: None,
) -> Bought:
    groups = work(rows)
    with on_disk() as folder:
        path = Path(folder) / "ledger.sqlite"
        with Ledger(path, budget=BUDGET) as ledger:
            before(ledger, groups)
            started, cpu = time.monotonic(), time.process_time()
            for group in groups:
                one(ledger, group)
            cpu, ended, rss = time.process_time() - cpu, time.monotonic(), peak_mib()
            if (
                ledger.spend().calls != rows
                or ledger.spend().input_tokens != rows * USAGE.input_tokens
            ):
                raise AssertionError("the ledger's sums are not those of the work")
        return Bought(
            stored(path, "SELECT request, body FROM calls WHERE state = 'answered'"),
            cpu,
            started,
            ended,
            rss,
        )


def reserve(ledger: Ledger, group: Group) -> list[Pair]:
    with ledger.group():
        return [there(ledger.reserve(row.seed, 0, 0, WORST)) for row in group]


def buy(ledger: Ledger, group: Group, pairs: list[Pair]) -> list[Pair]:
    with ledger.group():
        calls = [
            there(ledger.send(pair, "pair", row.request, WORST))
            for pair, row in zip(pairs, group, strict=True)
        ]
    with ledger.group():
        for call, row in zip(calls, group, strict=True):
            ledger.answer(call, row.answer, USAGE, 0.05, PRICE)
    return pairs


def settle(ledger: Ledger, pairs: list[Pair]) -> None:
    with ledger.group():
        for pair in pairs:
            ledger.settle(pair)


def bare_insert(rows: int) -> Bought:
    groups = work(rows)
    with on_disk() as folder:
        db = sqlite3.connect(path := Path(folder) / "bare.sqlite", isolation_level=None)
        for setting in ("journal_mode = WAL", "synchronous = FULL"):
            db.execute(f"PRAGMA {setting}")
        db.execute("CREATE TABLE calls (request, body)")
        started, cpu = time.monotonic(), time.process_time()
        for group in groups:
            db.execute("BEGIN IMMEDIATE")
            for row in group:
                values = sha256(row.request).hexdigest(), row.answer
                db.execute("INSERT INTO calls VALUES (?, ?)", values)
            db.execute("COMMIT")
        cpu, ended, rss = time.process_time() - cpu, time.monotonic(), peak_mib()
        db.close()
        return Bought(
            stored(path, "SELECT request, body FROM calls"), cpu, started, ended, rss
        )


def stored(path: Path, query: str) -> Texts:
    """What another connection finds."""
    db = sqlite3.connect(path)
    try:
        return sorted(db.execute(query).fetchall())
    finally:
        db.close()


def there(value: T | None) -> T:
    assert value is not None, "the budget was reached"
    return value


CONTENDERS: dict[str, Callable[[int], Bought]] = {
    "whole_row": whole_row,
    "send_answer": send_answer,
    "bare_insert": bare_insert,
}
