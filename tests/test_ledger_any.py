"""The ledger under any sequence of operations, against a model."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ledgers import CALL_ENDS, PAIR_ENDS, PRICE, cost, crash, got, rows
from teachback.errors import LedgerError
from teachback.ledger.costs import Budget, Usage
from teachback.ledger.ledger import Ledger
from teachback.ledger.pairs import Pair

# Any sequence, against a model


@dataclass
class PairModel:
    arm: str
    seed: str
    round: int
    hold: int
    state: str = "open"
    counted: int = 1
    charges: dict[int, int] = field(default_factory=dict)


@dataclass
class CallModel:
    key: tuple[str, bytes, str]
    tried: int
    worst: int
    pair: int
    state: str = "sent"
    usage: Usage | None = None
    body: str = ""


SEEDS = st.sampled_from("vwxyz")
ROLES = st.sampled_from(["question", "answer"])
REQUESTS = st.sampled_from([b"1", b"2"])
TOKENS = st.integers(0, 30)
ENDS = st.sampled_from(["refused", "in_doubt", "unsaid"] + ["answered"] * 9 + ["over"])
ARMS = st.sampled_from(["one", "two"])


class AnySequence(RuleBasedStateMachine):
    """Two arms in one file, one of them at work; each has a budget of its own."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")  # where there is one, syncing costs no time
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.path = self.folder / "ledger.db"
        self.pairs: dict[int, PairModel] = {}
        self.calls: dict[int, CallModel] = {}
        self.budgets = {"one": Budget(), "two": Budget()}
        self.over: set[str] = set()
        self.crashes = self.age = 0
        self.arm = "one"

    @initialize(
        data=st.data(),
        one=st.integers(1, 150),
        two=st.integers(1, 150),
        pairs=st.integers(2, 6),
    )
    def begin(self, data: st.DataObject, one: int, two: int, pairs: int) -> None:
        self.budgets = {"one": Budget(pairs, one), "two": Budget(None, two)}
        self.ledger = Ledger(self.path, arm=self.arm, budget=self.budgets[self.arm])
        for arm in ("two", "one"):
            self.crash(arm, kill=False, more=0)
            for seed in "vw":
                self.reserve(seed, 0, min(one, two) // 5)
            for id in self.open() if arm == "two" else ():
                if call := self.sent(id, "question", b"1", 5):
                    self.finish(call, data, "answered")

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
        shutil.rmtree(self.folder)

    def mine(self, arm: str) -> dict[int, PairModel]:
        return {id: pair for id, pair in self.pairs.items() if pair.arm == arm}

    def tokens(self, arm: str) -> int:
        return sum(
            pair.hold + sum(pair.charges.values()) for pair in self.mine(arm).values()
        )

    def fits(self, more: int) -> bool:
        limit = self.budgets[self.arm].teacher_tokens
        return self.arm not in self.over and (
            limit is None or self.tokens(self.arm) + max(0, more) <= limit
        )

    def open(self) -> list[int]:
        return [id for id, pair in self.mine(self.arm).items() if pair.state == "open"]

    def flying(self) -> list[int]:
        return [
            id
            for id, call in self.calls.items()
            if call.state == "sent" and self.pairs[call.pair].arm == self.arm
        ]

    def for_sale(self) -> list[tuple[int, int]]:
        """Open pairs of this arm, with the answers that another arm has had to the same key."""
        answered = [id for id, call in self.calls.items() if call.state == "answered"]
        both = [
            (pair, id)
            for pair in self.open()
            for id in answered
            if self.calls[id].key[2] == self.pairs[pair].seed
        ]
        return [(pair, id) for pair, id in both if id not in self.pairs[pair].charges]

    def handle(self, id: int) -> Pair:
        return Pair(id, "open", None)  # stale on purpose: the ledger goes by its file

    @rule(seed=SEEDS, round=st.integers(0, 1), tokens=TOKENS)
    def reserve(self, seed: str, round: int, tokens: int) -> None:
        known = [id for id, pair in self.mine(self.arm).items() if pair.seed == seed]
        limit = self.budgets[self.arm].generated
        room = (
            limit is None
            or sum(pair.counted for pair in self.mine(self.arm).values()) + 1 <= limit
        )
        self.age += 1
        pair = self.ledger.reserve(seed, 0, round, cost(tokens))
        if known:
            assert pair is not None
            assert (pair.id, pair.state) == (known[0], self.pairs[known[0]].state)
        elif room and self.fits(tokens):
            assert pair is not None
            assert pair.id not in self.pairs
            self.pairs[pair.id] = PairModel(self.arm, seed, round, tokens)
        else:
            assert pair is None

    @precondition(lambda self: self.open())
    @rule(
        data=st.data(),
        role=ROLES,
        request=REQUESTS,
        worst=TOKENS,
        end=st.one_of(st.none(), ENDS),
    )
    def send(
        self,
        data: st.DataObject,
        role: str,
        request: bytes,
        worst: int,
        end: str | None,
    ) -> None:
        call = self.sent(data.draw(st.sampled_from(self.open())), role, request, worst)
        if call is not None and end:
            self.finish(call, data, end)

    def sent(self, id: int, role: str, request: bytes, worst: int) -> int | None:
        pair = self.pairs[id]
        self.age += 1
        fits = self.fits(worst - pair.hold)
        call = self.ledger.charge_call(self.handle(id), role, request, cost(worst))
        assert (call is not None) == fits
        if call is not None:
            key = (role, request, pair.seed)
            tries = [other.tried for other in self.calls.values() if other.key == key]
            self.calls[call] = CallModel(key, len(tries) + 1, worst, id)
            pair.hold = max(0, pair.hold - worst)
            pair.charges[call] = worst
        return call

    @precondition(lambda self: self.flying())
    @rule(data=st.data(), end=ENDS)
    def end(self, data: st.DataObject, end: str) -> None:
        self.age += 1
        self.finish(data.draw(st.sampled_from(self.flying())), data, end)

    def finish(self, id: int, data: st.DataObject, end: str) -> None:
        call = self.calls[id]
        if end == "refused":
            self.ledger.refuse(id, "429")
            self.pairs[call.pair].charges[id] = 0
            self.pairs[call.pair].hold += call.worst
        elif end == "in_doubt":
            self.ledger.doubt(id, "timeout")
        else:
            call.body = data.draw(st.text())
            written = (
                data.draw(st.integers(0, call.worst))
                if end == "answered"
                else call.worst + (end == "over")
            )
            call.usage = (
                Usage(call.worst, 0, estimated=True)
                if end == "unsaid"
                else Usage(written - written // 2, written // 2)
            )
            reported = None if end == "unsaid" else call.usage
            assert self.ledger.answer(id, call.body, reported, 0.1, PRICE) == call.usage
            self.pairs[call.pair].charges[id] = call.usage.total
            if call.usage.total > call.worst:
                self.over.add(self.arm)
        call.state = end if end in ("refused", "in_doubt") else "answered"

    @precondition(
        lambda self: len(self.open()) > 1
    )  # else most sequences end with nothing left to do
    @rule(data=st.data(), settle=st.booleans())
    def close(self, data: st.DataObject, settle: bool) -> None:
        id = data.draw(st.sampled_from(self.open()))
        pair = self.pairs[id]
        flying = [call for call in pair.charges if self.calls[call].state == "sent"]
        if settle and flying:
            with pytest.raises(LedgerError):
                self.ledger.settle(self.handle(id))
            return
        if settle:
            self.ledger.settle(self.handle(id))
        else:
            self.ledger.fail(self.handle(id), "unparsed")
            pair.counted = int(
                any(self.calls[call].state != "refused" for call in pair.charges)
            )
        pair.state, pair.hold = "settled" if settle else "failed", 0
        for call in flying:
            self.calls[call].state = "in_doubt"

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), bug=st.sampled_from([*PAIR_ENDS.values()]))
    def use_a_pair_wrongly(
        self, data: st.DataObject, bug: Callable[[Ledger, Pair], object]
    ) -> None:
        """One that is closed, or that belongs to the other arm."""
        id = data.draw(st.sampled_from([*self.pairs]))
        if id not in self.open():
            with pytest.raises(LedgerError):
                bug(self.ledger, self.handle(id))
            with pytest.raises(LedgerError):
                self.ledger.charge_call(self.handle(id), "question", b"1", cost(0))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), bug=st.sampled_from([*CALL_ENDS.values()]))
    def use_a_call_wrongly(
        self, data: st.DataObject, bug: Callable[[Ledger, int], object]
    ) -> None:
        id = data.draw(st.sampled_from([*self.calls]))
        if id not in self.flying():
            with pytest.raises(LedgerError):
                bug(self.ledger, id)

    @precondition(lambda self: self.for_sale())
    @rule(data=st.data())
    def share(self, data: st.DataObject) -> None:
        pair, call = data.draw(st.sampled_from(self.for_sale()))
        self.serve(pair, *self.calls[call].key[:2])

    @precondition(lambda self: self.mine(self.arm))
    @rule(data=st.data(), role=ROLES, request=REQUESTS)
    def answered(self, data: st.DataObject, role: str, request: bytes) -> None:
        self.serve(data.draw(st.sampled_from([*self.mine(self.arm)])), role, request)

    @precondition(
        lambda self: any(call.state == "answered" for call in self.calls.values())
    )
    @rule(data=st.data())
    def serve_again(self, data: st.DataObject) -> None:
        """An answered call is always there for the pair that paid for it, open or closed."""
        answered = [call for call in self.calls.values() if call.state == "answered"]
        call = data.draw(st.sampled_from(answered))
        if self.pairs[call.pair].arm == self.arm:
            assert (
                self.ledger.find_answer(self.handle(call.pair), *call.key[:2])
                is not None
            )
            self.serve(call.pair, *call.key[:2])

    def serve(self, id: int, role: str, request: bytes) -> None:
        pair, key = self.pairs[id], (role, request, self.pairs[id].seed)
        all_ = sorted(
            (c.tried, n)
            for n, c in self.calls.items()
            if c.key == key and c.state == "answered"
        )
        paid = [n for _, n in all_ if n in pair.charges]
        served = self.ledger.find_answer(self.handle(id), role, request)
        if paid:
            call = paid[0]
        elif (
            all_
            and pair.state == "open"
            and self.fits(self.calls[all_[0][1]].worst - pair.hold)
        ):
            call = all_[0][1]
            usage, worst = self.calls[call].usage, self.calls[call].worst
            assert usage is not None
            pair.hold = max(0, pair.hold - worst)
            pair.charges[call] = usage.total
            if usage.total > worst:
                self.over.add(self.arm)
        else:
            assert served is None
            return
        assert served is not None
        assert (served.call, served.body, served.usage) == (
            call,
            self.calls[call].body,
            self.calls[call].usage,
        )

    @precondition(
        lambda self: self.age > 5
    )  # else most of the time nothing is in flight
    @rule(arm=ARMS, kill=st.booleans(), more=st.integers(0, 30))
    def crash(self, arm: str, kill: bool, more: int) -> None:
        """Another process goes on, for the same arm or another, with as much budget or more."""
        if kill:
            self.crashes += 1
            self.path = crash(self.path, self.folder / str(self.crashes))
        self.age = 0
        self.ledger.close()
        old = self.budgets[arm]
        self.budgets[arm] = Budget(old.generated, got(old.teacher_tokens) + more)
        self.arm = arm
        self.ledger = Ledger(self.path, arm=arm, budget=self.budgets[arm])
        for call in self.calls.values():
            if call.state == "sent" and self.pairs[call.pair].arm == arm:
                call.state = "in_doubt"

    @precondition(lambda self: self.age == 5)
    @rule()
    def lower(self) -> None:
        """A budget below what is committed is refused, and the refusal changes nothing."""
        self.age += 1
        if (tokens := self.tokens(self.arm)) and self.arm not in self.over:
            with pytest.raises(LedgerError, match="teacher_tokens"):
                Ledger(self.path, arm=self.arm, budget=Budget(None, tokens - 1))

    @invariant()
    def the_budget_holds(self) -> None:
        for arm, tokens in rows(self.path, "SELECT arm, tokens FROM arms"):
            assert isinstance(arm, str)
            assert tokens == self.tokens(arm)
            limit = self.budgets[arm].teacher_tokens
            assert arm in self.over or limit is None or self.tokens(arm) <= limit

    @invariant()
    def spend_is_the_models(self) -> None:
        for round in (None, 0, 1):
            pairs = [
                pair
                for pair in self.mine(self.arm).values()
                if round in (None, pair.round)
            ]
            charged = [
                (self.calls[call], tokens)
                for pair in pairs
                for call, tokens in pair.charges.items()
            ]
            usages = [call.usage for call, _ in charged if call.usage is not None]
            spend = self.ledger.spend(round=round)
            assert spend.pairs == sum(pair.counted for pair in pairs)
            assert spend.calls == len(usages)
            assert spend.input_tokens == sum(usage.input_tokens for usage in usages)
            assert spend.output_tokens == sum(usage.output_tokens for usage in usages)
            assert spend.estimated_calls == sum(usage.estimated for usage in usages)
            assert spend.in_doubt_calls == sum(
                call.state == "in_doubt" for call, _ in charged
            )
            assert spend.in_doubt_tokens == sum(
                tokens for call, tokens in charged if call.state == "in_doubt"
            )
            assert spend.tokens == sum(pair.hold for pair in pairs) + sum(
                tokens for _, tokens in charged
            )
        assert self.ledger.overran == (self.arm in self.over)

    @invariant()
    def calls_are_the_models(self) -> None:
        query = "SELECT id, seed, try, state, body FROM calls ORDER BY id"
        model = [
            (
                id,
                call.key[2],
                call.tried,
                call.state,
                call.body if call.state == "answered" else None,
            )
            for id, call in sorted(self.calls.items())
        ]
        assert rows(self.path, query) == model
        assert len({(call.key, call.tried) for call in self.calls.values()}) == len(
            self.calls
        )
        bought = self.ledger.spend_of_all_arms()
        sent = [call for call in self.calls.values() if call.state != "refused"]
        assert bought.pairs == len({call.pair for call in sent})
        assert bought.tokens == sum(
            call.usage.total if call.usage else call.worst for call in sent
        )


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
