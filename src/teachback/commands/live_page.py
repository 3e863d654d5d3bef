"""`teachback report RUN --serve`: the page of a run, live while the run is at work."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..config.reading import read_run_config
from ..endpoints.raw_text import read_raw_text
from ..errors import ConfigError, TeachbackError, require_modules
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
Stamps = tuple[tuple[int, int], ...]


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
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def has_begun(self) -> bool:
        is_known = (self.folder / "settings.json").exists()
        return is_known and find_run_ledger(self.folder).exists()

    def render(self) -> str:
        """One page after the other: that of a large run takes seconds, and memory."""
        name = self.folder.absolute().name
        with self._lock:
            if not self.has_begun:
                reason = f"No run has begun in {self.folder}. This page shows it once it has."
                return render_waiting_page(name, "no run yet", reason, WAITING_VERSION)
            # Before anything is read: what finishes meanwhile makes another version.
            version = hash_step_files(self.folder)
            try:
                return self._render_run(version)
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
            return read_live_progress(self.folder, n_seeds, self._read_spend)
        except TeachbackError as error:
            first_line = str(error).partition("\n")[0]
            return LiveProgress(UNREADABLE_VERSION, "unreadable", first_line)

    def _read_spend(self) -> Spend:
        """What was read last, while the ledger's files are as they were then."""
        ledger_path = find_run_ledger(self.folder)
        stamps = read_stamps(ledger_path)
        if self._spend is None or self._spend[0] != stamps:
            repeat = read_run_config(self.folder).repeat
            with open_run_ledger(self.folder, repeat) as ledger:
                self._spend = (stamps, ledger.spend())
        return self._spend[1]


def read_stamps(ledger: Path) -> Stamps:
    """Sizes and times of the ledger and of its log, as far as they are there."""
    paths = [ledger, ledger.with_name(f"{ledger.name}-wal")]
    stats = [path.stat() for path in paths if path.exists()]
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)
