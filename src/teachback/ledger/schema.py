"""The ledger's file: its version, its tables, and the sums that triggers keep.

Units as in costs.py: tokens, usd in picodollars, flops in kiloFLOPs. NULL usd or flops: unknown.
"""

import sqlite3
from functools import cache
from pathlib import Path

from ..errors import LedgerError

LEDGER_VERSION = 3  # PRAGMA user_version (L6)

LEDGER_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)

LEDGER_SCHEMA = (
    # pairs, tokens, usd, flops: what the arm has committed.
    # excess_*: what calls used above their worst cases. Only that may pass the budget.
    """CREATE TABLE arms (
        id INTEGER PRIMARY KEY,
        arm TEXT NOT NULL,
        repeat INTEGER NOT NULL,
        pairs INTEGER NOT NULL DEFAULT 0,
        tokens INTEGER NOT NULL DEFAULT 0,
        usd INTEGER NOT NULL DEFAULT 0,
        flops INTEGER NOT NULL DEFAULT 0,
        excess_tokens INTEGER NOT NULL DEFAULT 0,
        excess_usd INTEGER NOT NULL DEFAULT 0,
        excess_flops INTEGER NOT NULL DEFAULT 0,
        UNIQUE (arm, repeat))""",
    # kind: 'pair', or what else is bought for a seed (the role of a judge).
    # hold_*: what is left of the reservation. counted: 1 if the pair counts as generated.
    """CREATE TABLE pairs (
        id INTEGER PRIMARY KEY,
        arm INTEGER NOT NULL REFERENCES arms,
        kind TEXT NOT NULL,
        seed TEXT NOT NULL,
        n INTEGER NOT NULL,
        round INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled', 'failed')),
        reason TEXT,
        hold_tokens INTEGER NOT NULL CHECK (hold_tokens >= 0),
        hold_usd INTEGER NOT NULL CHECK (hold_usd >= 0),
        hold_flops INTEGER NOT NULL CHECK (hold_flops >= 0),
        counted INTEGER NOT NULL,
        UNIQUE (arm, kind, seed, n))""",
    # What was really sent, once for all arms.
    # pair: the one that sent the call. request: sha256 of the request's body.
    # body: the answer's, and its sha256: an index repeats the other texts, and sums the numbers.
    """CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        pair INTEGER NOT NULL REFERENCES pairs,
        role TEXT NOT NULL,
        request TEXT NOT NULL,
        repeat INTEGER NOT NULL,
        seed TEXT NOT NULL,
        n INTEGER NOT NULL,
        try INTEGER NOT NULL,
        round INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'sent'
            CHECK (state IN ('sent', 'answered', 'refused', 'in_doubt')),
        worst_tokens INTEGER NOT NULL,
        worst_usd INTEGER,
        worst_flops INTEGER,
        input_tokens INTEGER,
        cached_tokens INTEGER,
        output_tokens INTEGER,
        reasoning_tokens INTEGER,
        usd INTEGER,
        flops INTEGER,
        estimated INTEGER NOT NULL DEFAULT 0,
        latency_s REAL,
        reason TEXT,
        body TEXT,
        body_sha256 TEXT,
        UNIQUE (role, request, repeat, seed, n, try))""",
    # What a pair pays for a call: one that it sent, or one whose answer another arm bought.
    """CREATE TABLE charges (
        pair INTEGER NOT NULL REFERENCES pairs,
        call INTEGER NOT NULL REFERENCES calls,
        tokens INTEGER NOT NULL CHECK (tokens >= 0),
        usd INTEGER CHECK (usd >= 0),
        flops INTEGER CHECK (flops >= 0),
        PRIMARY KEY (pair, call)) WITHOUT ROWID""",
    """CREATE VIEW costs AS
        SELECT pairs.arm, pairs.round, charges.pair, pairs.seed, pairs.n, call, role,
            calls.state, charges.tokens, charges.usd, charges.flops, worst_tokens, worst_usd,
            input_tokens, cached_tokens, output_tokens, reasoning_tokens, estimated, latency_s
        FROM charges
        JOIN calls ON calls.id = call
        JOIN pairs ON pairs.id = charges.pair""",
    """CREATE TRIGGER pair_made AFTER INSERT ON pairs BEGIN
        UPDATE arms SET
            pairs = pairs + NEW.counted,
            tokens = tokens + NEW.hold_tokens,
            usd = usd + NEW.hold_usd,
            flops = flops + NEW.hold_flops
        WHERE id = NEW.arm; END""",
    """CREATE TRIGGER pair_changed AFTER UPDATE OF hold_tokens, counted ON pairs BEGIN
        UPDATE arms SET
            pairs = pairs + NEW.counted - OLD.counted,
            tokens = tokens + NEW.hold_tokens - OLD.hold_tokens,
            usd = usd + NEW.hold_usd - OLD.hold_usd,
            flops = flops + NEW.hold_flops - OLD.hold_flops
        WHERE id = NEW.arm; END""",
    # A charge starts as the call's worst case. It comes out of the pair's hold as far as
    # that reaches.
    """CREATE TRIGGER charge_made AFTER INSERT ON charges BEGIN
        UPDATE arms SET
            tokens = tokens + NEW.tokens,
            usd = usd + coalesce(NEW.usd, 0),
            flops = flops + coalesce(NEW.flops, 0)
        WHERE id = (SELECT arm FROM pairs WHERE id = NEW.pair);
        UPDATE pairs SET
            hold_tokens = max(0, hold_tokens - NEW.tokens),
            hold_usd = max(0, hold_usd - coalesce(NEW.usd, 0)),
            hold_flops = max(0, hold_flops - coalesce(NEW.flops, 0))
        WHERE id = NEW.pair; END""",
    # An answered call is charged what it used.
    """CREATE TRIGGER call_answered AFTER UPDATE OF state ON calls
        WHEN NEW.state = 'answered' BEGIN
        UPDATE charges SET
            tokens = NEW.input_tokens + NEW.output_tokens,
            usd = NEW.usd,
            flops = NEW.flops
        WHERE pair = NEW.pair AND call = NEW.id; END""",
    # A refused call gives its worst case back to the hold.
    """CREATE TRIGGER call_refused AFTER UPDATE OF state ON calls
        WHEN NEW.state = 'refused' BEGIN
        UPDATE charges SET tokens = 0, usd = 0, flops = 0
        WHERE pair = NEW.pair AND call = NEW.id;
        UPDATE pairs SET
            hold_tokens = hold_tokens + NEW.worst_tokens,
            hold_usd = hold_usd + coalesce(NEW.worst_usd, 0),
            hold_flops = hold_flops + coalesce(NEW.worst_flops, 0)
        WHERE id = NEW.pair; END""",
    # A charge changes once, so OLD holds no excess.
    """CREATE TRIGGER charge_changed AFTER UPDATE OF tokens ON charges BEGIN
        UPDATE arms SET
            tokens = arms.tokens + NEW.tokens - OLD.tokens,
            usd = arms.usd + coalesce(NEW.usd, 0) - coalesce(OLD.usd, 0),
            flops = arms.flops + coalesce(NEW.flops, 0) - coalesce(OLD.flops, 0),
            excess_tokens = excess_tokens + max(0, NEW.tokens - worst_tokens),
            excess_usd = excess_usd + max(0, coalesce(NEW.usd - worst_usd, 0)),
            excess_flops = excess_flops + max(0, coalesce(NEW.flops - worst_flops, 0))
        FROM calls
        WHERE calls.id = NEW.call
            AND arms.id = (SELECT arm FROM pairs WHERE id = NEW.pair); END""",
    f"PRAGMA user_version = {LEDGER_VERSION}",
)

# One statement, so that both are read at one moment.
_FIND_VERSION = """
    SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"""


def check_ledger_version(db: sqlite3.Connection, path: Path) -> bool:
    """Tell whether the file is new. Raises LedgerError for another version."""
    version, tables = db.execute(_FIND_VERSION).fetchone()
    if version == tables == 0:
        return True
    if version != LEDGER_VERSION:
        raise LedgerError(
            f"{path} is no ledger of this version",
            got=version,
            allowed=LEDGER_VERSION,
            fix="use the teachback that wrote it, or start a new run",
        )
    return False


def read_schema(db: sqlite3.Connection) -> list[tuple[str, ...]]:
    """(kind, name, its table, SQL) of each table, view and trigger."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    return db.execute(query).fetchall()


@cache
def expected_schema() -> list[tuple[str, ...]]:
    """What `read_schema` finds in a new ledger. The triggers hold the budget."""
    db = sqlite3.connect(":memory:")
    try:
        for statement in LEDGER_SCHEMA:
            db.execute(statement)
        return read_schema(db)
    finally:
        db.close()
