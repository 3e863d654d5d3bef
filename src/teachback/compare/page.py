"""A comparison as one HTML file that needs nothing else."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from ..run.files import commit_file
from .plots import Plot
from .summarise import Comparison
from .tables import finding_lines

STYLE = """\
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
    lines = [*finding_lines(comparison.findings), *comparison.notes]
    items = [f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines)]
    page = [
        "<!doctype html>",
        "<meta charset='utf-8'>",
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        "<ul>",
        *items,
        "</ul>",
        *plot_sections(plots),
        "",
    ]
    commit_file(path, "\n".join(page).encode())


def plot_sections(plots: Sequence[Plot]) -> Iterable[str]:
    import plotly.io as pio

    for number, plot in enumerate(plots):
        yield f"<h2>{escape(plot.title)}</h2>"
        yield f"<p class='what'>{escape(plot.caption)}</p>"
        yield pio.to_html(
            plot.figure,
            full_html=False,
            include_plotlyjs=number == 0,  # the script is in the file once
            config={"displayModeBar": False},
        )
