"""Calls in a sliding window: a slow call never blocks the rest.

An **order** is everything that is bought for one purpose: a pair for a seed, or a judge's verdict
on an attempt. Its first call is known beforehand. Orders are reserved in the order in which they
are given, so what the budget buys does not depend on which call comes back first (rule L2).

**Has the order failed, or the endpoint?** An order whose call got no answer in its tries *waits*.
- The next answer that is bought from that endpoint shows that it is up. What waits for it fails,
  each order with its own reason.
- `TeacherDown` is raised in two cases. Either max(3, in_flight) orders wait. Or nothing is left in
  flight, and one of those waiting was turned away unread, or 3 or more wait and the endpoint has
  never answered. What waits stays open, so that the same command asks it again.
- Otherwise what still waits when nothing is in flight fails.
When an error stops everything, what is in flight is let finish, because it is paid for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from ..endpoints.endpoint import Endpoint
from ..endpoints.event_loop import run_async
from ..endpoints.replies import Completion, parse_completion
from ..errors import TeachbackError, TeacherDown
from ..ledger.costs import Cost
from ..ledger.group_commit import GroupCommit
from ..ledger.ledger import Ledger
from ..ledger.pairs import Pair, RecordedAnswer
from .client import Client, Halt, NothingSent, OrderFailed, Unanswered

MIN_WAITING = 3

_Result = TypeVar("_Result")


@dataclass
class Order(Generic[_Result]):
    seed: str
    n: int
    round: int
    # Of all its calls.
    worst_cost: Cost
    # Of its first call.
    role: str
    request: bytes
    # What there is of the result so far.
    result: _Result
    # buy(order, pair, known) buys the calls and keeps `result` up to date. known: the answer to
    # the first call, if the ledger has it.
    buy: Callable[["Order[_Result]", Pair, RecordedAnswer | None], Awaitable[None]]
    # fail(result, reason): the result of an order that got no answer.
    fail: Callable[[_Result, str], _Result]
    # The pair's kind in the ledger. Only "pair" counts as generated.
    kind: str = "pair"


@dataclass(frozen=True)
class _ReservedOrder(Generic[_Result]):
    # Among all orders.
    position: int
    order: Order[_Result]
    pair: Pair
    # The answer to its first call, if the ledger has it.
    known: RecordedAnswer | None


@dataclass(frozen=True)
class _WaitingOrder(Generic[_Result]):
    reserved: _ReservedOrder[_Result]
    why: Unanswered


@dataclass
class Window(Generic[_Result]):
    """The state of one purchase."""

    ledger: Ledger
    group: GroupCommit
    halt: Halt
    on_progress: Callable[[int], None] = lambda done: None
    # By the order's position.
    results: dict[int, _Result] = field(default_factory=dict)
    waiting: list[_WaitingOrder[_Result]] = field(default_factory=list)

    async def buy_all(self, orders: Iterable[Order[_Result]]) -> tuple[_Result, ...]:
        """The result of each order, in their order, without those that the budget can't pay for."""
        running: set[asyncio.Task[None]] = set()
        numbered = enumerate(orders)
        # The next orders, not yet reserved.
        queue: list[tuple[int, Order[_Result]]] = []
        async with asyncio.TaskGroup() as tasks:
            while True:
                while running and self.count_free(len(running)) < 1:
                    _, running = await asyncio.wait(
                        running, return_when=asyncio.FIRST_COMPLETED
                    )
                # All for which there is room are reserved in one transaction. One by one, each
                # would wait for its own commit.
                room = max(1, self.count_free(len(running)))
                queue += islice(numbered, max(0, room - len(queue)))
                if not queue:
                    break
                reserved = await self.reserve(queue[:room])
                if not reserved:
                    # Whether the head of the queue fits must not depend on which call came back
                    # first. It is tried once more when everything before it has settled. If it
                    # still doesn't fit, nothing behind it is tried at all.
                    await self.finish_running(running)
                    running = set()
                    reserved = await self.reserve(queue[:1])
                if not reserved:
                    break
                running |= {tasks.create_task(self.buy(one)) for one in reserved}
                queue = queue[len(reserved) :]
            await self.finish_running(running)
        if self.halt.error:
            raise self.halt.error
        return tuple(self.results[position] for position in sorted(self.results))

    async def ask(
        self,
        client: Client,
        pair: Pair,
        role: str,
        request: bytes,
        max_tokens: int,
        *,
        known: RecordedAnswer | None = None,
        look: bool = False,
    ) -> Completion:
        """The answer to one call of an order: the one known, or else the ledger's, or else
        bought.

        look: whether the ledger is asked first.
        """
        if look:
            known = await self.group.run(self.ledger.find_answer, pair, role, request)
        if known is None:
            completion = await client.ask(pair, role, request, max_tokens)
            await self.fail_waiting(client)
        else:
            completion = parse_completion(known.body)
        client.has_answered = True
        return completion

    def count_free(self, n_running: int) -> int:
        """Free places for more orders.

        Orders that wait keep their place. Those that sleep before a retry lend it, as long as
        the endpoint answers.
        """
        teacher = self.halt.clients[0]
        lent = min(self.in_flight, teacher.n_asleep) if teacher.has_answered else 0
        places = min(self.in_flight, self.max_waiting - len(self.waiting))
        return places + lent - n_running

    @property
    def in_flight(self) -> int:
        return self.halt.clients[0].endpoint.in_flight

    @property
    def max_waiting(self) -> int:
        """So many orders without an answer mean that the endpoint is down."""
        return max(MIN_WAITING, self.in_flight)

    async def reserve(
        self, orders: Sequence[tuple[int, Order[_Result]]]
    ) -> list[_ReservedOrder[_Result]]:
        """Reserves the orders, up to the first that doesn't fit the budget."""

        def reserve_in_one_transaction() -> list[_ReservedOrder[_Result]]:
            reserved = []
            with self.ledger.group():
                for position, order in orders:
                    pair = self.ledger.reserve(
                        order.seed,
                        order.n,
                        order.round,
                        order.worst_cost,
                        kind=order.kind,
                    )
                    if pair is None:
                        break
                    known = self.ledger.find_answer(pair, order.role, order.request)
                    reserved.append(_ReservedOrder(position, order, pair, known))
            return reserved

        if self.halt.error:
            return []
        try:
            return await self.group.run(reserve_in_one_transaction)
        except TeachbackError as error:
            # Raised at the end as it is: a task group would wrap it.
            self.halt.stop(error)
            return []

    async def buy(self, reserved: _ReservedOrder[_Result]) -> None:
        order, pair = reserved.order, reserved.pair
        try:
            await order.buy(order, pair, reserved.known)
            if pair.state == "open":
                await self.group.run(self.ledger.settle, pair)
            self.keep_result(reserved.position, order.result)
        except OrderFailed as failed:
            await self.fail(reserved, str(failed))
        except Unanswered as unanswered:
            self.wait(_WaitingOrder(reserved, unanswered))
        except NothingSent:
            pass
        except TeachbackError as error:
            self.halt.stop(error)

    async def fail_waiting(self, client: Client) -> None:
        """The endpoint has answered, so what waits for it has failed on its own."""
        if self.waiting and not self.halt.error:
            waiting = self.waiting
            self.waiting = [one for one in waiting if one.why.client is not client]
            for one in waiting:
                if one.why.client is client:
                    await self.fail(one.reserved, str(one.why))

    async def finish_running(self, running: set[asyncio.Task[None]]) -> None:
        """Waits for all in flight, then decides about the orders that wait."""
        if running:
            await asyncio.wait(running)
        for client in self.halt.clients:
            waiting = [one for one in self.waiting if one.why.client is client]
            is_unread = any(one.why.last_try.is_unread for one in waiting)
            is_silent = len(waiting) >= MIN_WAITING and not client.has_answered
            if is_unread or is_silent:
                self.halt.stop(explain_silence(client, waiting))
            await self.fail_waiting(client)

    def wait(self, order: _WaitingOrder[_Result]) -> None:
        self.waiting.append(order)
        if len(self.waiting) >= self.max_waiting:
            self.halt.stop(explain_silence(order.why.client, self.waiting))

    async def fail(self, reserved: _ReservedOrder[_Result], reason: str) -> None:
        order, pair = reserved.order, reserved.pair
        try:
            if pair.state == "open":
                await self.group.run(self.ledger.fail, pair, reason)
        except TeachbackError as error:
            self.halt.stop(error)
            return
        self.keep_result(reserved.position, order.fail(order.result, reason))

    def keep_result(self, position: int, result: _Result) -> None:
        self.results[position] = result
        self.on_progress(len(self.results))


