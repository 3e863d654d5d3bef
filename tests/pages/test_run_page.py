"""The page of a run: what it says against the run's files, and how Chromium shows it."""

import json
import runpy
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import teachback
from commands import command
from page_elements import Elements
from teachback.commands.run_page import read_page_sources
from teachback.pages import run_page
from teachback.pages.run_page import RunPage, make_run_page
from teachback.pages.scales import MAX_TICKS, choose_ticks
from teachback.report.formatting import format_accuracy
from teachback.run.digests import commit_with_digest
from teachback.run.files import to_json_bytes
from teachback.run.history import read_history, read_step
from teachback.testing import fake_run
from teachback.types import Rejection, WordOverlap

HOSTILE_FILE = Path(__file__).with_name("hostile_task.py")
HOSTILE: tuple[str, ...] = runpy.run_path(str(HOSTILE_FILE))["HOSTILE"]
HOSTILE_TASK = {
    "name": "own",
    "function": f"{HOSTILE_FILE}:make_hostile_sums",
    "options": {"seeds": 12},
}
WIDTHS = (390, 900, 1440)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rounds that gained."""
    folder = tmp_path_factory.mktemp("pages") / "run"
    fake_run(folder, rounds=3, budget={"generated": 24, "teacher_tokens": 9000})
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> RunPage:
    return make_run_page(read_page_sources(run))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose every text would run, if it could."""
    folder = tmp_path_factory.mktemp("pages") / "hostile"
    fake_run(folder, rounds=2, task=HOSTILE_TASK)
    for r in range(2):
        rewrite_curation(folder / f"round-{r:02d}", " ".join(HOSTILE))
    done = command("report", folder, "--trust")
    assert done.returncode == 0, done.stderr
    return folder / "report.html"


def rewrite_curation(round_folder: Path, text: str) -> None:
    """Refuse the round's last row for that reason, and warn of the first one."""
    fresh = read_step(round_folder, "curate")
    *kept, refused = fresh.rows
    fresh = replace(
        fresh,
        rows=tuple(kept),
        rejected=(*fresh.rejected, Rejection(refused.seed, refused.n, text)),
        warnings=(WordOverlap(kept[0].id, text, "8-word", text, text, text),),
        notes=(text,),
    )
    commit_with_digest(round_folder / "curate.json", to_json_bytes(fresh))


# -- what it says --------------------------------------------------------------------------


def test_the_headline_says_what_the_run_came_to(run: Path, page: RunPage) -> None:
    baseline, rounds, _ = read_history(run)
    assert baseline is not None
    after = rounds[-1].report
    n_rows = sum(len(done.fresh.rows) for done in rounds)
    assert page.headline.change == f"{baseline.accuracy:.0%} → {after.accuracy:.0%}"
    assert page.headline.rest.startswith(
        f"[{after.low:.0%}, {after.high:.0%}] of 10 dev questions, for {n_rows} rows, $0"
    )
    assert page.headline.state == "3 of 3 rounds finished"


def test_the_parts_come_in_the_order_of_a_readers_questions(
    run: Path, page: RunPage
) -> None:
    assert [part.id for part in page.parts] == [
        *("help", "costs", "selection", "yield", "carry-over", "rows")
    ]


def test_accuracy_is_shown_for_each_round_and_each_field(
    run: Path, page: RunPage
) -> None:
    baseline, rounds, _ = read_history(run)
    assert page.gains is not None
    assert baseline is not None
    reports = [baseline, *(done.report for done in rounds)]
    assert [row.accuracy for row in page.gains.rows] == [*map(format_accuracy, reports)]
    (curve,) = page.gains.curves  # the fake student has no gold nll
    assert [point.label for point in curve.points] == [
        f"{r.accuracy:.0%}" for r in reports
    ]
    for (before, after), point in zip(
        pairwise(reports), pairwise(curve.points), strict=True
    ):
        rises = after.accuracy >= before.accuracy
        assert (point[1].y <= point[0].y) == rises, "up is more"
    fields = {(one.field, one.value): one.n for one in page.gains.fields}
    assert fields == {
        ("hops", value): share.n for value, share in baseline.by["hops"].items()
    }


