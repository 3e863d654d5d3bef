"""Locks that say whether a process is alive: the system lets go of them when it ends, however that happens."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

TRIES, PAUSE_S = 20, 0.01


def hold(path: Path) -> int | None:
    """An open file that holds the lock until it is closed; None: another process has it. Who asks whether a lock is
    held has it for an instant, hence more than one try."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    for _ in range(TRIES):
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        time.sleep(PAUSE_S)
    os.close(file)
    return None


def is_held(path: Path) -> bool:
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
