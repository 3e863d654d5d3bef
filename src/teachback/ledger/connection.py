"""One arm's connection to a ledger file: opening it, its transactions, its statements."""

import os
import sqlite3
from pathlib import Path

from ..errors import LedgerError, is_disk_error, make_disk_error
from ..run.locks import acquire_lock, is_locked
from . import statements as sql
from .audit import check_pages
from .costs import Budget, check_budget_covers
from .schema import LEDGER_PRAGMAS, LEDGER_SCHEMA, check_ledger_version
from .transactions import Transactions

SqlValue = str | float | None


class ArmConnection:
    """An open ledger file, as one arm of one repeat writes to it.

    Opening marks the arm's in-flight calls as in doubt: the process that sent them has died.
    """

    def __init__(
        self, path: Path, arm: str, repeat: int, budget: Budget, shared: bool
    ) -> None:
        """Raises LedgerError: see `Ledger`."""
        self.path = path
        self.arm_id = 0
        self._arm_lock: int | None = None
        try:
            self.db = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self.transactions = Transactions(self.db, path)
            try:
                self._prepare_file(arm, repeat, budget, shared)
            except BaseException:
                self.close()
                raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if is_disk_error(error):
                raise make_disk_error(path, error) from error
            raise LedgerError(
                f"can't open {path}", got=error, allowed="a ledger, or no file"
            ) from error

    def _prepare_file(
        self, arm: str, repeat: int, budget: Budget, shared: bool
    ) -> None:
        # Before anything is written: WAL mode alone would change the file.
        is_new = check_ledger_version(self.db, self.path)
        for pragma in LEDGER_PRAGMAS:
            self.db.execute(pragma)
        if not is_new:
            check_pages(self.db, self.path)
        with self.transactions.group():
            if check_ledger_version(self.db, self.path):
                for statement in LEDGER_SCHEMA:
                    self.db.execute(statement)
            key: dict[str, SqlValue] = {"name": arm, "repeat": repeat}
            self.db.execute(sql.ADD_ARM, key)
            self.arm_id, *committed = self.db.execute(sql.FIND_ARM, key).fetchone()
            check_budget_covers(budget, Budget(*committed), arm)
            self._own_parameters: dict[str, SqlValue] = {
                "arm": self.arm_id,
                "max_pairs": budget.generated,
                "max_tokens": budget.teacher_tokens,
                "max_usd": budget.usd,
                "max_flops": budget.flops,
            }
            if shared:
                self._lock_arm(arm)
            self.execute(sql.DOUBT_OWN_CALLS)

    def _lock_arm(self, arm: str) -> None:
        self._arm_lock = acquire_lock(self._lock_path(self.arm_id))
        if self._arm_lock is None:
            raise LedgerError(
                f"another process is at work for arm {arm!r}",
                got=self.path,
                fix="wait for it, or stop it",
            )

    def is_alive(self, arm_id: int) -> bool:
        """Tell whether a process works for that arm. Needs `shared` of the arm's ledger."""
        return is_locked(self._lock_path(arm_id))

    def execute(self, statement: str, **parameters: SqlValue) -> sqlite3.Cursor:
        """Run a statement. The caller is inside a transaction."""
        return self.db.execute(statement, {**self._own_parameters, **parameters})

    def close(self) -> None:
        with self.transactions.lock:
            self.db.close()
            if self._arm_lock is not None:
                os.close(self._arm_lock)
                self._arm_lock = None

    def _lock_path(self, arm_id: int) -> Path:
        return self.path.with_name(f"{self.path.name}-arm{arm_id}")
