"""Every teacher and judge call with its cost, and the hard budget. One SQLite file; rules L1-L6 of the design.

A *pair* (everything bought for the n-th selection of a seed) is reserved with its worst case, its *hold*. `send` moves
a call's worst case out of the hold into a *charge*, before the request leaves; `answer` makes the charge what was used.

    call:  send → sent → answered | refused (costs nothing) | in_doubt (costs its worst case)
    pair:  reserve → open → settled | failed

What an arm has committed = the holds of its pairs + the charges of its calls. Triggers keep that sum in `arms`, and
every statement that adds to it is an INSERT that selects nothing when the sum would pass the budget.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from .errors import LedgerError
from .ledger_sql import ANSWER, ANSWERED, CALL, CHARGE, RESERVE, SCHEMA, VERSION


@dataclass(frozen=True)
class Budget:
    """generated: pairs. teacher_tokens: prompt and completion tokens of every call. None: no limit of that kind."""

    generated: int | None = None
    teacher_tokens: int | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens of one answered call. estimated: they are not what the server reported."""

    input_tokens: int
    output_tokens: int
    estimated: bool = False

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Pair:
    """state: as it was when the ledger handed it out. reason: why it failed."""

    id: int
    state: Literal["open", "settled", "failed"]
    reason: str | None


@dataclass(frozen=True)
class Answer:
    """body: the raw response, as it came."""

    call: int
    body: str
    usage: Usage


@dataclass(frozen=True)
class Spend:
    """calls, input_tokens, output_tokens and estimated_calls are of answered calls; calls in doubt stand apart, at
    their worst case. held_tokens: holds of pairs, and the worst case of the calls that are in flight."""

    pairs: int
    calls: int
    input_tokens: int
    output_tokens: int
    in_doubt_calls: int
    in_doubt_tokens: int
    held_tokens: int
    estimated_calls: int

    @property
    def tokens(self) -> int:
        """Everything committed against `teacher_tokens`."""
        return self.input_tokens + self.output_tokens + self.in_doubt_tokens + self.held_tokens


UNLIMITED = Budget()