def test_costs_are_those_of_the_ledger_beside_their_limits(
    run: Path, page: RunPage
) -> None:
    facts = json.loads(command("status", run, "--costs", "--json").stdout)
    spend = facts["spend"]
    columns = page.costs.role_columns
    shown = [dict(zip(columns, cells, strict=True)) for cells in page.costs.roles]
    assert [int(row["calls"]) for row in shown] == [c["calls"] for c in facts["costs"]]
    figures = {one.name: one.value for one in page.costs.figures}
    assert figures["answered calls"] == str(spend["calls"])
    limits = {row.name: row for row in page.costs.limits}
    assert limits["pairs"].spent == "12 pairs"
    assert limits["pairs"].share == 0.5
    tokens = spend["input_tokens"] + spend["output_tokens"]
    assert limits["teacher tokens"].share == tokens / 9000
    assert limits["teacher tokens"].reserved != "–"
    assert limits["rounds"].limit == "3"


def test_selected_seeds_are_ranked_and_what_became_of_them_is_said(
    run: Path, page: RunPage
) -> None:
    assert page.selections is not None
    rounds = read_history(run).rounds
    for shown, done in zip(page.selections.rounds, rounds, strict=True):
        assert [seed.seed for seed in shown.seeds] == [
            p.seed for p in done.chosen.picks
        ]
        accepted = {row.seed for row in done.fresh.rows}
        assert {s.seed for s in shown.seeds if s.fate == "accepted"} == accepted
        assert all(seed.question for seed in shown.seeds)
        assert shown.chart is not None
        assert "16 seeds, 4 of them selected" in shown.chart.summary
    (by_hops,) = page.selections.fields
    for shares in zip(*([v.pool, *v.groups] for v in by_hops.values), strict=True):
        assert sum(shares) == pytest.approx(1)


def test_the_funnel_loses_what_was_refused_at_its_stage(
    tmp_path: Path, run: Path
) -> None:
    folder = shutil.copytree(run, tmp_path / "copy")
    for r, reason in enumerate(["wrong: 3 is not 4", "duplicate", "no final answer"]):
        rewrite_curation(folder / f"round-{r:02d}", reason)
    before = {
        done.number: len(done.fresh.rows)
        for done in read_page_sources(run).rounds
        if done.fresh
    }
    yields = make_run_page(read_page_sources(folder)).yields
    assert yields is not None
    left = {stage.name: stage.n for stage in yields.stages}
    n_accepted = sum(before.values()) - 3
    assert left["seeds selected"] == 12
    assert left["accepted rows"] == left["not contaminated"] == n_accepted
    assert left["drafts"] - left["parsed"] >= 1
    assert left["parsed"] - left["verified"] >= 1
    assert {"wrong", "duplicate", "no final answer"} <= {
        r.reason for r in yields.reasons
    }
    assert len(yields.overlaps) == 3


def test_a_run_that_gained_nothing_says_why(tmp_path: Path) -> None:
    # Nothing is learned: the fake student knows answers by how many rows it saw, and saw one.
    fake_run(tmp_path / "run", rounds=1, per_round=1)
    page = make_run_page(read_page_sources(tmp_path / "run"))
    assert page.diagnosis is not None
    assert page.diagnosis.headline.startswith("no gain")
    assert "diagnosis" in [part.id for part in page.parts]
    html = write_page(tmp_path / "run")
    assert 'href="#diagnosis">Why nothing was gained' in html


