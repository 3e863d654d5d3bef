"""The ledger for asyncio: many tasks share one durable transaction."""

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Self, TypeVar

from ..errors import LedgerError

if TYPE_CHECKING:
    from .ledger import Ledger

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Job(NamedTuple):
    operation: Callable[[], Any]
    caller: asyncio.Future[Any]


class _Outcome(NamedTuple):
    result: Any
    failure: Exception | None


class GroupCommit:
    """`await group.run(ledger.charge_call, pair, ...)` from any number of tasks.

    What tasks queue while one transaction is under way becomes the next one, in a thread of
    its own. Callers get their results after the commit. An operation that raises undoes
    itself only. If the commit itself fails, each operation runs once more, alone. So give it
    nothing but operations of the ledger, or several inside a `ledger.group()`.

    A queued operation is carried out even if its caller is cancelled: an answer that came
    back is never lost. A `charge_call` whose caller is gone stays charged, until `fail` of its pair
    or the next opening puts it in doubt.
    """

    def __init__(self, ledger: "Ledger") -> None:
        self._ledger = ledger
        # Only the event loop touches the jobs. The thread gets them a batch at a time.
        self._jobs: list[_Job] = []
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
        self, operation: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Raises what the operation or the commit raised.

        Raises LedgerError outside of the `async with` block.
        """
        if self._loop is None:
            raise LedgerError(
                "this GroupCommit is not open",
                fix="async with GroupCommit(ledger) as group",
            )
        caller: asyncio.Future[_T] = self._loop.create_future()
        self._jobs.append(_Job(partial(operation, *args, **kwargs), caller))
        if not self._busy:
            self._busy = True
            # Not at once: tasks that are ready now shall queue theirs first.
            self._loop.call_soon(self._hand_over)
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
        except Exception:
            # A full disk ends everybody's transaction. Nothing is in the file: retry alone.
            outcomes = [self._attempt(job.operation) for job in jobs]
        loop = jobs[0].caller.get_loop()
        loop.call_soon_threadsafe(self._deliver, jobs, outcomes)

    def _attempt(self, operation: Callable[[], Any]) -> _Outcome:
        try:
            return _Outcome(operation(), None)
        except Exception as error:
            return _Outcome(None, error)

    def _deliver(self, jobs: list[_Job], outcomes: list[_Outcome]) -> None:
        self._hand_over()
        for (_, caller), (result, failure) in zip(jobs, outcomes, strict=True):
            if caller.done():
                continue  # cancelled while it waited
            if failure is None:
                caller.set_result(result)
            else:
                caller.set_exception(failure)