class Ledger:
    """One arm's view of a ledger file. `budget` limits this arm alone; a request that another arm of the same repeat
    has had answered is served from the file and charged as if it had been bought.

    Each operation is one durable transaction, or a part of the `group` around it, and may come from any thread. A pair
    or a call in the wrong state, or of another arm, raises LedgerError: only a bug asks for that.

    Opening takes this arm's calls in flight for those of a process that died, and puts them in doubt. So one process
    at a time works for an arm (R9), and who only wants to look calls `look`. Raises LedgerError: the file can't
    be opened or is of another version, or the budget is below what the arm has committed.
    """

    def __init__(self, path: Path, *, arm: str = "main", repeat: int = 0, budget: Budget = UNLIMITED) -> None:
        self.path, self.arm, self.repeat, self.budget = path, arm, repeat, budget
        self._lock = threading.RLock()
        self._depth = 0
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            raise LedgerError(f"can't open {path}", got=error, allowed="a ledger, or no file") from error

    @classmethod
    def look(cls, path: Path, *, arm: str = "main", repeat: int = 0) -> Spend:
        """What an arm has committed, read without changing anything: safe while a process is at work for the arm."""
        idle = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
        self = cls.__new__(cls)
        self.budget, self._lock = UNLIMITED, threading.RLock()
        try:
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{idle}", uri=True)
            try:
                found = self._db.execute("SELECT id FROM arms WHERE arm = ? AND repeat = ?", (arm, repeat)).fetchone()
                self._arm = found[0] if found else 0
                return self.spend()
            finally:
                self._db.close()
        except sqlite3.Error as error:
            raise LedgerError(f"can't read {path}", got=error, allowed="a ledger") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _open(self) -> None:
        self._refuse_version()  # before anything is written: WAL mode alone would change the file
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {setting}")
        with self.group():
            for statement in SCHEMA if self._refuse_version() == 0 else ():
                self._db.execute(statement)
            me = {"name": self.arm, "repeat": self.repeat}
            self._db.execute("INSERT OR IGNORE INTO arms (arm, repeat) VALUES (:name, :repeat)", me)
            find = "SELECT id, pairs, tokens - excess FROM arms WHERE arm = :name AND repeat = :repeat"
            self._arm, pairs, tokens = self._db.execute(find, me).fetchone()
            # An excess passed the budget without anyone lowering it: such a run can still be resumed and reported (L3)
            _refuse_budget(self.budget, Budget(pairs, tokens), self.arm)
            mine = "state = 'sent' AND pair IN (SELECT id FROM pairs WHERE arm = :arm)"
            self._do(f"UPDATE calls SET state = 'in_doubt', reason = 'its process ended before it' WHERE {mine}")

    def _refuse_version(self) -> int:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        new = version == 0 and self._db.execute("SELECT 1 FROM sqlite_master").fetchone() is None
        if version != VERSION and not new:
            fix = "use the teachback that wrote it, or start a new run"
            raise LedgerError(f"{self.path} is no ledger of this version", got=version, allowed=VERSION, fix=fix)
        return version

    @contextmanager
    def group(self) -> Iterator[None]:
        """Makes the operations inside one durable transaction; none of them counts if the block raises. A group within
        a group is a savepoint: it can fail alone. It keeps other threads out, so never await inside."""
        with self._lock:
            whole = self._depth == 0
            if not whole and not self._db.in_transaction:  # a full disk can end it: what follows must not commit alone
                raise LedgerError(f"the transaction on {self.path} was rolled back: see the error before this one")
            self._db.execute("BEGIN IMMEDIATE" if whole else "SAVEPOINT part")
            self._depth += 1
            try:
                yield
                self._db.execute("COMMIT" if whole else "RELEASE part")
            except BaseException:
                if self._db.in_transaction:
                    for undo in ("ROLLBACK",) if whole else ("ROLLBACK TO part", "RELEASE part"):
                        self._db.execute(undo)
                raise
            finally:
                self._depth -= 1

    def reserve(self, seed: str, n: int, round: int, tokens: int) -> Pair | None:
        """Holds `tokens`, the worst case of all of the pair's calls. A pair that exists is returned as it is, and
        nothing is reserved. None: it does not fit the budget, or the arm overran."""
        _refuse_negative("tokens to reserve", tokens)
        with self.group():
            find = "SELECT id, state, reason FROM pairs WHERE arm = :arm AND seed = :seed AND n = :n"
            if found := self._do(find, seed=seed, n=n).fetchone():
                return Pair(*found)
            made = self._do(RESERVE, seed=seed, n=n, round=round, tokens=tokens)
            return Pair(made.lastrowid, "open", None) if made.rowcount and made.lastrowid else None

    def answered(self, pair: Pair, role: str, request: bytes) -> Answer | None:
        """The answer of a call with this key: the one that the pair has paid for, else the first one of any arm, which
        is charged as if it were sent and answered now: it has to fit, and only an open pair gets it. Or None."""
        with self.group():
            state, key = self._key(pair, role, request)
            found = self._do(ANSWERED, **key).fetchone()
            if found is None:
                return None
            call, body, used, written, estimated, paid = found
            usage = Usage(used, written, bool(estimated))
            if not paid:
                if state != "open" or not self._charge(pair.id, call):
                    return None
                self._pay(pair.id, call, usage.total)
            return Answer(call, body, usage)

    def send(self, pair: Pair, role: str, request: bytes, worst: int) -> int | None:
        """To be called before the request's first byte leaves. request: the exact body, without credentials. worst:
        the most tokens it can use; what the pair's hold lacks of it must fit the budget. Returns the call's id, or
        None: it does not fit, or the arm overran."""
        _refuse_negative("a worst case", worst)
        with self.group():
            state, key = self._key(pair, role, request)
            if state != "open":
                raise LedgerError(f"pair {pair.id} can't send a call", got=state, allowed="open")
            call = self._do(CALL, **key, worst=worst).lastrowid
            if call is None or not self._charge(pair.id, call):
                self._do("DELETE FROM calls WHERE id = :call", call=call)
                return None
            return call

    def answer(self, call: int, body: str, usage: Usage | None, latency_s: float) -> Usage:
        """Keeps what came back, and charges what it used instead of the worst case.

        usage None: the server did not say; the worst case stays charged, all of it as estimated input tokens, for how
        it splits is unknown. More than the worst case: charged as reported, and nothing more is sent (`overran`).
        """
        with self.group():
            pair, worst = self._in_flight(call, "answered")
            used = usage if usage is not None else Usage(worst, 0, estimated=True)
            _refuse_negative("the tokens of an answer", min(used.input_tokens, used.output_tokens))
            self._do(ANSWER, call=call, body=body, latency_s=latency_s, **vars(used))
            self._pay(pair, call, used.total)
            return used

    def refuse(self, call: int, reason: str) -> None:
        """The call cost nothing (429, 5xx, no connection): its worst case goes back to the hold, for the next try."""
        with self.group():
            pair, worst = self._in_flight(call, "refused")
            self._do("UPDATE calls SET state = 'refused', reason = :reason WHERE id = :call", call=call, reason=reason)
            self._pay(pair, call, 0)
            self._do("UPDATE pairs SET hold = hold + :worst WHERE id = :pair", pair=pair, worst=worst)

    def doubt(self, call: int, reason: str) -> None:
        """Nobody knows what the call cost (a timeout, a reset): it stays charged in full."""
        with self.group():
            self._in_flight(call, "in doubt")
            self._do("UPDATE calls SET state = 'in_doubt', reason = :reason WHERE id = :call", call=call, reason=reason)

    def settle(self, pair: Pair) -> None:
        """All of the pair's calls are done; what it still holds is released."""
        with self.group():
            self._close(pair, "settled")
            flying = "SELECT call FROM costs WHERE pair = :pair AND state = 'sent'"
            if found := self._do(flying, pair=pair.id).fetchone():
                what = f"pair {pair.id} can't be settled: call {found[0]} is in flight"
                raise LedgerError(what, fix="answer, refuse or doubt it first")

    def fail(self, pair: Pair, reason: str) -> None:
        """Gives the pair up: what it still holds is released, a call in flight is in doubt from now on. The pair
        counts as generated if any of its calls was answered or is in doubt."""
        with self.group():
            self._close(pair, "failed", reason)
            mine = "SELECT call FROM costs WHERE pair = :pair AND state"
            doubt = f"state = 'in_doubt', reason = 'its pair was given up' WHERE id IN ({mine} = 'sent')"
            self._do(f"UPDATE calls SET {doubt}", pair=pair.id)
            paid = f"EXISTS ({mine} IN ('answered', 'in_doubt'))"
            self._do(f"UPDATE pairs SET counted = {paid} WHERE id = :pair", pair=pair.id)

    def spend(self, *, before_round: int | None = None, round: int | None = None) -> Spend:
        """What this arm has committed, of the pairs reserved in those rounds; answers of other arms as if bought."""
        these = "arm = :arm AND (:before IS NULL OR round < :before) AND (:round IS NULL OR round = :round)"
        pairs, held = (f"SELECT coalesce(sum({what}), 0) FROM pairs WHERE {these}" for what in ("counted", "hold"))
        return self._sum(pairs, held, f"costs WHERE {these}", before=before_round, round=round)

    def bought(self) -> Spend:
        """What was really sent, by all arms together. pairs: those that sent something that was not refused."""
        return self._sum("SELECT count(DISTINCT pair) FROM calls WHERE state <> 'refused'", "0", "calls")

    def left(self, *, before_round: int | None = None) -> Budget:
        """What the rounds before that one leave of each limit, 0 or more."""
        spent = self.spend(before_round=before_round)
        limits = ((self.budget.generated, spent.pairs), (self.budget.teacher_tokens, spent.tokens))
        return Budget(*(None if limit is None else max(0, limit - used) for limit, used in limits))

    @property
    def overran(self) -> bool:
        """A call of this arm used more than its worst case: no reservation can be trusted, so nothing more is sent."""
        with self._lock:
            return bool(self._do("SELECT excess FROM arms WHERE id = :arm").fetchone()[0])

    @property
    def overran_why(self) -> str | None:
        over = "SELECT call, role, tokens, worst FROM costs WHERE arm = :arm AND tokens > worst ORDER BY call"
        with self._lock:
            found = self._do(over).fetchone()
        return "call {} ({}) used {} tokens where {} is the worst case".format(*found) if found else None

    def _do(self, statement: str, **values: str | float | None) -> sqlite3.Cursor:
        """The caller holds the lock."""
        return self._db.execute(statement, {**vars(self.budget), "arm": self._arm, **values})

    def _key(self, pair: Pair, role: str = "", request: bytes = b"") -> tuple[str, dict[str, str | int]]:
        """The pair's state as it is now, and what a call of it is found by."""
        found = self._do("SELECT state, seed, n, round FROM pairs WHERE id = :id AND arm = :arm", id=pair.id).fetchone()
        if found is None:
            raise LedgerError("no such pair", got=pair.id, allowed=f"a pair of arm {self.arm!r}, repeat {self.repeat}")
        key = {"pair": pair.id, "role": role, "request": sha256(request).hexdigest(), "repeat": self.repeat}
        return found[0], {**key, **dict(zip(("seed", "n", "round"), found[1:], strict=True))}

    def _charge(self, pair: int, call: int) -> bool:
        """Charges the call's worst case to the pair, out of its hold as far as that reaches, if the rest fits."""
        if self._do(CHARGE, pair=pair, call=call).rowcount == 0:
            return False
        rest = "max(0, hold - (SELECT worst FROM calls WHERE id = :call))"
        self._do(f"UPDATE pairs SET hold = {rest} WHERE id = :pair", pair=pair, call=call)
        return True

    def _pay(self, pair: int, call: int, tokens: int) -> None:
        statement = "UPDATE charges SET tokens = :tokens WHERE pair = :pair AND call = :call"
        self._do(statement, pair=pair, call=call, tokens=tokens)

    def _in_flight(self, call: int, wanted: str) -> tuple[int, int]:
        """The pair and the worst case of a call that was sent."""
        mine = "calls JOIN pairs ON pairs.id = pair WHERE calls.id = :call AND arm = :arm"
        found = self._do(f"SELECT pair, worst, calls.state FROM {mine}", call=call).fetchone()
        if found is None:
            raise LedgerError("no such call", got=call, allowed=f"a call of arm {self.arm!r}, repeat {self.repeat}")
        if found[2] != "sent":
            raise LedgerError(f"call {call} can't become {wanted}", got=found[2], allowed="sent")
        return found[0], found[1]

    def _close(self, pair: Pair, state: str, reason: str | None = None) -> None:
        if (now := self._key(pair)[0]) != "open":
            raise LedgerError(f"pair {pair.id} can't become {state}", got=now, allowed="open")
        new = "state = :state, reason = :reason, hold = 0"
        self._do(f"UPDATE pairs SET {new} WHERE id = :id", id=pair.id, state=state, reason=reason)

    def _sum(self, pairs: str, held: str, calls: str, **values: int | None) -> Spend:
        counts = ("sum(state = 'answered')", "sum(input_tokens)", "sum(output_tokens)", "sum(state = 'in_doubt')")
        sums = ", ".join(f"coalesce({count}, 0)" for count in (*counts, "sum(iif(state = 'in_doubt', worst, 0))"))
        flying = "coalesce(sum(iif(state = 'sent', worst, 0)), 0)"
        with self._lock:  # else it could see half a group of another thread
            query = f"SELECT ({pairs}), {sums}, ({held}) + {flying}, coalesce(sum(estimated), 0) FROM {calls}"
            return Spend(*self._do(query, **values).fetchone())


def _refuse_negative(what: str, value: int) -> None:
    if value < 0:
        raise LedgerError(f"{what} can't be negative", got=value, allowed="0 or more")


def _refuse_budget(budget: Budget, spent: Budget, arm: str) -> None:
    for kind, limit in vars(budget).items():
        least = vars(spent)[kind]
        if limit is not None and limit < least:
            what = f"the budget `{kind}` is below the {least} that arm {arm!r} has already committed"
            raise LedgerError(what, got=limit, allowed=f"{least} or more", fix=f"raise `{kind}` to {least} or more")
