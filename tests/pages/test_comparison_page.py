"""The page of a comparison: what it says against the runs' files, and how Chromium shows it."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from commands import command
from comparing import fake_comparison
from page_elements import Elements
from teachback.build.task import make_task
from teachback.compare.arm_results import Curve
from teachback.compare.page.curves import make_curve_band
from teachback.compare.page.render import (
    ComparisonPage,
    make_comparison_page,
    write_comparison_page,
)
from teachback.compare.page.sources import ComparisonSources, read_comparison_sources
from teachback.config.reading import read_run_config
from teachback.pages.line_charts import LineSeries, draw_lines
from teachback.pages.sources import SeedPool
from teachback.run.digests import commit_with_digest
from teachback.run.files import to_json_bytes
from teachback.run.history import read_history, read_step

WIDTHS = (390, 900, 1440)
HOSTILE_ARM = "<img src=x onerror=\"document.title='arm'\">"
HOSTILE_VALUE = "</script><script>document.title='value'<\\script>\u202e"
ARMS = {
    "random": {"criterion": "random"},
    "loss": {"criterion": "loss"},
    HOSTILE_ARM: {"criterion": "loss", "per_round": 7, "rounds": 1},
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two repeats of three arms, one of them with fewer rounds and more rows."""
    folder = tmp_path_factory.mktemp("pages") / "compared"
    return fake_comparison(folder, ARMS, 2, rounds=2)


@pytest.fixture
def copied(compared: Path, tmp_path: Path) -> Path:
    return shutil.copytree(compared, tmp_path / "copy")


def read_sources(folder: Path, seeds: Sequence[Any] = ()) -> ComparisonSources:
    return read_comparison_sources(folder, lambda place: SeedPool(tuple(seeds)))


def make_page(folder: Path) -> ComparisonPage:
    return make_comparison_page(read_sources(folder), folder / "comparison.html")


def write_page(folder: Path, *arguments: object) -> str:
    done = command("report", folder, *arguments)
    assert done.returncode == 0, done.stderr
    return (folder / "comparison.html").read_text(encoding="utf-8")


# -- what it says --------------------------------------------------------------------------


def test_the_parts_come_in_the_order_of_a_readers_questions(compared: Path) -> None:
    assert [part.id for part in make_page(compared).parts] == [
        *("curves", "differences", "wins", "picks", "transfer", "runs")
    ]


def test_each_arm_has_a_curve_from_its_first_point_to_its_last(compared: Path) -> None:
    curves = make_page(compared).curves
    assert curves is not None
    n_points = {"random": 3, "loss": 3, HOSTILE_ARM: 2}
    assert len(curves.charts) == 2, "pairs and tokens; nothing cost money"
    for chart in curves.charts:
        assert {one.name: len(one.dots) for one in chart.series} == n_points
        for one in chart.series:
            assert one.line == " ".join(f"{x},{y}" for x, y in one.dots)
    ends = {one.arm: one for one in curves.arms}
    rounds = read_history(compared / "repeat-0" / HOSTILE_ARM).rounds
    assert ends[HOSTILE_ARM].rounds == "1"
    assert ends[HOSTILE_ARM].after == f"{rounds[-1].report.accuracy:.1%}"
    assert ends[HOSTILE_ARM].rows == str(len(rounds[-1].fresh.rows))
    cells = dict(curves.rounds)
    assert [bool(cell) for cell in cells[HOSTILE_ARM]] == [True, True, False]


def make_curve(*accuracy: float, repeat: int = 0) -> Curve:
    spent = tuple(range(len(accuracy)))
    return Curve("arm", repeat, accuracy, spent, spent, spent, None)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_bands_stay_between_0_and_1(end: float) -> None:
    near = abs(end - 0.04)
    band = make_curve_band([make_curve(end, end), make_curve(near, end)], "generated")
    assert 0.0 in (band.low[0], 1 - band.high[0]), "the interval goes further"
    assert all(0 <= share <= 1 for share in (*band.low, *band.high))
    chart = draw_lines("t", "s", "x", [LineSeries("arm", 1, *band_values(band))], str)
    ticks = [float(tick.label.rstrip("%")) for tick in chart.y_ticks]
    assert 0 <= ticks[0] < ticks[-1] <= 100


def band_values(band: Any) -> tuple[Any, ...]:
    return band.spent, band.mean, band.low, band.high


def test_an_unfinished_repeat_of_an_arm_shortens_its_curve_and_leaves_no_dot() -> None:
    band = make_curve_band([make_curve(0.1, 0.2, 0.9), make_curve(0.1, 0.4)], "tokens")
    assert band.spent == (0, 1)
    assert band.mean == pytest.approx((0.1, 0.3))
    one = make_curve_band([make_curve(0.1, 0.2)], "tokens")
    assert (one.low, one.high) == ((), ()), "one repeat has no interval"


