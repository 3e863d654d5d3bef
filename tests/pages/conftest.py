"""A real browser for the pages. Tests skip without one, and say so."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from row_pages import BrowsedRun, wait_until, wrap_parts
from teachback.commands.row_sources import read_row_sources
from teachback.pages.row_browser import render_row_browser
from teachback.run.history import read_history
from teachback.testing import fake_run

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's Chromium under playwright, without a window.

    Not for the session: while it is open, other tests of this process can't start an event loop.
    """
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browsed_run(tmp_path_factory: pytest.TempPathFactory) -> BrowsedRun:
    """Three rounds of 20 of 45 seeds: some are selected twice, some never. Texts are hostile."""
    folder = tmp_path_factory.mktemp("pages") / "run"
    function = f"{Path(__file__).with_name('hostile_task.py')}:make_hostile_sums"
    task = {"name": "own", "function": function, "options": {"seeds": 45}}
    fake_run(folder, rounds=3, per_round=20, criterion="wrong", task=task, seed=3)
    rounds = read_history(folder).rounds
    rejected = [one for done in rounds for one in done.fresh.rejected]
    return BrowsedRun(
        folder,
        read_row_sources(folder, trust=True),
        tuple(row for done in rounds for row in done.fresh.rows),
        {f"{one.seed}#{one.n}": one.reason for one in rejected},
    )


@pytest.fixture(scope="session")
def rows_page(browsed_run: BrowsedRun) -> str:
    return wrap_parts(render_row_browser(browsed_run.folder, browsed_run.sources))


@pytest.fixture
def open_rows(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """open_rows(html, width=1440): a tab with all rows unpacked. At its end it must be silent."""
    heard: list[str] = []
    contexts: list[Any] = []
    path = tmp_path / "page.html"

    def hear_request(request: Any) -> None:
        if request.url.partition("#")[0] != path.as_uri():
            heard.append(f"request {request.url}")

    def open_page(html: str, width: int = 1440) -> Any:
        path.write_text(html, encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: heard.append(message.text))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("request", hear_request)
        tab.goto(path.as_uri())
        wait_until(tab, "performance.getEntriesByName('rows-texts').length")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


@pytest.fixture
def rows_tab(open_rows: Callable[..., Any], rows_page: str) -> Any:
    return open_rows(rows_page)


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """open_page(path, width, scheme): a tab. At the end it must have been silent."""
    told: list[str] = []
    contexts: list[Any] = []

    def open_it(path: Path, width: int = 900, scheme: str = "light") -> Any:
        viewport = {"width": width, "height": 900}
        context = chromium.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: told.append(message.text))
        tab.on("pageerror", lambda error: told.append(str(error)))
        tab.on("dialog", lambda dialog: told.append(dialog.message))
        tab.on(
            "request",
            lambda request: (
                request.url.partition("#")[0] == path.as_uri()
                or told.append(f"request {request.url}")
            ),
        )
        tab.goto(path.as_uri())
        return tab

    yield open_it
    for context in contexts:
        context.close()
    assert told == []
