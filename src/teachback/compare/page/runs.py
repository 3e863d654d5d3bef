"""Every run of a comparison, with a link to its own page where there is one."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ...pages.run_page import PAGE_FILE as RUN_PAGE_FILE
from ...report.formatting import display_path
from .sources import ArmRun, ComparisonSources


@dataclass(frozen=True)
class RunLink:
    """A cell of the table of runs."""

    text: str
    state: str
    href: str | None  # None: the run has no page


@dataclass(frozen=True)
class RunLinks:
    columns: tuple[str, ...]  # repeats
    rows: tuple[tuple[str, tuple[RunLink | None, ...]], ...]  # None: not begun
    command: str  # that makes the page of a run
    has_all_pages: bool


def collect_run_links(sources: ComparisonSources, page: Path) -> RunLinks:
    """page: where the comparison's page will lie. Links are relative to its folder."""
    runs = {(run.place.arm, run.place.repeat): run for run in sources.runs}
    repeats = sorted({repeat for _, repeat in runs})
    arms = dict.fromkeys([*sources.arms, *(arm for arm, _ in runs)])
    rows = []
    for arm in arms:
        cells = [runs.get((arm, repeat)) for repeat in repeats]
        rows.append((arm, tuple(link_run(run, page) for run in cells)))
    return RunLinks(
        tuple(f"repeat {repeat}" for repeat in repeats),
        tuple(rows),
        f"teachback report {display_path(sources.root.absolute())}/repeat-0/ARM",
        has_all_pages(sources.runs),
    )


def has_all_pages(runs: Sequence[ArmRun]) -> bool:
    return all((run.place.folder / RUN_PAGE_FILE).exists() for run in runs)


def link_run(run: ArmRun | None, page: Path) -> RunLink | None:
    if run is None:
        return None
    text = "not measured yet"
    if run.reports:
        text = f"{run.reports[0].accuracy:.0%} → {run.reports[-1].accuracy:.0%}"
    n = len(run.rounds)
    state = f"{n} round{'' if n == 1 else 's'}"
    if run.state != "finished":
        state += f", {run.state}"
    own_page = run.place.folder / RUN_PAGE_FILE
    href = None
    if own_page.exists():
        path = os.path.relpath(own_page.resolve(), page.resolve().parent)
        href = quote(Path(path).as_posix())
    return RunLink(text, state, href)