def test_names_of_curves_that_end_together_do_not_lie_on_each_other() -> None:
    series = [LineSeries(f"arm {k}", k, (0, 1), (0, 0.5)) for k in range(12)]
    drawn = draw_lines("t", "s", "x", series, str).series
    heights = sorted(one.label_y for one in drawn)
    gaps = [below - above for above, below in pairwise(heights)]
    assert min(gaps) >= 11.9
    assert drawn[9].style_class == "series-9"
    assert drawn[10].style_class == "series-1 again", "the tenth colour is the first"


def test_differences_have_the_sentences_of_the_command_and_an_interval(
    compared: Path,
) -> None:
    sources = read_sources(compared)
    differences = make_page(compared).differences
    assert sources.comparison is not None
    assert differences is not None
    assert [row.arm for row in differences.axes[0].rows] == [HOSTILE_ARM, "loss"]
    for row, found in zip(
        differences.axes[0].rows, sources.comparison.findings, strict=False
    ):
        assert found.difference is not None
        assert row.points == f"{100 * found.difference.estimate:+.1f}"
        assert row.bar is not None
        assert 0 <= row.bar.low <= row.bar.estimate <= row.bar.high <= 200
        assert row.is_primary == (row.arm == "loss")
    shown = {line for axis in differences.axes for line in axis.lines}
    assert any(line.startswith("loss: ") or "loss gains" in line for line in shown)


def test_wins_count_the_repeats_in_which_an_arm_is_above_another(
    compared: Path,
) -> None:
    sources = read_sources(compared)
    assert sources.comparison is not None
    ends = {
        arm: [run.reports[-1].accuracy for run in sources.counted_runs(arm)]
        for arm in sources.arms
    }
    wins = make_page(compared).wins
    assert wins is not None
    at_end, by_area = wins.matrices
    for row, cells in at_end.rows:
        for column, cell in zip(wins.arms, cells, strict=True):
            if row == column:
                assert cell is None
                continue
            pairs = [*zip(ends[row], ends[column], strict=True)]
            assert cell is not None
            assert cell.n == 2
            assert cell.wins == sum(ours > theirs for ours, theirs in pairs)
            assert cell.ties == sum(ours == theirs for ours, theirs in pairs)
    assert by_area.title.endswith("up to 7")


def test_picks_are_counted_by_field_and_shared_by_arms(compared: Path) -> None:
    html = write_page(compared)
    assert "By <bdi>hops</bdi>" in html
    picks = make_page(compared).picks
    assert picks is not None
    assert picks.fields == (), "these seeds are not known"
    first = dict(picks.overlaps[0].rows)
    # Both score the same student's losses in the first round: the best 4 are among the best 7.
    assert first["loss"][picks.arms.index(HOSTILE_ARM)] == 1.0
    assert first[HOSTILE_ARM][picks.arms.index("loss")] == pytest.approx(4 / 7)
    assert picks.overlaps[0].n_picked == (4, 7, 4)
    assert [chart.title for chart in picks.scores] == [
        f"{HOSTILE_ARM}, round 0",
        "loss, round 1",
    ]


# -- under way -----------------------------------------------------------------------------


def remove_rounds(run: Path, first: int) -> None:
    for folder in run.glob("round-*"):
        if int(folder.name.removeprefix("round-")) >= first:
            shutil.rmtree(folder)


def test_a_repeat_counts_when_every_arm_is_done(copied: Path) -> None:
    (copied / "repeat-1/loss/round-01/evaluate.json").unlink()
    page = make_page(copied)
    assert page.headline.state == (
        "1 repeat of 3 arms, accuracy on dev; 5 of 6 runs that have begun are done"
    )
    assert page.headline.change == "one repeat"
    assert "repeat 1 does not count yet: some of its arms are not done" in page.notes
    row = dict(page.runs.rows)["loss"]
    assert row[1] is not None
    assert row[1].state == "1 round, stopped"


def test_before_any_repeat_is_done_all_that_have_a_round_count(copied: Path) -> None:
    for repeat in range(2):
        (copied / f"repeat-{repeat}/loss/round-01/evaluate.json").unlink()
    page = make_page(copied)
    assert page.curves is not None
    assert [one.rounds for one in page.curves.arms] == ["2", "1", "1"]
    assert any(note.startswith("under way: ") for note in page.notes)


def test_nothing_to_compare_yet_is_said(copied: Path) -> None:
    for arm in ("loss", HOSTILE_ARM):
        for repeat in range(2):
            remove_rounds(copied / f"repeat-{repeat}" / arm, 0)
    page = make_page(copied)
    assert page.headline.change == "nothing to compare yet"
    assert [part.id for part in page.parts] == ["runs"]
    assert "not measured yet" in write_page(copied)
    shutil.rmtree(copied / "repeat-0")
    shutil.rmtree(copied / "repeat-1")
    assert "nothing to compare yet" in write_page(copied), "nothing has begun"


def test_a_round_that_is_not_measured_on_test_yet_has_no_point(copied: Path) -> None:
    """The split is the same along a curve, also while its arm is at work."""
    for run in copied.glob("repeat-*/*"):
        first = run / "round-00"
        report = replace(read_step(first, "baseline"), split="test")
        commit_with_digest(first / "test-baseline.json", to_json_bytes(report))
        commit_with_digest(first / "test.json", to_json_bytes(report))
    page = make_page(copied)
    assert page.curves is not None
    assert page.curves.charts[0].title.startswith("test accuracy")
    assert {one.rounds for one in page.curves.arms} == {"1"}


