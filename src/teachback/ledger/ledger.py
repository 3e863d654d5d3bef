"""Every teacher and judge call with its cost, and the hard budget. One SQLite file; rules L1-L6 of the design.

A *pair* (everything bought for the n-th selection of a seed) is reserved with its worst case, its *hold*. `send` moves
a call's worst case out of the hold into a *charge*, before the request leaves; `answer` makes the charge what was used.

    call:  send → sent → answered | refused (costs nothing) | in_doubt (costs its worst case)
    pair:  reserve → open → settled | failed

What an arm has committed = the holds of its pairs + the charges of its calls. Triggers keep that sum in `arms`, and
every statement that adds to it is an INSERT that selects nothing when the sum would pass the budget.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from ..errors import BudgetClosed, LedgerError
from ..metrics.statistics import median_and_p95
from ..run.locks import hold, is_held
from . import schema as sql
from .costs import (
    Budget,
    Cost,
    Price,
    RoleSpend,
    Spend,
    Usage,
    as_given,
    refuse_below,
    refuse_worst,
)
from .schema import FLYING, SCHEMA, SUMS, VERSION
from .transactions import Work


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


UNLIMITED = Budget()
Value = str | float | None


class Ledger:
    """One arm's view of a ledger file. `budget` limits this arm alone; a request that another arm of the same repeat
    has had answered is served from the file and charged as if it had been bought.

    Each operation is one durable transaction, or a part of the `group` around it, and may come from any thread. A pair
    or a call in the wrong state, or of another arm, raises LedgerError: only a bug asks for that.

    Opening takes this arm's calls in flight for those of a process that died, and puts them in doubt. So one process
    at a time works for an arm (R9), and who only wants to look calls `look`. Raises LedgerError: the file can't
    be opened or is of another version, or the budget is below what the arm has committed.

    draws: arms of the same number are served one another's answers; None: those of the repeat.
    shared: other processes may be at work on the file for other arms. Then each holds a lock beside it, which tells the
    others that its calls in flight are alive (`elsewhere`). total: limits what all arms together really send.
    """

    def __init__(
        self,
        path: Path,
        *,
        arm: str = "main",
        repeat: int = 0,
        budget: Budget = UNLIMITED,
        draws: int | None = None,
        shared: bool = False,
        total: Budget = UNLIMITED,
    ) -> None:
        self.path, self.arm, self.repeat, self.budget, self.total = (
            path,
            arm,
            repeat,
            budget,
            total,
        )
        self.draws, self.shared = repeat if draws is None else draws, shared
        self._alive: int | None = None
        limits = (budget.generated, budget.teacher_tokens, budget.usd, budget.flops)
        self._values = dict(
            zip(
                ("max_pairs", "max_tokens", "max_usd", "max_flops"), limits, strict=True
            )
        )
        try:
            self._db = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._work = Work(self._db, path)
            try:
                self._open()
            except BaseException:
                self.close()
                raise
        except sqlite3.Error as error:
            raise LedgerError(
                f"can't open {path}", got=error, allowed="a ledger, or no file"
            ) from error

    @classmethod
    @contextmanager
    def look(cls, path: Path, *, arm: str = "main", repeat: int = 0) -> Iterator[Self]:
        """A ledger to read from only, without changing anything: safe while a process is at work for the arm."""
        idle = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
        self = cls.__new__(cls)
        self.path, self.arm, self.repeat, self.budget = path, arm, repeat, UNLIMITED
        try:
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro{idle}", uri=True
            )
            self._work = Work(self._db, path)
            try:
                self._refuse_version()
                found = self._db.execute(
                    "SELECT id FROM arms WHERE arm = ? AND repeat = ?", (arm, repeat)
                ).fetchone()
                self._values = {"arm": found[0] if found else 0}
                yield self
            finally:
                self._db.close()
        except sqlite3.Error as error:
            raise LedgerError(
                f"can't read {path}", got=error, allowed="a ledger"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._work.lock:
            self._db.close()
            if self._alive is not None:
                os.close(self._alive)
                self._alive = None

    def _open(self) -> None:
        self._refuse_version()  # before anything is written: WAL mode alone would change the file
        for setting in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            self._db.execute(f"PRAGMA {setting}")
        with self.group():
            for statement in SCHEMA if self._refuse_version() == 0 else ():
                self._db.execute(statement)
            me = {"name": self.arm, "repeat": self.repeat}
            self._db.execute(
                "INSERT OR IGNORE INTO arms (arm, repeat) VALUES (:name, :repeat)", me
            )
            # An excess passed the budget without anyone lowering it: such a run can still be resumed and reported (L3)
            committed = "id, pairs, tokens - excess_tokens, usd - excess_usd, flops - excess_flops"
            find = (
                f"SELECT {committed} FROM arms WHERE arm = :name AND repeat = :repeat"
            )
            mine, *spent = self._db.execute(find, me).fetchone()
            self._values["arm"] = mine
            refuse_below(self.budget, Budget(*spent), self.arm)
            if self.shared and (alive := hold(self._lock_of(mine))) is None:
                fix = "wait for it, or stop it"
                raise LedgerError(
                    f"another process is at work for arm {self.arm!r}",
                    got=self.path,
                    fix=fix,
                )
            self._alive = alive if self.shared else None
            of_mine = (
                "state = 'sent' AND pair IN (SELECT id FROM pairs WHERE arm = :arm)"
            )
            self._do(
                f"UPDATE calls SET state = 'in_doubt', reason = 'its process ended before it' WHERE {of_mine}"
            )

    def _refuse_version(self) -> int:
        both = "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"  # at one moment
        version, tables = self._db.execute(both).fetchone()
        new = version == tables == 0
        if version != VERSION and not new:
            fix = "use the teachback that wrote it, or start a new run"
            raise LedgerError(
                f"{self.path} is no ledger of this version",
                got=version,
                allowed=VERSION,
                fix=fix,
            )
        return int(version)

    def group(self) -> AbstractContextManager[None]:
        """Makes the operations inside one durable transaction; none of them counts if the block raises. A group within
        a group is a savepoint: it can fail alone. It keeps other threads out, so never await inside."""
        return self._work.group()

    def reserve(
        self, seed: str, n: int, round: int, worst: Cost, *, kind: str = "pair"
    ) -> Pair | None:
        """Holds `worst`, the worst case of all of the pair's calls. A pair that exists is returned as it is, and
        nothing is reserved. None: it does not fit the budget, or the arm overran. kind: for what else is bought for a
        seed, such as a judge's grade; it does not count as generated."""
        refuse_worst(worst, self.budget, self.total)
        with self._work.operation():
            it: dict[str, Value] = {"kind": kind, "seed": seed, "n": n}
            made = self._do(
                sql.RESERVE,
                **it,
                round=round,
                counted=int(kind == "pair"),
                **vars(worst),
            )
            if made.rowcount and made.lastrowid:
                return Pair(made.lastrowid, "open", None)
            find = "SELECT id, state, reason FROM pairs WHERE arm = :arm AND kind = :kind AND seed = :seed AND n = :n"
            found = self._do(find, **it).fetchone()
            return Pair(*found) if found else None

    def answered(self, pair: Pair, role: str, request: bytes) -> Answer | None:
        """The answer of a call with this key: the one that the pair has paid for, else the first one of any arm, which
        is charged as if it were sent and answered now: it has to fit, and only an open pair gets it. Or None."""
        with self._work.operation():
            found = self._do(sql.ANSWERED, **self._key(pair, role, request)).fetchone()
            if found is None:
                raise self._no_such("pair", pair.id)
            (
                state,
                paid,
                call,
                body,
                used,
                written,
                cached,
                reasoning,
                estimated,
                usd,
                flops,
            ) = found
            if call is None:
                return None
            usage = Usage(used, written, cached, reasoning, bool(estimated))
            if not paid:
                if state != "open" or not self._charge(pair.id, call):
                    return None
                self._do(
                    sql.PAY,
                    pair=pair.id,
                    call=call,
                    tokens=usage.total,
                    usd=usd,
                    flops=flops,
                )
            return Answer(call, body, usage)

    def send(self, pair: Pair, role: str, request: bytes, worst: Cost) -> int | None:
        """To be called before the request's first byte leaves. request: the exact body, without credentials. worst:
        the most it can cost; what the pair's hold lacks of it must fit the budget. Returns the call's id, or None: it
        does not fit, or the arm overran."""
        refuse_worst(worst, self.budget, self.total)
        with self._work.operation():
            self._refuse_total(worst)
            made = self._do(sql.CALL, **self._key(pair, role, request), **vars(worst))
            if not made.rowcount or made.lastrowid is None:
                raise LedgerError(
                    f"pair {pair.id} can't send a call",
                    got=self._state(pair),
                    allowed="open",
                )
            if not self._charge(pair.id, made.lastrowid):
                self._do("DELETE FROM calls WHERE id = :call", call=made.lastrowid)
                return None
            return made.lastrowid

    def elsewhere(self, pair: Pair, role: str, request: bytes) -> bool:
        """Whether a process that is alive has this call in flight for another arm: its answer can be waited for."""
        with self._work.operation():
            arms = self._do(
                sql.FLYING_ELSEWHERE, **self._key(pair, role, request)
            ).fetchall()
            return any(is_held(self._lock_of(arm)) for (arm,) in arms)

    def _lock_of(self, arm: int) -> Path:
        return self.path.with_name(f"{self.path.name}-arm{arm}")

    def answer(
        self, call: int, body: str, usage: Usage | None, latency_s: float, price: Price
    ) -> Usage:
        """Keeps what came back, and charges what it used, at that price, instead of the worst case.

        usage None: the server did not say; the worst case stays charged, all of it as estimated input tokens, for how
        it splits is unknown. More than the worst case: charged as reported, and nothing more is sent (`overran`).
        """
        if usage is not None and min(usage.input_tokens, usage.output_tokens) < 0:
            raise LedgerError(
                "the tokens of an answer can't be negative",
                got=usage,
                allowed="0 or more",
            )
        with self._work.operation():
            came: dict[str, Value] = {
                "call": call,
                "body": body,
                "latency_s": latency_s,
            }
            if usage is None:
                found = self._do(sql.ESTIMATE, **came).fetchone()
                if found is None:
                    raise self._not_in_flight(call, "answered")
                return Usage(found[0], 0, estimated=True)
            cost = price.of(usage)
            if not self._do(
                sql.ANSWER, **came, usd=cost.usd, flops=cost.flops, **vars(usage)
            ).rowcount:
                raise self._not_in_flight(call, "answered")
            return usage

    def refuse(self, call: int, reason: str) -> None:
        """The call cost nothing (429, 5xx, no connection): its worst case goes back to the hold, for the next try."""
        self._end(call, "refused", reason)

    def doubt(self, call: int, reason: str) -> None:
        """Nobody knows what the call cost (a timeout, a reset): it stays charged in full."""
        self._end(call, "in_doubt", reason)

    def settle(self, pair: Pair) -> None:
        """All of the pair's calls are done; what it still holds is released."""
        with self._work.operation():
            if found := self._do(sql.FLYING_OF, pair=pair.id).fetchone():
                what = f"pair {pair.id} can't be settled: call {found[0]} is in flight"
                raise LedgerError(what, fix="answer, refuse or doubt it first")
            self._close(pair, "settled")

    def fail(self, pair: Pair, reason: str) -> None:
        """Gives the pair up: what it still holds is released, a call in flight is in doubt from now on. The pair
        counts as generated if any of its calls was answered or is in doubt."""
        with self._work.operation():
            self._close(pair, "failed", reason)
            doubt = f"state = 'in_doubt', reason = 'its pair was given up' WHERE id IN ({sql.FLYING_OF})"
            self._do(f"UPDATE calls SET {doubt}", pair=pair.id)
            paid = "EXISTS (SELECT 1 FROM costs WHERE pair = :pair AND state IN ('answered', 'in_doubt'))"
            self._do(
                f"UPDATE pairs SET counted = counted AND {paid} WHERE id = :pair",
                pair=pair.id,
            )

    def spend(
        self, *, before_round: int | None = None, round: int | None = None
    ) -> Spend:
        """What this arm has committed, of the pairs reserved in those rounds; answers of other arms as if bought."""
        these = "arm = :arm AND (:before IS NULL OR round < :before) AND (:round IS NULL OR round = :round)"
        pairs, held = (
            f"SELECT coalesce(sum({n}), 0) FROM pairs WHERE {these}"
            for n in ("counted", "hold_tokens")
        )
        query = (
            f"SELECT ({pairs}), {SUMS}, ({held}) + {FLYING} FROM costs WHERE {these}"
        )
        with self._work.lock:  # else it could see half a group of another thread
            return Spend(*self._do(query, before=before_round, round=round).fetchone())

    def costs(self) -> list[RoleSpend]:
        """The same by round and role; pairs: those that paid for a call of the role."""
        with self._work.lock:
            found = self._do(sql.BY_ROLE).fetchall()
            latency: dict[tuple[str, int], list[float]] = {}
            for role, round, latency_s in self._do(sql.LATENCIES):
                latency.setdefault((role, round), []).append(latency_s)
        return [
            RoleSpend(
                role,
                round,
                sent,
                Spend(*sums),
                median_and_p95(latency.get((role, round), [])),
            )
            for role, round, sent, *sums in found
        ]

    def bought(self) -> Spend:
        """What was really sent, by all arms together. pairs: those that sent something that was not refused."""
        pairs = "SELECT count(DISTINCT pair) FROM calls WHERE state <> 'refused'"
        with self._work.lock:
            return Spend(
                *self._do(f"SELECT ({pairs}), {SUMS}, {FLYING} FROM calls").fetchone()
            )

    def committed(self) -> Budget:
        """What counts against each limit of this arm by now, holds and calls in flight included. Quick."""
        with self._work.lock:
            found = self._do(
                "SELECT pairs, tokens, usd, flops FROM arms WHERE id = :arm"
            ).fetchone()
        return Budget(*(found or (0, 0, 0, 0)))

    def paid(self) -> Budget:
        """The same without what is only held: of the pairs that are done, and of the answers so far."""
        with self._work.lock:
            parts = [self._do(query).fetchone() for query in (sql.HELD, sql.FLIGHT)]
            committed = vars(self.committed()).values()
        return Budget(
            *(
                all_ - sum(pending)
                for all_, *pending in zip(committed, *parts, strict=True)
            )
        )

    def left(self, *, before_round: int | None = None) -> Budget:
        """What the rounds before that one leave of each limit, 0 or more."""
        these = "arm = :arm AND (:before IS NULL OR round < :before)"
        sums = ", ".join(
            f"coalesce(sum({n}), 0)"
            for n in ("counted", "hold_tokens", "hold_usd", "hold_flops")
        )
        with self._work.lock:
            held = self._do(
                f"SELECT {sums} FROM pairs WHERE {these}", before=before_round
            ).fetchone()
            paid = "coalesce(sum(tokens), 0), coalesce(sum(usd), 0), coalesce(sum(flops), 0)"
            charged = self._do(
                f"SELECT 0, {paid} FROM costs WHERE {these}", before=before_round
            ).fetchone()
        limits = vars(self.budget).values()
        used = map(sum, zip(held, charged, strict=True))
        return Budget(
            *(
                None if limit is None else max(0, limit - n)
                for limit, n in zip(limits, used, strict=True)
            )
        )

    def usages(self, round: int) -> list[tuple[str, str, Usage]]:
        """(seed, role, usage) of every answered call of that round that this arm has paid for, in their order."""
        fields = "seed, role, input_tokens, output_tokens, cached_tokens, reasoning_tokens, estimated"
        query = f"SELECT {fields} FROM costs WHERE arm = :arm AND round = :round AND state = 'answered' ORDER BY call"
        with self._work.lock:
            found = self._do(query, round=round).fetchall()
        return [
            (seed, role, Usage(sent, came, cached, reasoning, bool(estimated)))
            for seed, role, sent, came, cached, reasoning, estimated in found
        ]

    def answers(self, role: str) -> list[tuple[str, int, str]]:
        """(seed, n, body) of every answered call of that role that this arm has paid for, in the order of the calls."""
        these = "costs.arm = :arm AND costs.role = :role AND costs.state = 'answered'"
        query = f"SELECT costs.seed, costs.n, body FROM costs JOIN calls ON id = call WHERE {these} ORDER BY id"
        with self._work.lock:
            return self._do(query, role=role).fetchall()

    @property
    def overran(self) -> bool:
        """A call of this arm used more than its worst case: no reservation can be trusted, so nothing more is sent."""
        with self._work.lock:
            found = self._do(
                "SELECT excess_tokens + excess_usd + excess_flops FROM arms WHERE id = :arm"
            ).fetchone()
        return bool(found[0])

    @property
    def overran_why(self) -> str | None:
        over = "arm = :arm AND (tokens > worst_tokens OR usd > worst_usd)"
        query = f"SELECT call, role, tokens, worst_tokens FROM costs WHERE {over} ORDER BY call"
        with self._work.lock:
            found = self._do(query).fetchone()
        return (
            "call {} ({}) used {} tokens where {} is the worst case".format(*found)
            if found
            else None
        )

    def _do(self, statement: str, **values: Value) -> sqlite3.Cursor:
        """The caller holds the lock."""
        return self._db.execute(statement, {**self._values, **values})

    def _key(self, pair: Pair, role: str, request: bytes) -> dict[str, Value]:
        return {
            "pair": pair.id,
            "role": role,
            "request": sha256(request).hexdigest(),
            "repeat": self.draws,
        }

    def _charge(self, pair: int, call: int) -> bool:
        """Charges the call's worst case to the pair, if what its hold lacks of it fits."""
        return bool(self._do(sql.CHARGE, pair=pair, call=call).rowcount)

    def _end(self, call: int, state: str, reason: str) -> None:
        with self._work.operation():
            if not self._do(sql.END, call=call, state=state, reason=reason).rowcount:
                raise self._not_in_flight(call, state.replace("_", " "))

    def _close(self, pair: Pair, state: str, reason: str | None = None) -> None:
        if not self._do(sql.CLOSE, pair=pair.id, state=state, reason=reason).rowcount:
            raise LedgerError(
                f"pair {pair.id} can't become {state}",
                got=self._state(pair),
                allowed="open",
            )

    def _state(self, pair: Pair) -> str:
        found = self._do(
            "SELECT state FROM pairs WHERE id = :pair AND arm = :arm", pair=pair.id
        ).fetchone()
        if found is None:
            raise self._no_such("pair", pair.id)
        return str(found[0])

    def _not_in_flight(self, call: int, wanted: str) -> LedgerError:
        mine = (
            "calls JOIN pairs ON pairs.id = pair WHERE calls.id = :call AND arm = :arm"
        )
        found = self._do(f"SELECT calls.state FROM {mine}", call=call).fetchone()
        if found is None:
            return self._no_such("call", call)
        return LedgerError(
            f"call {call} can't become {wanted}", got=found[0], allowed="sent"
        )

    def _no_such(self, what: str, id: int) -> LedgerError:
        return LedgerError(
            f"no such {what}",
            got=id,
            allowed=f"a {what} of arm {self.arm!r}, repeat {self.repeat}",
        )

    def _refuse_total(self, worst: Cost) -> None:
        """All arms together: what was answered, and the worst case of what is in flight or in doubt."""
        limits = {
            kind: limit for kind, limit in vars(self.total).items() if limit is not None
        }
        if not limits:
            return
        sent = dict(
            zip(
                ("teacher_tokens", "usd", "flops"),
                self._do(sql.SENT).fetchone(),
                strict=True,
            )
        )
        more = {"teacher_tokens": worst.tokens, "usd": worst.usd, "flops": worst.flops}
        for kind, limit in limits.items():
            if (
                sent[kind] + (more[kind] or 0) > limit
            ):  # a price that is unknown was refused before
                raise BudgetClosed(
                    f"budget.total is spent: all arms together may have used {as_given(kind, sent[kind])} {kind}",
                    got=f"a call that may use {as_given(kind, more[kind] or 0)} more",
                    allowed=as_given(kind, limit),
                    fix="raise budget.total and run the same command: what is bought is kept",
                )
