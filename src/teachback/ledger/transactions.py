"""Durable transactions on one SQLite connection that threads share."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import LedgerError, TeachbackError, is_disk_error, make_disk_error


class Transactions:
    """Whole transactions, and parts of one."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self.path = path
        # Held during a transaction. Readers take it too, or they could see half a group of
        # another thread.
        self.lock = threading.RLock()
        self._db = db
        self._depth = 0
        self._spoiled = False  # an operation failed after its first write

    @contextmanager
    def group(self) -> Iterator[None]:
        """A durable transaction. A group within a group is a savepoint."""
        with self.lock:
            whole = self._depth == 0
            if not whole:
                self._check_transaction_is_open()
            try:
                self._db.execute("BEGIN IMMEDIATE" if whole else "SAVEPOINT part")
            except sqlite3.OperationalError as error:
                raise self._explain(error) from error
            self._depth += 1
            try:
                yield
                if whole and self._spoiled:
                    raise LedgerError(
                        f"an operation on {self.path} failed halfway: "
                        "see the error before this one"
                    )
                self._db.execute("COMMIT" if whole else "RELEASE part")
            except sqlite3.OperationalError as error:
                self._roll_back(whole)
                # Inside a group the caller may go on: the error is explained at its end.
                raise self._explain(error) if whole else error from error
            except BaseException:
                self._roll_back(whole)
                raise
            finally:
                self._depth -= 1
                self._spoiled = self._spoiled and not whole

    @contextmanager
    def operation(self) -> Iterator[None]:
        """A transaction of its own, or a part of the group around it.

        A part does without the cost of a savepoint, because an operation raises before its
        first write. If SQLite itself fails after that (a full disk), the whole group is
        undone.
        """
        with self.lock:
            if self._depth == 0:
                with self.group():
                    yield
                return
            self._check_transaction_is_open()
            try:
                yield
            except sqlite3.Error:
                self._spoiled = True
                raise

    def _check_transaction_is_open(self) -> None:
        """A full disk can end a transaction. What follows in its group must not commit alone."""
        if not self._db.in_transaction:
            raise LedgerError(
                f"the transaction on {self.path} was rolled back: "
                "see the error before this one"
            )

    def _roll_back(self, whole: bool) -> None:
        if not self._db.in_transaction:
            return
        # What fails here fails because of the error that is under way, which is the one to see.
        with suppress(sqlite3.Error):
            if whole:
                self._db.execute("ROLLBACK")
            else:
                self._db.execute("ROLLBACK TO part")
                self._db.execute("RELEASE part")

    def _explain(self, error: sqlite3.OperationalError) -> TeachbackError:
        """What SQLite can't do, as a full or read-only disk makes it say, or another process."""
        if is_disk_error(error):
            return make_disk_error(self.path, error)
        return LedgerError(
            f"the ledger {self.path} can't be used",
            got=error,
            fix="see that no other program has it open, then run the same command",
        )
