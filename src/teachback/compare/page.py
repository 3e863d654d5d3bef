"""A comparison as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..run.files import commit_file
from .tables import describe_findings

if TYPE_CHECKING:
    from .plots import Plot
    from .summarise import Comparison

PAGE_STYLE = """\
body {
  font: 15px/1.5 system-ui, sans-serif;
  max-width: 1000px;
  margin: 2em auto;
  padding: 0 1em;
}
h1 { font-size: 1.5em }
h2 { font-size: 1.15em; margin-top: 2em }
p, li { max-width: 50em }
.what { color: #555 }"""


def write_page(path: Path, comparison: Comparison, plots: Sequence[Plot]) -> None:
    title = f"{', '.join(comparison.arms)}: {comparison.repeats} repeats"
    lines = [*describe_findings(comparison.findings), *comparison.notes]
    # Where two axes are proportional, an arm has the same sentence for both
    unique_lines = dict.fromkeys(lines)
    items = [f"<li>{escape(line)}</li>" for line in unique_lines]
    page = [
        "<!doctype html>",
        "<meta charset='utf-8'>",
        f"<title>{escape(title)}</title>",
        f"<style>{PAGE_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        "<ul>",
        *items,
        "</ul>",
        *render_plots(plots),
        "",
    ]
    commit_file(path, "\n".join(page).encode())


def render_plots(plots: Sequence[Plot]) -> Iterable[str]:
    import plotly.io as pio

    for number, plot in enumerate(plots):
        yield f"<h2>{escape(plot.title)}</h2>"
        yield f"<p class='what'>{escape(plot.caption)}</p>"
        yield pio.to_html(
            plot.figure,
            full_html=False,
            include_plotlyjs=number == 0,  # once is enough for the whole page
            config={"displayModeBar": False},
        )
