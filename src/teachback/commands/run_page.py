"""`teachback report`, and the page that `teachback run` leaves: a run as one HTML file."""

from collections.abc import Sequence
from pathlib import Path

from ..config.reading import read_run_config
from ..endpoints.raw_text import read_raw_text
from ..errors import ConfigError
from ..pages.row_browser import RowSources
from ..pages.run_page import PAGE_FILE, write_run_page
from ..pages.sources import PageSources
from ..run.identity import COMPARISON_MARKER
from ..types import Example
from .read_run import open_run_ledger, read_status
from .row_sources import read_row_sources


def report_folder(folder: Path, to: Path | None = None, *, trust: bool = False) -> Path:
    """Write the page of what lies in a folder. Returns where it is.

    to: default, PAGE_FILE in the folder. trust: see `read_row_sources`. Raises ConfigError where
    there is no run.
    """
    if (folder / COMPARISON_MARKER).exists():
        raise ConfigError(
            f"{folder} holds a comparison, and this is the page of one run",
            allowed="the directory of a run, such as an arm's",
            fix=f"open {folder / 'comparison.html'}, or give {folder}/repeat-0/ARM",
        )
    page = to or folder / PAGE_FILE
    write_run_page(page, read_page_sources(folder, trust=trust))
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
