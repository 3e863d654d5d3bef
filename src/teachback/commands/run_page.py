"""`teachback report`, and the page that `teachback run` leaves."""

from collections.abc import Sequence
from pathlib import Path

from ..compare.page.render import PAGE_FILE as COMPARISON_PAGE_FILE
from ..compare.page.render import write_comparison_page
from ..compare.page.sources import read_comparison_sources
from ..compare.places import RunPlace
from ..config.reading import read_run_config
from ..endpoints.raw_text import read_raw_text
from ..pages.row_browser import RowSources
from ..pages.run_page import PAGE_FILE, write_run_page
from ..pages.sources import PageSources, SeedPool
from ..run.identity import COMPARISON_MARKER
from ..types import Example
from .read_run import open_run_ledger, read_status
from .row_sources import read_row_sources, read_seed_pool


def report_folder(folder: Path, to: Path | None = None, *, trust: bool = False) -> Path:
    """Write the page of what lies in a folder. Returns where it is.

    to: default, PAGE_FILE in the folder, or the comparison's. trust: see `read_row_sources`. Raises
    ConfigError where there is no run.
    """
    if (folder / COMPARISON_MARKER).exists():
        return report_comparison(folder, to, trust=trust)
    page = to or folder / PAGE_FILE
    write_run_page(page, read_page_sources(folder, trust=trust))
    return page


def report_comparison(folder: Path, to: Path | None, *, trust: bool) -> Path:
    def read_pool(place: RunPlace) -> SeedPool:
        return read_seed_pool(place.folder, read_run_config(place.folder), trust=trust)

    page = to or folder / COMPARISON_PAGE_FILE
    write_comparison_page(page, read_comparison_sources(folder, read_pool))
    return page


def read_page_sources(folder: Path, *, trust: bool = False) -> PageSources:
    return add_status(folder, read_row_sources(folder, trust=trust))


def leave_run_page(folder: Path, seeds: Sequence[Example]) -> Path:
    """The page of a run that this process has just finished, with the seeds that it knows."""
    with open_run_ledger(folder, read_run_config(folder).repeat) as ledger:
        rows = RowSources(seeds, ledger.replies(), read_raw_text)
    page = folder / PAGE_FILE
    write_run_page(page, add_status(folder, rows))
    return page


def add_status(folder: Path, rows: RowSources) -> PageSources:
    status = read_status(folder, with_costs=True)
    with open_run_ledger(folder, read_run_config(folder).repeat) as ledger:
        return PageSources(status, ledger.amount_reserved(), rows)
