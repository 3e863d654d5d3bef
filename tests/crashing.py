"""Forked children that can be killed, and runs on the public fakes in them, without torch."""

import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

from teachback.testing import fake_run


def child(target: Callable[..., None], *args: object) -> int:
    """The pid of a child that runs target(*args)."""
    pid = os.fork()
    if pid == 0:
        try:
            target(*args)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return pid


def running(pid: int) -> bool:
    """Whether a child has not ended; it is still to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def ended(pid: int) -> int:
    """The exit code of a child, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(folder: Path, rounds: int) -> None:
    fake_run(folder, rounds=rounds)


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
