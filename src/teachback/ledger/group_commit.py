"""Many tasks, one durable transaction: the ledger for asyncio."""

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, ParamSpec, Self, TypeVar

from ..errors import LedgerError
from .ledger import Ledger

P = ParamSpec("P")
T = TypeVar("T")


class _Job(NamedTuple):
    operation: Callable[[], Any]
    caller: asyncio.Future[Any]


class GroupCommit:
    """`await group.run(ledger.send, pair, ...)`: what all tasks have queued while the last transaction was under way
    becomes the next one, in a thread of its own. Callers get their results after the commit; an operation that raises
    undoes itself only. If the commit itself fails, each operation runs once more, alone: give it nothing but operations
    of the ledger, or several inside a `ledger.group()`.

    What was queued is carried out even if its caller is cancelled: an answer that came back is never lost. (A `send`
    whose caller is gone stays charged; `fail` of its pair, or the next opening, puts it in doubt.)
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._jobs: list[
            _Job
        ] = []  # of the event loop alone; the thread gets them a batch at a time
        self._batches: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._busy = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop = None
        self._batches.put(self._jobs)
        self._batches.put(None)
        try:
            await asyncio.to_thread(self._thread.join)
        finally:
            self._thread.join()  # cancelled or not: the ledger may be closed next

    async def run(
        self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Raises what the operation or the commit raised; LedgerError outside of the `async with` block."""
        if self._loop is None:
            raise LedgerError(
                "this GroupCommit is not open",
                fix="async with GroupCommit(ledger) as group",
            )
        caller: asyncio.Future[T] = self._loop.create_future()
        self._jobs.append(_Job(partial(operation, *args, **kwargs), caller))
        if not self._busy:
            self._busy = True
            self._loop.call_soon(
                self._hand_over
            )  # after the tasks that are ready now have queued theirs
        return await caller

    def _hand_over(self) -> None:
        self._busy = bool(self._jobs)
        if self._jobs and self._loop is not None:
            self._batches.put(self._jobs)
            self._jobs = []

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            if batch:
                self._commit(batch)

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            with self._ledger.group():
                outcomes = [self._attempt(job.operation) for job in jobs]
        except Exception:  # a full disk ends the transaction of all: nothing is in the file, each tries alone
            outcomes = [self._attempt(job.operation) for job in jobs]
        jobs[0].caller.get_loop().call_soon_threadsafe(self._deliver, jobs, outcomes)

    def _deliver(
        self, jobs: list[_Job], outcomes: list[tuple[Any, Exception | None]]
    ) -> None:
        self._hand_over()
        for (_, caller), (result, failure) in zip(jobs, outcomes, strict=True):
            if caller.done():
                continue  # cancelled while it waited
            if failure is None:
                caller.set_result(result)
            else:
                caller.set_exception(failure)

    def _attempt(self, operation: Callable[[], Any]) -> tuple[Any, Exception | None]:
        try:
            return operation(), None
        except Exception as error:
            return None, error