def buy_orders(
    ledger: Ledger,
    endpoints: Sequence[Endpoint],
    make_orders: Callable[[Window[_Result]], Iterable[Order[_Result]]],
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[_Result, ...]:
    """The result of each order, in their order, without those that the budget can't pay for.

    The endpoints' clients are window.halt.clients, in their order. The first one's in_flight is
    the window's size. If this is interrupted, calls without an outcome are in doubt. It works
    under a running event loop too, such as a notebook's: then in a thread of its own.
    Raises ConfigError (no key), TeacherDown, and what `Order.buy` raises.
    """

    async def buy() -> tuple[_Result, ...]:
        halt = Halt()
        try:
            async with AsyncExitStack() as stack:
                group = await stack.enter_async_context(GroupCommit(ledger))
                for endpoint in endpoints:
                    client = Client(endpoint, ledger, group, halt)
                    await stack.enter_async_context(client)
                ledger.redact = halt.redact
                window = Window[_Result](ledger, group, halt, on_progress)
                return await window.buy_all(make_orders(window))
        finally:
            for client in halt.clients:
                client.abandon()

    return run_async(buy())


def explain_silence(
    client: Client, waiting: Sequence[_WaitingOrder[_Result]]
) -> TeacherDown:
    endpoint = client.endpoint
    last_try = waiting[-1].why.last_try
    return TeacherDown(
        f"the teacher gave no answer to the last {len(waiting)} pairs, {endpoint.tries} tries "
        "at most",
        got=last_try.full_reason,
        fix=last_try.fix
        or f"see that {endpoint.url} is up and takes `model`, `options` and `cap_field` as "
        "they are; "
        "the same command asks these pairs again",
    )
