"""Runs on the public fakes in processes that can be killed: children of a fork server that has never loaded torch."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import scipy.stats  # noqa: F401 - loaded here once, not by every child

from teachback.testing import fake_run

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["crashing"])


def child(target: Callable[..., None], *args: object) -> BaseProcess:
    process = CONTEXT.Process(target=target, args=args)
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """The exit code of a child, or minus the signal that ended it."""
    process.join(60)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def run(folder: Path, rounds: int) -> None:
    fake_run(folder, rounds=rounds)
    assert "torch" not in sys.modules


def run_and_die(folder: Path, rounds: int, kill_at: int, before: bool) -> None:
    """SIGKILL in place of, or right after, the kill_at-th rename: every commit is one."""
    rename, count = os.rename, iter(range(10**6))

    def deadly(a: Path, b: Path) -> None:
        this = next(count)
        if this == kill_at and before:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(a, b)
        if this == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    os.rename = deadly  # type: ignore[assignment]
    run(folder, rounds)
