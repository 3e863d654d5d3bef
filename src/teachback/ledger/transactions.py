"""Durable transactions on one SQLite connection that threads share: whole ones, and parts of one."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LedgerError


class Work:
    """lock: held while one is under way; whoever reads takes it too, else it could see half a group of another."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self.path = db, path
        self.lock, self._depth, self._spoiled = threading.RLock(), 0, False

    @contextmanager
    def group(self) -> Iterator[None]:
        """A durable transaction; a group within a group is a savepoint."""
        with self.lock:
            whole = self._depth == 0
            if (
                not whole and not self._db.in_transaction
            ):  # a full disk can end it: what follows must not commit alone
                raise LedgerError(
                    f"the transaction on {self.path} was rolled back: see the error before this one"
                )
            self._db.execute("BEGIN IMMEDIATE" if whole else "SAVEPOINT part")
            self._depth += 1
            try:
                yield
                if whole and self._spoiled:
                    raise LedgerError(
                        f"an operation on {self.path} failed halfway: see the error before this one"
                    )
                self._db.execute("COMMIT" if whole else "RELEASE part")
            except BaseException:
                if self._db.in_transaction:
                    for undo in (
                        ("ROLLBACK",) if whole else ("ROLLBACK TO part", "RELEASE part")
                    ):
                        self._db.execute(undo)
                raise
            finally:
                self._depth -= 1
                self._spoiled = self._spoiled and not whole

    @contextmanager
    def operation(self) -> Iterator[None]:
        """A transaction of its own, or a part of the group around it, without the cost of a savepoint: an operation
        raises before its first write. If SQLite itself fails after that (a full disk), the whole group is undone."""
        with self.lock:
            if self._depth == 0:
                with self.group():
                    yield
                return
            if not self._db.in_transaction:
                raise LedgerError(
                    f"the transaction on {self.path} was rolled back: see the error before this one"
                )
            try:
                yield
            except sqlite3.Error:
                self._spoiled = True
                raise
