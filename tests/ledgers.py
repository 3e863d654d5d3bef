"""What the ledger's tests share: a price, shorthands, and the sums that must always hold."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from teachback.ledger.costs import Cost, Price, Spend, Usage
from teachback.ledger.ledger import Ledger
from teachback.ledger.pairs import Pair
from teachback.ledger.queries import open_read_only

Open = Callable[..., Ledger]
T = TypeVar("T")

PRICE = Price(7, 7, None, 3)


def cost(tokens: int) -> Cost:
    """What so many tokens cost at PRICE. Each kind has another number, so a mix-up shows."""
    return Cost(tokens, 7 * tokens, 3 * tokens)


def got(value: int | None) -> int:
    assert value is not None
    return value


def reserved(
    ledger: Ledger, seed: str, tokens: int = 100, n: int = 0, round: int = 0
) -> Pair:
    pair = ledger.reserve(seed, n, round, cost(tokens))
    assert pair is not None
    return pair


def buy(
    ledger: Ledger,
    pair: Pair,
    role: str = "question",
    request: bytes = b"ask",
    worst: int = 50,
) -> int:
    call = got(ledger.charge_call(pair, role, request, cost(worst)))
    ledger.answer(call, f"body of {request.decode()}", Usage(20, 10), 0.5, PRICE)
    return call


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What another connection sees: committed rows only."""
    other = sqlite3.connect(path)
    try:
        return other.execute(query).fetchall()
    finally:
        other.close()


def looked(path: Path, **arm: str) -> Spend:
    with open_read_only(path, **arm) as ledger:  # type: ignore[arg-type]
        return ledger.spend()


def sums_hold(path: Path) -> None:
    """What triggers keep in `arms` is what the rows add up to."""
    for kind in ("tokens", "usd", "flops"):
        kept = f"SELECT id, pairs, {kind}, excess_{kind} FROM arms ORDER BY id"
        added = f"""SELECT arms.id,
            (SELECT coalesce(sum(counted), 0) FROM pairs WHERE arm = arms.id),
            (SELECT coalesce(sum(hold_{kind}), 0) FROM pairs WHERE arm = arms.id)
                + (SELECT coalesce(sum({kind}), 0)
                    FROM charges JOIN pairs ON id = pair WHERE arm = arms.id),
            (SELECT coalesce(sum(max(0, charges.{kind} - worst_{kind})), 0)
                FROM charges JOIN calls ON calls.id = call
                JOIN pairs ON pairs.id = charges.pair WHERE arm = arms.id)
            FROM arms ORDER BY id"""
        assert rows(path, kept) == rows(path, added), kind


CALL_ENDS: dict[str, Callable[[Ledger, int], object]] = {
    "answered": lambda ledger, call: ledger.answer(
        call, "body", Usage(1, 1), 0.1, PRICE
    ),
    "refused": lambda ledger, call: ledger.refuse(call, "429"),
    "in_doubt": lambda ledger, call: ledger.doubt(call, "timeout"),
}
PAIR_ENDS: dict[str, Callable[[Ledger, Pair], object]] = {
    "settled": lambda ledger, pair: ledger.settle(pair),
    "failed": lambda ledger, pair: ledger.fail(pair, "unparsed"),
}


def statements(ledger: Ledger) -> list[str]:
    seen: list[str] = []
    ledger._connection.db.set_trace_callback(seen.append)
    return seen


def crash(path: Path, folder: Path) -> Path:
    """Copy what a kill at this moment leaves: the file and its log."""
    folder.mkdir(parents=True)
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(path.with_name(name), folder / name)
    return folder / path.name