def write_page(folder: Path, *arguments: str) -> str:
    done = command("report", folder, *arguments)
    assert done.returncode == 0, done.stderr
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("missing", "state", "parts"),
    [
        (("evaluate", "finetune", "transfer"), "the same student answers", "selection"),
        (
            ("evaluate", "finetune", "transfer", "curate", "verify"),
            "checking",
            "selection",
        ),
    ],
)
def test_a_round_under_way_is_shown_as_far_as_it_has_come(
    missing: tuple[str, ...], state: str, parts: str, run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(run, tmp_path / "copy")
    for name in missing:
        (folder / f"round-02/{name}.json").unlink()
    page = make_run_page(read_page_sources(folder))
    assert page.headline.state.startswith(f"2 of 3 rounds finished. Next: {state}")
    assert page.selections is not None
    last = page.selections.rounds[-1]
    assert last.name == "round 2"
    is_curated = "curate" not in missing
    assert all((seed.fate == "not yet known") != is_curated for seed in last.seeds)
    assert "2 of 3 rounds finished" in write_page(folder)


def test_a_run_that_measured_nothing_yet_has_a_page(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "copy")
    for r in range(3):
        shutil.rmtree(folder / f"round-{r:02d}")
    page = make_run_page(read_page_sources(folder))
    assert page.headline.change == "not measured yet"
    assert "Next: the untuned student answers dev" in page.headline.state
    assert [part.id for part in page.parts] == ["costs", "rows"]
    assert "not measured yet" in write_page(folder)


def test_seeds_that_are_not_known_are_said_to_be(hostile: Path, tmp_path: Path) -> None:
    """The function that makes them was never started here from a config."""
    folder = shutil.copytree(hostile.parent, tmp_path / "copy")
    assert "can&#39;t be shown" in write_page(folder)
    assert "can&#39;t be shown" not in write_page(folder, "--trust")


# -- the command ---------------------------------------------------------------------------


def test_the_page_lies_where_it_is_asked_for(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "out/page.html"
    done = command("report", run, "--to", to, "--json")
    assert json.loads(done.stdout) == {"page": str(to)}
    assert to.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_folder_without_a_run_is_the_error_that_status_gives(tmp_path: Path) -> None:
    done, status = command("report", tmp_path), command("status", tmp_path)
    assert (done.returncode, done.stderr) == (status.returncode, status.stderr)
    assert done.returncode == 2
    assert not (tmp_path / "report.html").exists()


def test_a_run_leaves_its_page_and_does_without_where_it_can_not(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "task": {"name": "prontoqa", "hops": [1, 1], "seeds": 8, "dev": 4, "test": 4},
        "student": {"model": str(tiny), "max_new_tokens": 4, "precision": "float32"},
        "finetune": {"method": "full", "lr": 0.001, "epochs": 1, "rows_per_step": 4},
        "per_round": 4,
        "rounds": 1,
        "machine": {"threads": 1},
        "run_dir": str(tmp_path / "run"),
    }
    notes: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(run_page, "PAGE_MODULES", ("no_such_module",))
        without = teachback.run(
            settings,
            listen=lambda event: (
                notes.append(event.value) if event.kind == "note" else None
            ),
        )
    assert without.page is None
    assert any("there is no page of this run" in str(note) for note in notes)
    assert not (tmp_path / "run/report.html").exists()

    result = teachback.run(settings)
    assert result.page == tmp_path / "run/report.html"
    text = result.page.read_text(encoding="utf-8")
    assert "1 of 1 rounds finished" in text
    assert "gold nll by round" in text
    assert "True or false" in text, "the seeds' questions"


# -- in a browser --------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_texts_are_texts_and_nothing_is_wider_than_the_screen(
    hostile: Path, open_page: Callable[..., Any], width: int, scheme: str
) -> None:
    tab = open_page(hostile, width, scheme)
    assert tab.title().startswith("hostile: ")
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("img, svg[onload], a[href*='evil']").count() == 0
    text = tab.inner_text("main")
    # What would turn or hide the text after it is shown as an escape.
    visible = HOSTILE[-1].replace("\u202e", "\\u202e").replace("\u0007", "\\x07")
    for wanted in (*HOSTILE[:-1], visible.replace("\u2028", "\\u2028")):
        assert wanted in text
    assert len(tab.screenshot(full_page=True)) > 10_000


def test_the_policy_stops_what_is_not_the_pages_own(chromium: Any, run: Path) -> None:
    """As if a text had come into the page unescaped."""
    page = write_page(run).replace(
        "</main>",
        "<script>document.title = 'script'</script>"
        "<img src='https://evil.example/x' onerror=\"document.title = 'image'\">"
        "<p id=styled style='color: red'>text</p></main>",
    )
    path = run / "injected.html"
    path.write_text(page, encoding="utf-8")
    tab = chromium.new_page()
    sent: list[str] = []
    tab.on("requestfinished", lambda request: sent.append(request.url))
    tab.goto(path.as_uri())
    assert tab.title().startswith("run: ")
    assert sent == [path.as_uri()]
    assert tab.locator("#styled").evaluate("e => getComputedStyle(e).color") != (
        "rgb(255, 0, 0)"
    )
    tab.close()


def test_the_theme_follows_the_system_until_it_is_chosen(
    hostile: Path, open_page: Callable[..., Any]
) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = open_page(hostile, scheme="light").evaluate(paper)
    tab = open_page(hostile, scheme="dark")
    dark = tab.evaluate(paper)
    assert light != dark
    button = tab.get_by_role("button", name="theme")
    shown = []
    for _ in range(3):
        button.press("Enter")
        shown.append((button.inner_text(), tab.evaluate(paper)))
    assert shown == [
        ("theme: light", light),
        ("theme: dark", dark),
        ("theme: auto", dark),
    ]


def test_a_screen_reader_and_the_keyboard_find_everything(
    hostile: Path, open_page: Callable[..., Any]
) -> None:
    elements = Elements(hostile.read_text(encoding="utf-8"))
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len({*ids})
    assert {a["href"] for a in elements.all("a")} <= {f"#{id}" for id in ids}
    for svg in elements.all("svg"):
        assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
    assert len(elements.all("table")) == len(elements.all("caption")) >= 5
    assert not [one for _, one in elements.found if "style" in one], (
        "the policy forbids it"
    )

    tab = open_page(hostile)
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert tab.get_by_role(role).count() == 1
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "To the results"
    # A table that is wider than the screen can be scrolled by keys.
    scrolled = tab.locator(".scroll")
    assert set(scrolled.evaluate_all("all => all.map(e => e.tabIndex)")) == {0}


def test_a_seed_leads_to_its_rows(hostile: Path, open_page: Callable[..., Any]) -> None:
    tab = open_page(hostile)
    link = tab.locator("details[open] [data-rows-seed]").first
    seed = link.get_attribute("data-rows-seed")
    link.click()
    assert seed in tab.inner_text("#rows-seed")


def test_paper_has_everything_that_is_folded(
    hostile: Path, open_page: Callable[..., Any]
) -> None:
    tab = open_page(hostile)
    folded = tab.locator("section:not(#rows) details:not([open])")
    assert folded.count() > 0
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    assert folded.count() == 0
    assert not tab.get_by_role("navigation").is_visible()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folded.count() > 0


# -- axes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 1),
        (0.2, 0.7),
        (-3, 12),
        (1e-9, 3e-9),
        (0, 0),
        (5, 5),
        (-2e6, 7e6),
        (0.99, 1.01),
    ],
)
def test_ticks_are_few_round_numbers_that_hold_all_values(
    low: float, high: float
) -> None:
    ticks = choose_ticks(low, high)
    assert ticks == sorted({*ticks})
    assert 2 <= len(ticks) <= MAX_TICKS + 1
    assert ticks[0] <= low <= high <= ticks[-1]
    assert all(len(f"{tick:g}") <= 8 for tick in ticks)
