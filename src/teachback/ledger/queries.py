"""What a ledger's rows add up to: one arm's spend, and that of all arms. Nothing is written."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import quantiles
from threading import RLock
from typing import Any

from ..errors import LedgerError
from .costs import Budget, CallCost, PairReply, RoleSpend, Spend, Usage
from .schema import check_ledger_version

# Sums over rows of `costs`, or of `calls`, in the order of the fields of costs.Spend.
_SPEND_SUMS = (
    "sum(state = 'answered')",
    "sum(input_tokens)",
    "sum(cached_tokens)",
    "sum(output_tokens)",
    "sum(reasoning_tokens)",
    "sum(iif(state = 'answered', usd, 0))",
    "sum(iif(state = 'answered', flops, 0))",
    "sum(state = 'answered' AND usd IS NULL)",
    "sum(estimated)",
    "sum(state = 'refused')",
    "sum(state = 'in_doubt')",
    "sum(iif(state = 'in_doubt', worst_tokens, 0))",
    "sum(iif(state = 'in_doubt', worst_usd, 0))",
)
_SPEND_COLUMNS = ", ".join(f"coalesce({total}, 0)" for total in _SPEND_SUMS)
_TOKENS_IN_FLIGHT = "coalesce(sum(iif(state = 'sent', worst_tokens, 0)), 0)"

_IN_ROUNDS = """arm = :arm AND (:before IS NULL OR round < :before)
        AND (:round IS NULL OR round = :round)"""

_SPEND = f"""
    SELECT (SELECT coalesce(sum(counted), 0) FROM pairs WHERE {_IN_ROUNDS}),
        {_SPEND_COLUMNS},
        (SELECT coalesce(sum(hold_tokens), 0) FROM pairs WHERE {_IN_ROUNDS})
            + {_TOKENS_IN_FLIGHT}
    FROM costs WHERE {_IN_ROUNDS}"""

_SPEND_OF_ALL_ARMS = f"""
    SELECT (SELECT count(DISTINCT pair) FROM calls WHERE state <> 'refused'),
        {_SPEND_COLUMNS}, {_TOKENS_IN_FLIGHT}
    FROM calls"""

# Further answers to a question ("answer-2", ...) count as answers.
_ROLE = "iif(role LIKE 'answer-%', 'answer', role)"
_SPEND_BY_ROLE = f"""
    SELECT {_ROLE} AS what, round, count(*), count(DISTINCT pair), {_SPEND_COLUMNS},
        {_TOKENS_IN_FLIGHT}
    FROM costs WHERE arm = :arm
    GROUP BY what, round ORDER BY round, min(call)"""
_LATENCIES = f"""
    SELECT {_ROLE}, round, latency_s FROM costs WHERE arm = :arm AND state = 'answered'"""

_COMMITTED = "SELECT pairs, tokens, usd, flops FROM arms WHERE id = :arm"
_HOLDS_OF_OPEN_PAIRS = """
    SELECT count(*), coalesce(sum(hold_tokens), 0), coalesce(sum(hold_usd), 0),
        coalesce(sum(hold_flops), 0)
    FROM pairs WHERE arm = :arm AND state = 'open'"""
_IN_FLIGHT_OF_OPEN_PAIRS = """
    SELECT 0, coalesce(sum(worst_tokens), 0), coalesce(sum(worst_usd), 0),
        coalesce(sum(worst_flops), 0)
    FROM pairs
    JOIN charges ON charges.pair = pairs.id
    JOIN calls ON calls.id = call
    WHERE pairs.arm = :arm AND pairs.state = 'open' AND calls.state = 'sent'"""

_HOLDS_BEFORE_ROUND = """
    SELECT coalesce(sum(counted), 0), coalesce(sum(hold_tokens), 0),
        coalesce(sum(hold_usd), 0), coalesce(sum(hold_flops), 0)
    FROM pairs WHERE arm = :arm AND (:before IS NULL OR round < :before)"""
_CHARGES_BEFORE_ROUND = """
    SELECT 0, coalesce(sum(tokens), 0), coalesce(sum(usd), 0), coalesce(sum(flops), 0)
    FROM costs WHERE arm = :arm AND (:before IS NULL OR round < :before)"""

_USAGES = """
    SELECT seed, role, input_tokens, output_tokens, cached_tokens, reasoning_tokens, estimated
    FROM costs WHERE arm = :arm AND round = :round AND state = 'answered' ORDER BY call"""
_ANSWERS = """
    SELECT costs.seed, costs.n, body FROM costs JOIN calls ON id = call
    WHERE costs.arm = :arm AND costs.role = :role AND costs.state = 'answered' ORDER BY id"""

_REQUESTS_OF_PAIRS = """
    SELECT pairs.seed, pairs.n, request FROM pairs
    LEFT JOIN charges ON charges.pair = pairs.id
    LEFT JOIN calls ON calls.id = charges.call AND calls.state = 'answered'
    WHERE pairs.arm = :arm AND kind = 'pair'"""

# Everything that was bought for seeds, in the order in which it was sent. A pair pays for an answer
# that another arm bought as for its own.
_REPLIES = """
    SELECT pairs.kind, pairs.seed, pairs.n, pairs.round, pairs.state, pairs.reason,
        calls.role, calls.state, calls.reason, calls.body
    FROM pairs
    LEFT JOIN charges ON charges.pair = pairs.id
    LEFT JOIN calls ON calls.id = charges.call
    WHERE pairs.arm = :arm AND (:seed IS NULL OR pairs.seed = :seed)
    ORDER BY pairs.id, calls.id"""
_CALLS = """
    SELECT call, round, role, seed, n, state, tokens, usd, input_tokens, cached_tokens,
        output_tokens, reasoning_tokens, estimated, latency_s
    FROM costs WHERE arm = :arm ORDER BY call, pair"""
_LAST_REPLY = """
    SELECT body FROM costs JOIN calls ON calls.id = costs.call
    JOIN pairs ON pairs.id = costs.pair
    WHERE costs.arm = :arm AND costs.seed = :seed AND costs.n = :n AND kind = 'pair'
        AND calls.state = 'answered'
    ORDER BY costs.call DESC LIMIT 1"""

_WORST_CASES = """
    SELECT sum(worst_tokens), sum(worst_usd) FROM costs
    WHERE arm = :arm AND state <> 'refused'"""

_BOUGHT_ROLES = "SELECT DISTINCT role FROM calls WHERE state <> 'refused'"

_EXCESS = "SELECT excess_tokens + excess_usd + excess_flops FROM arms WHERE id = :arm"
_EXCESSIVE_CALL = """
    SELECT call, role, tokens, worst_tokens FROM costs
    WHERE arm = :arm AND (tokens > worst_tokens OR usd > worst_usd) ORDER BY call"""


class LedgerReader:
    """One arm's sums.

    Reading takes the lock of the connection's transactions. Else it could see half a group
    of another thread.
    """

    def __init__(
        self, db: sqlite3.Connection, lock: AbstractContextManager[object], arm_id: int
    ) -> None:
        """arm_id: 0 for an arm that is not in the file."""
        self._db = db
        self._lock = lock
        self._arm_id = arm_id

    def spend(
        self, *, before_round: int | None = None, round: int | None = None
    ) -> Spend:
        """What this arm has committed for pairs that it reserved in those rounds.

        Answers that another arm bought count as if this one had.
        """
        (sums,) = self._fetch(_SPEND, before=before_round, round=round)
        return Spend(*sums)

    def costs_by_role(self) -> list[RoleSpend]:
        """The arm's spend by round and role. pairs: those that paid for a call of the role."""
        with self._lock:
            rows = self._fetch(_SPEND_BY_ROLE)
            latencies = self._fetch(_LATENCIES)
        latencies_s: dict[tuple[str, int], list[float]] = {}
        for role, round, latency_s in latencies:
            latencies_s.setdefault((role, round), []).append(latency_s)
        return [
            RoleSpend(
                role,
                round,
                sent,
                Spend(*sums),
                median_and_p95(latencies_s.get((role, round), [])),
            )
            for role, round, sent, *sums in rows
        ]

    def spend_of_all_arms(self) -> Spend:
        """What all arms have really sent. pairs: those with a call that was not refused."""
        (sums,) = self._fetch(_SPEND_OF_ALL_ARMS)
        return Spend(*sums)

    def amount_committed(self) -> Budget:
        """What counts against each limit by now, with holds and calls in flight. Quick."""
        rows = self._fetch(_COMMITTED)
        return Budget(*(rows[0] if rows else (0, 0, 0, 0)))

    def amount_paid(self) -> Budget:
        """What is committed without holds and calls in flight: finished pairs, and answers."""
        with self._lock:
            committed = vars(self.amount_committed()).values()
            (held,) = self._fetch(_HOLDS_OF_OPEN_PAIRS)
            (in_flight,) = self._fetch(_IN_FLIGHT_OF_OPEN_PAIRS)
        amounts = zip(committed, held, in_flight, strict=True)
        return Budget(*(whole - hold - flight for whole, hold, flight in amounts))

    def amount_reserved(self) -> Budget:
        """The worst cases of the calls that this arm has paid for, in tokens and money.

        None: unknown, or no call.
        """
        ((tokens, usd),) = self._fetch(_WORST_CASES)
        return Budget(teacher_tokens=tokens, usd=usd)

    def amount_committed_before(self, round: int | None) -> Budget:
        """What the rounds before that one have committed; None: all of them."""
        with self._lock:
            (held,) = self._fetch(_HOLDS_BEFORE_ROUND, before=round)
            (charged,) = self._fetch(_CHARGES_BEFORE_ROUND, before=round)
        return Budget(*map(sum, zip(held, charged, strict=True)))

    def usages(self, round: int) -> list[tuple[str, str, Usage]]:
        """(seed, role, usage) of each answered call of the round that this arm has paid for."""
        return [
            (seed, role, usage_from_columns(columns))
            for seed, role, *columns in self._fetch(_USAGES, round=round)
        ]

    def answers(self, role: str) -> list[tuple[str, int, str]]:
        """(seed, n, body) of each answered call of the role that this arm has paid for."""
        return self._fetch(_ANSWERS, role=role)

    @property
    def is_in_file(self) -> bool:
        """Whether the arm is in the file."""
        return self._arm_id != 0

    def requests_by_pair(self) -> dict[tuple[str, int], list[str]]:
        """By seed and n: the requests whose answers the pair has paid for."""
        requests: dict[tuple[str, int], list[str]] = {}
        for seed, n, request in self._fetch(_REQUESTS_OF_PAIRS):
            paid = requests.setdefault((seed, n), [])
            if request is not None:
                paid.append(request)
        return requests

    def kinds_of_seeds(self) -> set[tuple[str, str]]:
        """(kind, seed) of all that any arm has reserved."""
        return set(self._fetch("SELECT DISTINCT kind, seed FROM pairs"))

    def replies(self, seed: str | None = None) -> list[PairReply]:
        """Every call that this arm has paid for, with its raw reply. None: of all seeds."""
        return [PairReply(*columns) for columns in self._fetch(_REPLIES, seed=seed)]

    def calls(self) -> list[CallCost]:
        """Every call that this arm has paid for, in the order in which they were sent."""
        return [CallCost(*columns) for columns in self._fetch(_CALLS)]

    def last_reply(self, seed: str, n: int) -> str:
        """The raw reply that the seed's n-th pair got last; empty if it got none."""
        rows = self._fetch(_LAST_REPLY, seed=seed, n=n)
        return str(rows[0][0]) if rows else ""

    def bought_roles(self) -> set[str]:
        """The roles in which any arm has bought an answer, or may have."""
        return {role for (role,) in self._fetch(_BOUGHT_ROLES)}

    @property
    def overran(self) -> bool:
        """A call used more than its worst case. Then no reservation can be trusted."""
        rows = self._fetch(_EXCESS)
        return bool(rows and rows[0][0])

    @property
    def overrun_reason(self) -> str | None:
        """Which call used more than its worst case."""
        rows = self._fetch(_EXCESSIVE_CALL)
        if not rows:
            return None
        call, role, tokens, worst = rows[0]
        return (
            f"call {call} ({role}) used {tokens} tokens where {worst} is the worst case"
        )

    def _fetch(
        self, query: str, **parameters: str | int | None
    ) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(
                query, {"arm": self._arm_id, **parameters}
            ).fetchall()


