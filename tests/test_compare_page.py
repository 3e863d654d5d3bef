"""The page of a comparison: what comes from data is text there, neither script nor link."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from teachback.compare.page import render_plots
from teachback.compare.plots import Plot, make_label
from teachback.compare.selection_plots import draw_selection_shares, make_panels

pytest.importorskip("plotly")

HOSTILE = [
    "</script><script>document.title='1'</script>",
    "<img src=x onerror=\"document.title='2'\">",
    "<a href='https://evil.example/?leak'>click</a>",
    "<svg onload=document.title='4'>",
    "\u2028</script>\ud800\u202e",
]


def draw_hostile() -> Any:
    seeds = [
        SimpleNamespace(id=str(i), meta={HOSTILE[0]: v}) for i, v in enumerate(HOSTILE)
    ]
    picks = [SimpleNamespace(seed=seed.id) for seed in seeds]
    finished = SimpleNamespace(chosen=SimpleNamespace(picks=picks))
    run: Any = SimpleNamespace(place=SimpleNamespace(repeat=0), rounds=[finished])
    return draw_selection_shares({HOSTILE[2]: [run]}, {0: seeds}, HOSTILE[0])  # type: ignore[dict-item]


def test_meta_values_and_arms_are_neither_markup_nor_script() -> None:
    figure = draw_hostile()
    labels = [bar.name for bar in figure.data] + [
        note.text for note in figure.layout.annotations
    ]
    assert len(labels) == len(HOSTILE) + 1
    assert not any("<" in label for label in labels)
    assert "&lt;a href='https://evil.example/?leak'&gt;click&lt;/a&gt;" in labels

    page = "\n".join(render_plots([Plot(HOSTILE[1], HOSTILE[1], figure)]))
    drawing = page[page.rindex("Plotly.newPlot") :]
    assert drawing.count("</script>") == 1  # the script's own end
    assert "<img" not in page[: page.index("<script")] + drawing
    page.encode("utf-8")


def test_a_label_is_read_back_as_the_text() -> None:
    assert make_label("2 < 3 & 'x'") == "2 &lt; 3 &amp; 'x'"
    (title,) = make_panels(["a<b"]).layout.annotations
    assert title.text == "a&lt;b"
    assert json.dumps(make_label("\ud800")) == '"\\\\ud800"'
