"""`teachback report RUN --serve`: the page of a run, live while the run is at work."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ..config.reading import read_run_config
from ..endpoints.raw_text import read_raw_text
from ..errors import ConfigError, DataError, TeachbackError, require_modules
from ..ledger.costs import Spend
from ..pages.live_progress import (
    UNREADABLE_VERSION,
    WAITING_VERSION,
    LiveProgress,
    hash_step_files,
    read_live_progress,
)
from ..pages.live_server import serve_live_page
from ..pages.rendering import PAGE_MODULES
from ..pages.row_browser import RowSources
from ..pages.run_page import render_run_page
from ..pages.sources import SeedPool
from ..pages.waiting_page import render_waiting_page
from ..run.identity import COMPARISON_MARKER, check_format, refuse_foreign_folder
from .read_run import find_run_ledger, open_run_ledger
from .row_sources import read_seed_pool
from .run_page import add_status

WAITING_STATE = "waiting"
SETTLED_NS = 1_000_000_000
READ_TRIES, READ_PAUSE_S = 3, 0.2
Stamps = tuple[tuple[int, int], ...]  # size in bytes, time of the last write in ns
_Value = TypeVar("_Value")


def serve_run_page(
    folder: Path, port: int, announce: Callable[[str], object], *, trust: bool = False
) -> None:
    """Show the run until Ctrl-C or SIGTERM. It may begin later: then the folder is empty, or isn't.

    announce(address): called once the page is there. Raises ConfigError for another folder, and if
    the port is taken.
    """
    require_modules("the page of a run", PAGE_MODULES)
    refuse_other_folders(folder)
    serve_live_page(LiveRun(folder, trust), port, announce)


def refuse_other_folders(folder: Path) -> None:
    if (folder / COMPARISON_MARKER).exists():
        raise ConfigError(
            f"the comparison in {folder} is not shown live",
            allowed="a run's directory, such as that of one of its arms",
            fix=f"teachback report {folder}/repeat-0/ARM --serve",
        )
    if folder.is_dir():
        check_format(folder)
        refuse_foreign_folder(folder)
    elif folder.exists():
        raise ConfigError(f"{folder} is no folder", fix="give a run's directory")


@dataclass
class LiveRun:
    """A run's folder, as a server shows it to several readers."""

    folder: Path
    trust: bool
    # Read once: it takes the task's data, and may take a function of the user's.
    _pool: SeedPool | None = None
    _spend: tuple[Stamps, Spend] | None = None
    _render_lock: threading.Lock = field(default_factory=threading.Lock)
    _spend_lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def has_begun(self) -> bool:
        is_known = (self.folder / "settings.json").exists()
        return is_known and find_run_ledger(self.folder).exists()

    def render(self) -> str:
        """One page after the other: that of a large run takes seconds, and memory."""
        name = self.folder.absolute().name
        with self._render_lock:
            if not self.has_begun:
                reason = f"No run has begun in {self.folder}. This page shows it once it has."
                return render_waiting_page(name, "no run yet", reason, WAITING_VERSION)
            # Before anything is read: what finishes meanwhile makes another version.
            version = hash_step_files(self.folder)
            try:
                return read_again(lambda: self._render_run(version))
            except TeachbackError as error:
                return render_waiting_page(
                    name, "the run can't be read", str(error), UNREADABLE_VERSION
                )

    def _render_run(self, version: str) -> str:
        config = read_run_config(self.folder)
        if self._pool is None:
            self._pool = read_seed_pool(self.folder, config, trust=self.trust)
        with open_run_ledger(self.folder, config.repeat) as ledger:
            replies = ledger.replies()
        pool = self._pool
        rows = RowSources(pool.seeds, replies, read_raw_text, pool.notes)
        return render_run_page(add_status(self.folder, rows), version)

    def read_progress(self) -> LiveProgress:
        if not self.has_begun:
            doing = "Waiting for a run to begin."
            return LiveProgress(WAITING_VERSION, WAITING_STATE, doing)
        n_seeds = len(self._pool.seeds) if self._pool and self._pool.seeds else None
        try:
            return read_again(
                lambda: read_live_progress(self.folder, n_seeds, self._read_spend)
            )
        except TeachbackError as error:
            first_line = str(error).partition("\n")[0]
            return LiveProgress(UNREADABLE_VERSION, "unreadable", first_line)

    def _read_spend(self) -> Spend:
        """What was read last, while the ledger's files are as they were then."""
        with self._spend_lock:
            path = find_run_ledger(self.folder)
            now = time.time_ns()
            stamps = read_stamps(path)
            if self._spend and self._spend[0] == stamps:
                return self._spend[1]
            with open_run_ledger(self.folder, self._repeat) as ledger:
                spend = ledger.spend()
            # A file that has just been written may change once more at what counts as that time.
            is_settled = all(now - time_ns > SETTLED_NS for _, time_ns in stamps)
            self._spend = (stamps, spend) if is_settled else None
            return spend

    @cached_property
    def _repeat(self) -> int:
        return read_run_config(self.folder).repeat


def read_stamps(ledger: Path) -> Stamps:
    """Sizes and times of the ledger and of its log, as far as they are there."""
    paths = [ledger, ledger.with_name(f"{ledger.name}-wal")]
    stats = [path.stat() for path in paths if path.exists()]
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)


def read_again(read: Callable[[], _Value]) -> _Value:
    """What `read` returns, at the third try at the latest.

    A run that ends closes its ledger, and may remove a file that is just being opened.
    """
    for _ in range(READ_TRIES - 1):
        with suppress(TeachbackError, FileNotFoundError):
            return read()
        time.sleep(READ_PAUSE_S)
    try:
        return read()
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} is gone") from error