@contextmanager
def open_read_only(
    path: Path, *, arm: str = "main", repeat: int = 0
) -> Iterator[LedgerReader]:
    """Read an arm's sums without changing anything: safe while a process works for the arm.

    Raises LedgerError for a file that is missing, unreadable, or of another version.
    """
    # Without a log nobody has the file open, and a read-only folder is enough.
    log = path.with_name(f"{path.name}-wal")
    idle = "" if log.exists() else "&immutable=1"
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{idle}", uri=True)
        try:
            if check_ledger_version(db, path):
                raise LedgerError(
                    f"the ledger {path} is empty",
                    got="no table in it: what it held was in ledger.sqlite-wal, which is gone "
                    "or damaged",
                    fix="put both back as they were, or begin a new run with another --run-dir",
                )
            find_arm = "SELECT id FROM arms WHERE arm = ? AND repeat = ?"
            found = db.execute(find_arm, (arm, repeat)).fetchone()
            yield LedgerReader(db, RLock(), found[0] if found else 0)
        finally:
            db.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise LedgerError(
            f"can't read {path}", got=error, allowed="a ledger"
        ) from error


def read_bought_roles(path: Path) -> set[str]:
    """The roles in which any arm has bought an answer, or may have. No file: none."""
    if not path.exists():
        return set()
    with open_read_only(path) as ledger:
        return ledger.bought_roles()


def usage_from_columns(columns: Sequence[int]) -> Usage:
    """columns: input, output, cached and reasoning tokens, and whether they are estimated."""
    sent, written, cached, reasoning, estimated = columns
    return Usage(sent, written, cached, reasoning, bool(estimated))


def median_and_p95(values: Sequence[float]) -> tuple[float, float] | None:
    """The median and the 95th percentile, or None if there is no value."""
    if len(values) < 2:
        return (values[0], values[0]) if values else None
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[9], cuts[18]
