"""Every teacher and judge call with its cost, and the hard budget, in one SQLite file (L1-L6).

A *pair* is everything bought for the n-th selection of a seed. `reserve` sets its worst case aside,
its *hold*. `charge_call` moves a call's worst case from the hold into a *charge*, before the
request leaves. `answer` reduces the charge to what was used.

    call:  charge_call → sent → answered | refused (costs nothing) | in_doubt (costs its worst case)
    pair:  reserve → open → settled | failed

An arm has committed the holds of its pairs and the charges of its calls. Triggers keep that sum
in `arms`. Each statement that adds to it is an INSERT that selects nothing when the sum would pass
the budget.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Self

from ..errors import LedgerError
from . import statements as sql
from .audit import Purchase, check_purchases, hash_body
from .connection import ArmConnection, SqlValue
from .costs import (
    Budget,
    Cost,
    Price,
    RoleSpend,
    Spend,
    Usage,
    check_total,
    check_worst_case,
)
from .log_check import check_log
from .pairs import Pair, RecordedAnswer
from .queries import LedgerReader, usage_from_columns

UNLIMITED = Budget()


class Ledger:
    """One arm's view of a ledger file.

    `budget` limits this arm alone. An answer that another arm bought is served from the file,
    and charged as if this arm had bought it.

    Each operation is one durable transaction, or a part of the `group` around it. It may come
    from any thread. It raises LedgerError for a pair or a call that is in the wrong state or
    belongs to another arm: only a bug asks for that.

    Opening a ledger marks this arm's in-flight calls as in doubt: the process that sent them
    has died. So one process at a time works for an arm (R9). To look at a ledger while a
    process is at work, use `queries.open_read_only`.
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
        purchases: Sequence[Purchase] | None = None,
    ) -> None:
        """Raises LedgerError if the file can't be opened, is damaged or of another version, or if
        the budget is below what the arm has committed.

        draws: arms with the same number are served each other's answers. None: those of the
        repeat.
        shared: other processes may work on the file for other arms. Each then holds a lock
        beside the file, which says that its calls in flight are alive.
        total: limits what all arms together really send.
        purchases: what the run's steps say was bought; None: nothing yet. A file that lacks any
        of it is refused, and left as it is.
        """
        if not shared:
            check_log(path)
        check_purchases(path, arm, repeat, purchases)
        self.path = path
        self.arm = arm
        self.repeat = repeat
        self.budget = budget
        self.draws = repeat if draws is None else draws
        self.shared = shared
        self.total = total
        # Takes secrets out of a reason. Every reason that is written goes through it; whoever
        # knows the secrets sets it.
        self.redact: Callable[[str], str] = str
        self._connection = ArmConnection(path, arm, repeat, budget, shared)
        self._transactions = self._connection.transactions
        self._execute = self._connection.execute
        self._reader = LedgerReader(
            self._connection.db, self._transactions.lock, self._connection.arm_id
        )
        self.last_reply = self._reader.last_reply

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def group(self) -> AbstractContextManager[None]:
        """Make the operations inside one durable transaction. If the block raises, none counts.

        A group within a group is a savepoint: it can fail alone. A group keeps other threads
        out, so never await inside.
        """
        return self._transactions.group()

    # -- a pair begins -----------------------------------------------------------------

    def reserve(
        self, seed: str, n: int, round: int, worst: Cost, *, kind: str = "pair"
    ) -> Pair | None:
        """Set aside `worst`, the worst case of all calls of the pair.

        A pair that exists is returned as it is, and nothing is reserved. None: it does not
        fit the budget, or the arm overran. kind: "pair", or what else is bought for a seed,
        such as a judge's grade. Only "pair" counts as generated.
        """
        check_worst_case(worst, self.budget, self.total)
        with self._transactions.operation():
            inserted = self._execute(
                sql.RESERVE_PAIR,
                kind=kind,
                seed=seed,
                n=n,
                round=round,
                counted=int(kind == "pair"),
                **vars(worst),
            )
            if inserted.rowcount and inserted.lastrowid:
                return Pair(inserted.lastrowid, "open", None)
            found = self._execute(sql.FIND_PAIR, kind=kind, seed=seed, n=n).fetchone()
            return Pair(*found) if found else None

    # -- a call's life -----------------------------------------------------------------

    def find_answer(
        self, pair: Pair, role: str, request: bytes
    ) -> RecordedAnswer | None:
        """The answer to a request with this key, if there is one (L5).

        The answer that the pair has paid for comes first. Else it is the first one of any
        arm. That one is charged as if it were sent and answered now: it has to fit, and only
        an open pair gets it.
        """
        with self._transactions.operation():
            key = self._key(pair, role, request)
            found = self._execute(sql.FIND_ANSWER, **key).fetchone()
            if found is None:
                raise self._unknown("pair", pair.id)
            state, paid, call, body, usd, flops, *columns = found
            if call is None:
                return None
            usage = usage_from_columns(columns)
            if not paid:
                if state != "open" or not self._charge(pair.id, call):
                    return None
                self._execute(
                    sql.PAY_FOUND_ANSWER,
                    pair=pair.id,
                    call=call,
                    tokens=usage.total,
                    usd=usd,
                    flops=flops,
                )
            return RecordedAnswer(call, body, usage)

    def charge_call(
        self, pair: Pair, role: str, request: bytes, worst: Cost
    ) -> int | None:
        """Charge a call's worst case. To be called before the request's first byte leaves.

        request: the exact body, without credentials. worst: what the pair's hold lacks of it
        must fit the budget. Returns the call's id, or None: it does not fit, or the arm
        overran. Raises BudgetClosed if all arms together have spent `total`.
        """
        check_worst_case(worst, self.budget, self.total)
        with self._transactions.operation():
            self._check_total(worst)
            key = self._key(pair, role, request)
            inserted = self._execute(sql.INSERT_CALL, **key, **vars(worst))
            call = inserted.lastrowid
            if not inserted.rowcount or call is None:
                raise LedgerError(
                    f"pair {pair.id} can't send a call",
                    got=self._state(pair),
                    allowed="open",
                )
            if not self._charge(pair.id, call):
                self._execute(sql.DELETE_CALL, call=call)
                return None
            return call

    def is_in_flight_elsewhere(self, pair: Pair, role: str, request: bytes) -> bool:
        """Tell whether a live process has this call in flight for another arm.

        Then its answer is worth waiting for.
        """
        with self._transactions.operation():
            key = self._key(pair, role, request)
            senders = self._execute(sql.FIND_OTHER_SENDERS, **key).fetchall()
            return any(self._connection.is_alive(arm_id) for (arm_id,) in senders)

    def was_refused_before(self, call: int) -> bool:
        """Tell whether an earlier try of a refused call was refused with the same status."""
        with self._transactions.operation():
            found = self._execute(sql.COUNT_SAME_REFUSALS, call=call).fetchone()
            return bool(found[0])

    def answer(
        self, call: int, body: str, usage: Usage | None, latency_s: float, price: Price
    ) -> Usage:
        """Keep what came back. Charge what it used, at that price, instead of the worst case.

        usage None: the server did not say. The worst case stays charged, all of it as
        estimated input tokens. More than the worst case: it is charged as reported, and
        nothing more is sent (`overran`).
        """
        if usage is None:
            return self._record_estimate(call, body, latency_s)
        if min(usage.input_tokens, usage.output_tokens) < 0:
            raise LedgerError(
                "the tokens of an answer can't be negative",
                got=usage,
                allowed="0 or more",
            )
        cost = price.of(usage)
        with self._transactions.operation():
            recorded = self._execute(
                sql.RECORD_ANSWER,
                call=call,
                body=body,
                digest=hash_body(body),
                latency_s=latency_s,
                usd=cost.usd,
                flops=cost.flops,
                **vars(usage),
            )
            if not recorded.rowcount:
                raise self._not_in_flight(call, "answered")
        return usage

    def _record_estimate(self, call: int, body: str, latency_s: float) -> Usage:
        with self._transactions.operation():
            found = self._execute(
                sql.RECORD_ESTIMATE,
                call=call,
                body=body,
                digest=hash_body(body),
                latency_s=latency_s,
            ).fetchone()
            if found is None:
                raise self._not_in_flight(call, "answered")
        return Usage(found[0], 0, estimated=True)

    def refuse(self, call: int, reason: str) -> None:
        """The call cost nothing (429, 5xx, no connection). The hold gets its worst case back."""
        self._end_call(call, "refused", reason)

    def doubt(self, call: int, reason: str) -> None:
        """Nobody knows what the call cost (a timeout, a reset). It stays charged in full."""
        self._end_call(call, "in_doubt", reason)

    # -- a pair ends -------------------------------------------------------------------

    def settle(self, pair: Pair) -> None:
        """Release what the pair still holds: all of its calls are done."""
        with self._transactions.operation():
            in_flight = self._execute(sql.FIND_SENT_CALL, pair=pair.id).fetchone()
            if in_flight:
                raise LedgerError(
                    f"pair {pair.id} can't be settled: call {in_flight[0]} is in flight",
                    fix="answer, refuse or doubt it first",
                )
            self._close_pair(pair, "settled")

    def fail(self, pair: Pair, reason: str) -> None:
        """Give the pair up: its hold is released, and a call in flight is in doubt from now on.

        The pair counts as generated if any of its calls was answered or is in doubt.
        """
        with self._transactions.operation():
            self._close_pair(pair, "failed", reason)
            self._execute(sql.DOUBT_CALLS_OF_PAIR, pair=pair.id)
            self._execute(sql.COUNT_FAILED_PAIR, pair=pair.id)

    # -- sums: see LedgerReader --------------------------------------------------------

    def spend(
        self, *, before_round: int | None = None, round: int | None = None
    ) -> Spend:
        return self._reader.spend(before_round=before_round, round=round)

    def costs_by_role(self) -> list[RoleSpend]:
        return self._reader.costs_by_role()

    def spend_of_all_arms(self) -> Spend:
        return self._reader.spend_of_all_arms()

    def amount_committed(self) -> Budget:
        return self._reader.amount_committed()

    def amount_paid(self) -> Budget:
        return self._reader.amount_paid()

    def amount_left(self, *, before_round: int | None = None) -> Budget:
        """What the rounds before that one leave of each limit, 0 or more."""
        committed = vars(self._reader.amount_committed_before(before_round))
        left = {
            kind: None if limit is None else max(0, limit - committed[kind])
            for kind, limit in vars(self.budget).items()
        }
        return Budget(**left)

    def usages(self, round: int) -> list[tuple[str, str, Usage]]:
        return self._reader.usages(round)

    def answers(self, role: str) -> list[tuple[str, int, str]]:
        return self._reader.answers(role)

    @property
    def overran(self) -> bool:
        return self._reader.overran

    @property
    def overrun_reason(self) -> str | None:
        return self._reader.overrun_reason

    # -- inside a transaction ----------------------------------------------------------

    def _key(self, pair: Pair, role: str, request: bytes) -> dict[str, SqlValue]:
        return {
            "pair": pair.id,
            "role": role,
            "request": sha256(request).hexdigest(),
            "repeat": self.draws,
        }

    def _charge(self, pair: int, call: int) -> bool:
        """Charge the call's worst case to the pair, if what its hold lacks of it fits."""
        return bool(self._execute(sql.CHARGE_PAIR, pair=pair, call=call).rowcount)

    def _end_call(self, call: int, state: str, reason: str) -> None:
        with self._transactions.operation():
            ended = self._execute(
                sql.END_CALL, call=call, state=state, reason=self.redact(reason)
            )
            if not ended.rowcount:
                raise self._not_in_flight(call, state.replace("_", " "))

    def _close_pair(self, pair: Pair, state: str, reason: str | None = None) -> None:
        if reason is not None:
            reason = self.redact(reason)
        closed = self._execute(sql.CLOSE_PAIR, pair=pair.id, state=state, reason=reason)
        if not closed.rowcount:
            raise LedgerError(
                f"pair {pair.id} can't become {state}",
                got=self._state(pair),
                allowed="open",
            )

    def _check_total(self, worst: Cost) -> None:
        """All arms together: what was answered, and the worst case of the other calls."""
        if self.total != UNLIMITED:
            check_total(self.total, self._execute(sql.SUM_SENT).fetchone(), worst)

    # -- errors ------------------------------------------------------------------------

    def _state(self, pair: Pair) -> str:
        found = self._execute(sql.FIND_PAIR_STATE, pair=pair.id).fetchone()
        if found is None:
            raise self._unknown("pair", pair.id)
        return str(found[0])

    def _not_in_flight(self, call: int, end: str) -> LedgerError:
        found = self._execute(sql.FIND_CALL_STATE, call=call).fetchone()
        if found is None:
            return self._unknown("call", call)
        return LedgerError(
            f"call {call} can't become {end}", got=found[0], allowed="sent"
        )

    def _unknown(self, what: str, id: int) -> LedgerError:
        return LedgerError(
            f"no such {what}",
            got=id,
            allowed=f"a {what} of arm {self.arm!r}, repeat {self.repeat}",
        )
