"""Many tasks, one durable transaction: the ledger for asyncio."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, Self, TypeVar

from .errors import LedgerError
from .ledger import Ledger

P = ParamSpec("P")
T = TypeVar("T")


class GroupCommit:
    """`await group.run(ledger.send, pair, ...)`: what all tasks have queued becomes one durable transaction, in a
    thread of its own. Callers get their results after the commit; an operation that raises undoes itself only. If
    the commit itself fails, each operation runs once more, alone: give it nothing but operations of the ledger.

    What was queued is carried out even if its caller is cancelled: an answer that came back is never lost. (A `send`
    whose caller is gone stays charged; `fail` of its pair, or the next opening, puts it in doubt.)
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        thread, self._thread = self._thread, None
        self._queue.put(None)
        if thread is not None:
            try:
                await asyncio.to_thread(thread.join)
            finally:
                thread.join()  # cancelled or not: the ledger may be closed next

    async def run(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises what the operation or the commit raised; LedgerError outside of the `async with` block."""
        if self._thread is None:
            raise LedgerError("this GroupCommit is not open", fix="async with GroupCommit(ledger) as group")
        caller: Future[T] = Future()
        self._queue.put((partial(operation, *args, **kwargs), caller))
        return await asyncio.wrap_future(caller)

    def _work(self) -> None:
        jobs = []
        while None not in jobs:
            jobs = [self._queue.get()]
            with suppress(queue.Empty):
                while True:
                    jobs.append(self._queue.get_nowait())
            if batch := [job for job in jobs if job is not None]:
                self._commit(batch)

    def _commit(self, jobs: list[tuple[Callable[[], Any], Future[Any]]]) -> None:
        try:
            with self._ledger.group():
                outcomes = [self._attempt(operation) for operation, _ in jobs]
        except Exception:  # a full disk ends the transaction of all: nothing is in the file, each tries alone
            outcomes = [self._attempt(operation) for operation, _ in jobs]
        for (_, caller), (result, failure) in zip(jobs, outcomes, strict=True):
            if not caller.set_running_or_notify_cancel():
                continue  # cancelled while it waited
            if failure is None:
                caller.set_result(result)
            else:
                caller.set_exception(failure)

    def _attempt(self, operation: Callable[[], Any]) -> tuple[Any, Exception | None]:
        try:
            with self._ledger.group():
                return operation(), None
        except Exception as error:
            return None, error
