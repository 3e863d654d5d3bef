"""File locks between processes (flock). The system releases a lock when its process ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ACQUIRE_TRIES = 20
ACQUIRE_PAUSE_S = 0.01


def acquire_lock(path: Path) -> int | None:
    """Return a file descriptor that holds the lock until it is closed.

    None: another process has it. `is_locked` takes the lock for an instant, so one failed
    try proves nothing.
    """
    file = _open_lock_file(path)
    for _ in range(ACQUIRE_TRIES):
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        time.sleep(ACQUIRE_PAUSE_S)
    os.close(file)
    return None


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Hold the lock inside the block. Waits as long as another process has it."""
    file = _open_lock_file(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def is_locked(path: Path) -> bool:
    """Tell whether a process that is alive holds the lock."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _open_lock_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
