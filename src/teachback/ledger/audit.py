"""Is the ledger whole, and is it the one that the run's steps were bought with?

A lost ledger would be a fresh budget: everything would be bought again.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ..errors import LedgerError
from .queries import LedgerReader, open_read_only
from .schema import expected_schema, read_schema

PUT_BACK = (
    "put back ledger.sqlite and ledger.sqlite-wal as they were, or begin a new run with another "
    "--run-dir"
)

# Sums that triggers keep, and what they are the sums of. None of these rows should be found.
_WRONG_SUMS = """
    SELECT 'the sums of arm ' || arm FROM arms
    WHERE pairs <> (SELECT coalesce(sum(counted), 0) FROM pairs WHERE arm = arms.id)
        OR tokens <> (SELECT coalesce(sum(hold_tokens), 0) FROM pairs WHERE arm = arms.id)
            + (SELECT coalesce(sum(tokens), 0) FROM costs WHERE arm = arms.id)
        OR usd <> (SELECT coalesce(sum(hold_usd), 0) FROM pairs WHERE arm = arms.id)
            + (SELECT coalesce(sum(usd), 0) FROM costs WHERE arm = arms.id)
        OR flops <> (SELECT coalesce(sum(hold_flops), 0) FROM pairs WHERE arm = arms.id)
            + (SELECT coalesce(sum(flops), 0) FROM costs WHERE arm = arms.id)"""
_BODIES = "SELECT id, body, body_sha256 FROM calls WHERE state = 'answered'"
_WRONG_CHARGES = """
    SELECT 'what was charged for call ' || calls.id FROM charges JOIN calls ON calls.id = call
    WHERE (state = 'answered' AND (charges.tokens, charges.usd, charges.flops)
            IS NOT (input_tokens + output_tokens, calls.usd, calls.flops))
        OR (state IN ('sent', 'in_doubt') AND (charges.tokens, charges.usd, charges.flops)
            IS NOT (worst_tokens, worst_usd, worst_flops))
        OR (state = 'refused' AND (charges.tokens, charges.usd, charges.flops) IS NOT (0, 0, 0))"""


@dataclass(frozen=True)
class Purchase:
    """What a step says was bought. The ledger must hold it."""

    step: str  # the file that says so, such as round-00/generate.json
    kind: str  # of the ledger's pair: "pair", or the role of a judge
    seed: str
    n: int | None = (
        None  # None: any pair of that kind and seed, whichever arm bought it
    )
    # The requests that were answered, as in Draft.calls.
    calls: tuple[str, ...] = ()


def check_pages(db: sqlite3.Connection, path: Path) -> None:
    """Raise LedgerError for a file with damaged pages, sums or answers.

    It reads the whole file: once, when it is opened to be written.
    """
    db.execute("PRAGMA cell_size_check = ON")
    (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    damage = find_wrong_rows(db) if verdict == "ok" else verdict
    if damage:
        raise LedgerError(f"the ledger {path} is damaged", got=damage, fix=PUT_BACK)


def find_wrong_rows(db: sqlite3.Connection) -> str | None:
    """What is wrong in pages that are right in form; None: nothing."""
    if read_schema(db) != expected_schema():
        return "its tables and triggers are not those of this version"
    wrong = db.execute(f"{_WRONG_SUMS} UNION ALL {_WRONG_CHARGES}").fetchone()
    if wrong:
        return f"{wrong[0]} don't add up"
    db.text_factory = bytes  # a damaged text may be no UTF-8
    try:
        for call, body, digest in db.execute(_BODIES):
            if sha256(body).hexdigest().encode() != digest:
                return f"the answer of call {call} is not as it came"
    finally:
        db.text_factory = str
    return None


def hash_body(body: str) -> str:
    return sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def check_purchases(
    path: Path, arm: str, repeat: int, purchases: Sequence[Purchase] | None
) -> None:
    """Raise LedgerError if the ledger doesn't hold what the run's steps say was bought.

    purchases: None for a run that can't have bought anything: it may have no ledger. To be
    called before the file is opened to be written: nothing is changed.
    """
    if not path.exists() or path.stat().st_size == 0:
        check_nothing_is_lost(path, purchases is not None)
    if purchases is None:
        return
    with open_read_only(path, arm=arm, repeat=repeat) as ledger:
        missing = find_missing(ledger, purchases)
    if missing:
        raise LedgerError(
            f"the ledger {path} lacks what the run's steps say was bought",
            got=f"{len(missing)} are missing; the first: {missing[0]}",
            allowed="all of it: otherwise it would be bought again",
            fix=PUT_BACK,
        )


def check_nothing_is_lost(path: Path, has_bought: bool) -> None:
    """Raise LedgerError where a missing or empty ledger can't be a new run's."""
    log = path.with_name(f"{path.name}-wal")
    # SQLite would remove a log without its file, and what it holds.
    has_log = log.exists() and log.stat().st_size > 0
    if has_bought or has_log:
        raise LedgerError(
            f"the ledger {path} is gone",
            got=f"{log.name} without it" if has_log else "no file, or an empty one",
            allowed="the ledger of what the run has bought: without it, its budget would be "
            "spent again",
            fix=PUT_BACK,
        )


def find_missing(ledger: LedgerReader, purchases: Sequence[Purchase]) -> list[str]:
    """What the arm's ledger doesn't hold, as a message says it."""
    if not ledger.is_in_file:
        return ["all that this run has bought"]
    requests = ledger.requests_by_pair()
    kinds = ledger.kinds_of_seeds()
    missing = []
    for purchase in purchases:
        if purchase.n is None:
            is_missing = (purchase.kind, purchase.seed) not in kinds
        else:
            paid = requests.get((purchase.seed, purchase.n))
            is_missing = paid is None or bool(Counter(purchase.calls) - Counter(paid))
        if is_missing:
            what = purchase.kind if purchase.n is None else f"pair {purchase.n}"
            missing.append(f"{what} of {purchase.seed}, in {purchase.step}")
    return missing
