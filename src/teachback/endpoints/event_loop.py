"""Runs async work for callers that are not async."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Lock
from typing import Any, TypeVar

_T = TypeVar("_T")


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """The work's result.

    Where an event loop runs already, as in a notebook, the work gets a thread of its own. Ctrl-C
    reaches the caller's thread only, so it is passed on: the work is cancelled, and has ended when
    this raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)

    stopper = WorkStopper()
    with ThreadPoolExecutor(1) as thread:
        # The context tells a notebook which cell it is whose work prints something.
        run = copy_context().run
        future = thread.submit(run, asyncio.run, stopper.guard(work))
        try:
            return future.result()
        except BaseException:
            stopper.stop()
            raise


class WorkStopper:
    """Cancels work that runs in another thread's loop, or that is about to."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_stopped = False
        self._cancel: Callable[[], object] | None = None

    async def guard(self, work: Coroutine[Any, Any, _T]) -> _T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task
        with self._lock:
            self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
            if self._is_stopped:
                task.cancel()
        try:
            return await work
        finally:
            with self._lock:
                self._cancel = None

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            if self._cancel:
                self._cancel()