def test_arms_are_those_of_the_last_finished_comparison(copied: Path) -> None:
    (copied / "curves.csv").write_text("arm,repeat\nloss,0\nrandom,0\n")
    page = make_page(copied)
    assert page.curves is not None
    assert [one.arm for one in page.curves.arms] == ["loss", "random"]
    note = f"not in the last finished comparison: {HOSTILE_ARM}"
    assert note in page.notes
    assert HOSTILE_ARM in dict(page.runs.rows), "its runs are there all the same"


# -- the command ---------------------------------------------------------------------------


def test_links_lead_to_the_pages_of_runs_that_have_one(
    copied: Path, tmp_path: Path
) -> None:
    assert Elements(write_page(copied)).all("a")[0]["href"] == "#curves"
    assert not list_links(copied / "comparison.html")
    for arm in ("loss", HOSTILE_ARM):
        assert command("report", copied / "repeat-1" / arm).returncode == 0
    elsewhere = tmp_path / "out/there/page.html"
    for page, arguments in (
        (copied / "comparison.html", ()),
        (elsewhere, ("--to", elsewhere)),
    ):
        done = command("report", copied, *arguments, "--json")
        assert json.loads(done.stdout) == {"page": str(page)}
        linked = [(page.parent / link).resolve() for link in list_links(page)]
        assert linked == [
            copied / "repeat-1" / arm / "report.html" for arm in (HOSTILE_ARM, "loss")
        ]


def list_links(page: Path) -> list[str]:
    """The paths to which a page links."""
    anchors = Elements(page.read_text(encoding="utf-8")).all("a")
    hrefs = [anchor["href"] or "" for anchor in anchors]
    return [unquote(href) for href in hrefs if not href.startswith("#")]


# -- in a browser --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(compared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, with an arm and a value of a meta field that would run, if they could."""
    folder = tmp_path_factory.mktemp("pages") / "hostile"
    shutil.copytree(compared, folder)
    assert command("report", folder / "repeat-0" / HOSTILE_ARM).returncode == 0
    sources = read_comparison_sources(folder, make_hostile_pool)
    page = folder / "comparison.html"
    write_comparison_page(page, sources)
    return page


def make_hostile_pool(place: Any) -> SeedPool:
    config = read_run_config(place.folder)
    seeds = make_task(config.task, config.repeat).seeds
    values = [HOSTILE_VALUE, "2"]
    return SeedPool(
        tuple(
            replace(seed, meta={"hops": values[k % 2]}) for k, seed in enumerate(seeds)
        ),
        (HOSTILE_VALUE,),
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_names_are_texts_and_nothing_is_wider_than_the_screen(
    hostile: Path, open_page: Callable[..., Any], width: int, scheme: str
) -> None:
    tab = open_page(hostile, width, scheme)
    assert tab.title() == "hostile: no clear difference"
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("img").count() == 0
    text = tab.inner_text("main")
    assert HOSTILE_ARM in text
    assert HOSTILE_VALUE.replace("\u202e", "\\u202e") in text
    # Inside a chart, too.
    assert tab.locator("svg title").filter(has_text=HOSTILE_ARM).count() == 2


def test_every_mark_of_a_chart_has_a_colour_and_lies_in_it(
    hostile: Path, open_page: Callable[..., Any]
) -> None:
    tab = open_page(hostile)
    colours = tab.eval_on_selector_all(
        "#curves figure:first-of-type .series polyline",
        "all => all.map(line => getComputedStyle(line).stroke)",
    )
    assert len({*colours}) == len(ARMS)
    assert "none" not in colours
    inside = tab.eval_on_selector_all(
        "#curves svg circle, #curves .band",
        """all => all.every(mark => {
          const box = mark.getBBox(), view = mark.ownerSVGElement.viewBox.baseVal;
          return box.x >= 0 && box.y >= 0 && box.x + box.width <= view.width
            && box.y + box.height <= view.height;
        })""",
    )
    assert inside


def test_a_screen_reader_and_paper_find_everything(
    hostile: Path, open_page: Callable[..., Any]
) -> None:
    elements = Elements(hostile.read_text(encoding="utf-8"))
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len({*ids})
    for svg in elements.all("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    assert len(elements.all("table")) == len(elements.all("caption")) >= 8
    assert not [one for _, one in elements.found if "style" in one]
    tab = open_page(hostile)
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert tab.get_by_role(role).count() == 1
    folded = tab.locator("details:not([open])")
    assert folded.count() == 2
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.count() == 0


def test_a_link_opens_the_page_of_the_run(hostile: Path, chromium: Any) -> None:
    tab = chromium.new_page()
    tab.goto(hostile.as_uri())
    tab.locator("#runs a").click()
    assert "1 of 1 rounds finished" in tab.inner_text("header")
    tab.close()
