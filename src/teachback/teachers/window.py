"""A sliding window of orders: what each buys is reserved in order, and settled, failed or left
open in the ledger.

An **order** is everything that is bought for one purpose (a pair for a seed, a judge's grade of
an attempt); its first call is known beforehand. Orders are reserved in the order in which they
are given, and what the budget buys does not depend on who comes back first (rule L2).

**Is it the order or the endpoint?** An order whose call got no answer in its tries *waits*.
- The next bought answer of that endpoint shows that it is up: what waits for it fails, each with
  its reason.
- `TeacherDown` is raised, and what waits stays open, so that the same command asks it again: when
  max(3, in_flight) orders wait; or, with nothing left in flight, when one of them was turned away
  unread, or when 3 or more wait and there was no answer at all, not even from earlier.
- Otherwise those still waiting when nothing is in flight fail.
What is in flight when an error stops everything is let finish, because it is paid for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from ..endpoints.endpoint import Endpoint
from ..endpoints.replies import Completion, parse_completion
from ..errors import TeachbackError, TeacherDown
from ..ledger.costs import Cost
from ..ledger.group_commit import GroupCommit
from ..ledger.ledger import Ledger, Pair, RecordedAnswer
from .client import Client, Failed, Halt, Stopped, Unanswered

T = TypeVar("T")


@dataclass
class Order(Generic[T]):
    """role, request: of the first call. made: what there is of it so far. fill(order, pair,
    known): buys it, `known` being the answer to the first call if the ledger has it, and keeps
    `made` up to date. lost(made, reason): how it ends without an answer. kind: what the ledger
    knows it as; "pair" counts as generated.
    """

    seed: str
    n: int
    round: int
    worst_cost: Cost
    role: str
    request: bytes
    result: T
    buy: Callable[["Order[T]", Pair, RecordedAnswer | None], Awaitable[None]]
    fail: Callable[[T, str], T]
    kind: str = "pair"


@dataclass(frozen=True)
class _Waiting(Generic[T]):
    place: int
    pair: Pair
    order: Order[T]
    why: Unanswered


@dataclass
class Window(Generic[T]):
    """The state of one purchase. done: what was made, by its order's place."""

    ledger: Ledger
    group: GroupCommit
    halt: Halt
    on_progress: Callable[[int], None] = lambda done: None
    results: dict[int, T] = field(default_factory=dict)
    waiting: list[_Waiting[T]] = field(default_factory=list)

    async def buy_orders(self, orders: Iterable[Order[T]]) -> tuple[T, ...]:
        """What was made of each order, in their order; orders that the budget could not pay are
        left out.
        """
        running: set[asyncio.Task[None]] = set()
        coming, head = (
            enumerate(orders),
            list[tuple[int, Order[T]]](),
        )  # head: the next ones, not yet reserved
        async with asyncio.TaskGroup() as tasks:
            while True:
                while running and self.count_free(len(running)) < 1:
                    _, running = await asyncio.wait(
                        running, return_when=asyncio.FIRST_COMPLETED
                    )
                # All for which there is room, in one transaction: one by one, each would wait for
                # its own commit
                room = max(1, self.count_free(len(running)))
                head += islice(coming, max(0, room - len(head)))
                if not head:
                    break
                found = await self.reserve([order for _, order in head[:room]])
                if not found:
                    # Whether the head of the queue fits must not depend on who came back first:
                    # it is asked once
                    # more when everything before it has settled, and then nothing behind it is
                    # asked at all.
                    await self.finish_running(running)
                    running = set()
                    found = await self.reserve([head[0][1]])
                if not found:
                    break
                for (place, order), one in zip(head, found, strict=False):
                    running.add(tasks.create_task(self.buy(place, order, *one)))
                head = head[len(found) :]
            await self.finish_running(running)
        if self.halt.error:
            raise self.halt.error
        return tuple(self.results[place] for place in sorted(self.results))

    async def ask(
        self,
        client: Client,
        pair: Pair,
        role: str,
        request: bytes,
        cap: int,
        *,
        known: RecordedAnswer | None = None,
        look: bool = False,
    ) -> Completion:
        """The answer to one call, for `fill`: the one known, else (look) the ledger's, else
        bought.
        """
        if look:
            known = await self.group.run(self.ledger.find_answer, pair, role, request)
        if known is None:
            completion = await client.ask(pair, role, request, cap)
            await self.mark_up(client)
        else:
            completion = parse_completion(known.body)
        client.heard = True
        return completion

    def count_free(self, running: int) -> int:
        """For more orders.

        Those that wait keep their place; those asleep lend it while the endpoint answers.
        """
        first = self.halt.clients[0]
        lent = min(self.in_flight, first.asleep) if first.heard else 0
        return (
            min(self.in_flight, self.max_waiting - len(self.waiting)) + lent - running
        )

    @property
    def in_flight(self) -> int:
        return self.halt.clients[0].endpoint.in_flight

    @property
    def max_waiting(self) -> int:
        """Orders that may stay without an answer."""
        return max(3, self.in_flight)

    async def reserve(
        self, orders: Sequence[Order[T]]
    ) -> list[tuple[Pair, RecordedAnswer | None]]:
        """Up to the first that does not fit: a pair each, and the answer to its first call if the
        ledger has it.
        """

        def those_that_fit() -> list[tuple[Pair, RecordedAnswer | None]]:
            found = list[tuple[Pair, RecordedAnswer | None]]()
            with self.ledger.group():  # all of it, or nothing if an operation raises
                for order in orders:
                    pair = self.ledger.reserve(
                        order.seed,
                        order.n,
                        order.round,
                        order.worst_cost,
                        kind=order.kind,
                    )
                    if pair is None:
                        break
                    found.append(
                        (pair, self.ledger.find_answer(pair, order.role, order.request))
                    )
            return found

        if self.halt.error:
            return []
        try:
            return await self.group.run(those_that_fit)
        except (
            TeachbackError
        ) as error:  # to be raised as it is, not in the task group's envelope
            self.halt.stop(error)
            return []

    async def buy(
        self, place: int, order: Order[T], pair: Pair, known: RecordedAnswer | None
    ) -> None:
        try:
            await order.buy(order, pair, known)
        except Failed as failed:
            await self.fail(place, pair, order, str(failed))
        except Unanswered as unanswered:
            self.wait(_Waiting(place, pair, order, unanswered))
        except Stopped:
            pass
        except TeachbackError as error:
            self.halt.stop(error)
        else:
            if pair.state == "open":
                await self.group.run(self.ledger.settle, pair)
            self.keep_result(place, order.result)

    async def mark_up(self, client: Client) -> None:
        """The endpoint has answered: what waits for a sign of it has failed on its own."""
        if self.waiting and not self.halt.error:
            gone = [one for one in self.waiting if one.why.client is client]
            self.waiting = [one for one in self.waiting if one.why.client is not client]
            for one in gone:
                await self.fail(one.place, one.pair, one.order, str(one.why))

    async def finish_running(self, running: set[asyncio.Task[None]]) -> None:
        """Waits for all in flight, then decides about the orders that wait for a sign of their
        endpoint.
        """
        if running:
            await asyncio.wait(running)
        for client in self.halt.clients:
            mine = [one for one in self.waiting if one.why.client is client]
            if any(one.why.miss.unread for one in mine) or (
                len(mine) >= 3 and not client.heard
            ):
                self.halt.stop(report_silence(client, mine))
            await self.mark_up(client)

    def wait(self, one: _Waiting[T]) -> None:
        self.waiting.append(one)
        if len(self.waiting) >= self.max_waiting:
            self.halt.stop(report_silence(one.why.client, self.waiting))

    async def fail(self, place: int, pair: Pair, order: Order[T], reason: str) -> None:
        if pair.state == "open":
            await self.group.run(self.ledger.fail, pair, reason)
        self.keep_result(place, order.fail(order.result, reason))

    def keep_result(self, place: int, made: T) -> None:
        self.results[place] = made
        self.on_progress(len(self.results))


