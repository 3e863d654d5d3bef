"""Async work for callers that are not async, and its interruption."""

import asyncio
import os
import signal
import threading
import time
from contextvars import ContextVar

import pytest

from teachback.endpoints.event_loop import WorkStopper, run_async

CELL: ContextVar[str] = ContextVar("CELL")


async def name_cell() -> tuple[str, bool]:
    await asyncio.sleep(0)
    return CELL.get(), threading.current_thread() is threading.main_thread()


def test_it_works_with_and_without_a_loop_and_keeps_the_context() -> None:
    async def from_a_coroutine() -> tuple[str, bool]:
        return run_async(name_cell())

    CELL.set("cell 3")
    assert run_async(name_cell()) == ("cell 3", True)
    assert asyncio.run(from_a_coroutine()) == ("cell 3", False)


def test_an_error_is_that_of_the_work() -> None:
    async def fail() -> None:
        raise ValueError("it")

    async def from_a_coroutine() -> None:
        run_async(fail())

    with pytest.raises(ValueError, match="it"):
        asyncio.run(from_a_coroutine())


def test_ctrl_c_cancels_the_work_before_it_is_raised() -> None:
    """As in a notebook: the handler raises at once, in the thread of the caller."""
    events: list[str] = []
    is_running = threading.Event()

    async def work() -> None:
        is_running.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            events.append("cleaned up")

    def interrupt() -> None:
        is_running.wait()
        os.kill(os.getpid(), signal.SIGINT)

    async def from_a_coroutine() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=interrupt).start()
        try:
            run_async(work())
        except KeyboardInterrupt:
            events.append("interrupted")

    started = time.monotonic()
    asyncio.run(from_a_coroutine())
    assert events == ["cleaned up", "interrupted"]
    assert time.monotonic() - started < 30


def test_work_that_is_stopped_before_it_begins() -> None:
    async def work() -> None:
        raise AssertionError("it went on")

    async def wait_first() -> None:
        await asyncio.sleep(0)
        await work()

    stopper = WorkStopper()
    stopper.stop()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopper.guard(wait_first()))
    stopper.stop()
