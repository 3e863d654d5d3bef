"""The browser of rows as the three parts that a page puts in: HTML, a style and a script."""

from pathlib import Path
from typing import NamedTuple

from .collect import collect_rows
from .packing import pack_rows
from .sources import RowSources

ASSETS = Path(__file__).with_name("assets")
# In this order they make one script: each uses what stands before it.
SCRIPTS = ("data", "filter", "list", "elements", "detail", "browser")


class RowBrowser(NamedTuple):
    """For a page whose policy allows this script by its hash, and no network."""

    html: str  # with the packed rows in a block that is never executed
    css: str
    js: str


def render_row_browser(run_dir: Path, sources: RowSources | None = None) -> RowBrowser:
    """Reads the run's files alone: safe while the run is at work.

    sources: the seeds' questions and the raw replies, which the steps don't hold. No text of the
    run is markup here: all of them are in the packed block, and the script shows them as text.
    """
    rows = collect_rows(run_dir, sources or RowSources(notes=(NO_SOURCES,)))
    packed = pack_rows(rows)
    html = read_asset("browser.html").replace("{{ columns }}", packed.columns)
    html = html.replace("{{ texts }}", packed.texts)
    scripts = [read_asset(f"{name}.js") for name in SCRIPTS]
    body = "\n".join(scripts)
    return RowBrowser(
        html, read_asset("browser.css"), f'(() => {{\n"use strict";\n{body}}})();\n'
    )


NO_SOURCES = "the seeds' questions and the raw replies are left out of this page"


def read_asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