def buy_orders(
    ledger: Ledger,
    endpoints: Sequence[Endpoint],
    orders: Callable[[Window[T]], Iterable[Order[T]]],
    tell: Callable[[int], None] = lambda done: None,
) -> tuple[T, ...]:
    """What was made of each order, in order.

    A client for each endpoint stands in window.halt.clients; the first one's in_flight is the
    window's size. Interrupted, calls without an outcome are in doubt. Works under a running event
    loop too (a notebook's): then in a thread of its own.
    """

    async def buy() -> tuple[T, ...]:
        halt = Halt()
        try:
            async with AsyncExitStack() as stack:
                group = await stack.enter_async_context(GroupCommit(ledger))
                for endpoint in endpoints:
                    await stack.enter_async_context(
                        Client(endpoint, ledger, group, halt)
                    )
                window = Window[T](ledger, group, halt, tell)
                return await window.buy_orders(orders(window))
        finally:
            for client in halt.clients:
                client.abandon()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(buy())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(buy())).result()


def report_silence(client: Client, waiting: Sequence[_Waiting[T]]) -> TeacherDown:
    endpoint = client.endpoint
    return TeacherDown(
        f"the teacher gave no answer to the last {len(waiting)} pairs, {endpoint.tries} tries "
        "at most",
        got=waiting[-1].why.miss.reason,
        fix=f"see that {endpoint.url} is up and takes `model`, `options` and `cap_field` as "
        "they are; "
        "the same command asks these pairs again",
    )
