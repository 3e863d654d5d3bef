"""The browser of rows, in Chromium: what a reader sees of a row, and what the page holds."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from row_pages import (
    BrowsedRun,
    listed_ids,
    open_row,
    search,
    shown_count,
    unpack,
    unpack_notes,
    visible,
    wrap_parts,
)
from teachback.commands.row_sources import read_row_sources
from teachback.pages.row_browser import packing, render_row_browser
from teachback.run.history import read_history, read_step
from teachback.testing import fake_run

# -- what is shown -----------------------------------------------------------------------


def test_every_draft_is_listed_by_round_and_rank(
    browsed_run: BrowsedRun, rows_tab: Any
) -> None:
    picks = [
        f"{pick.seed}#{pick.n}"
        for done in read_history(browsed_run.folder).rounds
        for pick in done.chosen.picks
    ]
    assert listed_ids(rows_tab) == picks
    assert rows_tab.inner_text("#rows-count") == "60 of 60"


def test_a_rejected_row_is_shown_from_its_seed_to_the_reason(
    browsed_run: BrowsedRun, rows_tab: Any
) -> None:
    row_id, reason = next(iter(browsed_run.reasons.items()))
    seed = next(
        one for one in browsed_run.sources.seeds if one.id == row_id.rpartition("#")[0]
    )
    first, second = (
        read_step(browsed_run.folder / f"round-0{r}", "attempt").rows for r in (0, 1)
    )
    before, after = (
        next(one.text for one in rows if one.id == seed.id) for rows in (first, second)
    )
    draft = next(
        one
        for one in read_step(browsed_run.folder / "round-00", "generate")
        if f"{one.seed}#{one.n}" == row_id
    )
    text = open_row(rows_tab, row_id)
    assert f"Gold answer: {seed.answer}" in text
    for wanted in (seed.question, before, after, draft.question, draft.text, reason):
        assert wanted is not None
        assert visible(wanted) in text
    assert f"{row_id} · rejected" in text
    assert (
        "exactly the question and the answer above" not in text
    )  # the raw reply is folded
    rows_tab.click("summary:has-text('Raw replies (1)')")
    assert "exactly the question and the answer above" in rows_tab.inner_text(
        "#rows-detail"
    )


def test_attempts_have_their_grades_and_the_last_round_has_no_answer_after_it(
    browsed_run: BrowsedRun, rows_tab: Any
) -> None:
    for number in (0, 2):
        round_folder = browsed_run.folder / f"round-0{number}"
        pick = read_step(round_folder, "select").picks[0]
        gathered = read_step(round_folder, "gather")
        is_right = dict(zip(gathered.seeds, gathered.right, strict=True))[pick.seed]
        open_row(rows_tab, f"{pick.seed}#{pick.n}")
        before, after = rows_tab.locator(".rows-pair > div").all_inner_texts()
        assert before.endswith("right" if is_right else "wrong")
        is_last = number == 2
        assert ("no later round asked" in after) == is_last
        assert after.endswith(("right", "wrong")) != is_last


def test_a_chat_completion_is_shown_as_what_the_model_wrote(
    browsed_run: BrowsedRun, open_rows: Callable[..., Any]
) -> None:
    message = {"content": "<b>Here</b> it is", "reasoning_content": "Let me think."}
    body = json.dumps({"choices": [{"message": message}]})
    replies = [reply._replace(body=body) for reply in browsed_run.sources.replies]
    sources = browsed_run.sources._replace(replies=replies)
    tab = open_rows(wrap_parts(render_row_browser(browsed_run.folder, sources)))
    open_row(tab, browsed_run.rows[0].id)
    tab.click("summary:has-text('Raw replies')")
    assert "Let me think.\n\n<b>Here</b> it is" in tab.inner_text("#rows-detail")


def test_a_round_under_way_shows_drafts_that_are_not_finished(
    browsed_run: BrowsedRun, open_rows: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(browsed_run.folder, folder)
    for name in ("verify", "curate", "transfer", "finetune", "evaluate"):
        (folder / "round-02" / f"{name}.json").unlink()
    tab = open_rows(wrap_parts(render_row_browser(folder, browsed_run.sources)))
    tab.select_option("#rows-outcome", "not finished")
    assert shown_count(tab) == 20
    assert "not checked yet" in open_row(tab, listed_ids(tab)[0])


def test_a_run_without_a_round_has_an_empty_list(
    open_rows: Callable[..., Any], tmp_path: Path
) -> None:
    tab = open_rows(wrap_parts(render_row_browser(tmp_path)))
    assert tab.inner_text("#rows-count") == "0 of 0"
    assert tab.inner_text("#rows-list") == "No row passes."


def test_the_page_says_what_it_does_not_have(
    browsed_run: BrowsedRun, open_rows: Callable[..., Any]
) -> None:
    tab = open_rows(wrap_parts(render_row_browser(browsed_run.folder)))
    assert "questions and the raw replies are left out" in tab.inner_text("#rows-notes")
    assert "Its question is not in this page." in open_row(tab, browsed_run.rows[0].id)


def remove_task(path: Path) -> None:
    path.unlink()


def change_task(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("randrange(1000)", "randrange(2000)"), encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("spoil", "trust", "reason"),
    [
        (remove_task, True, "is not there"),
        (change_task, True, "the task's data changed"),
        (None, False, "never started here"),
    ],
)
def test_a_pool_that_is_not_the_runs_is_not_shown_and_no_strange_function_is_called(
    tmp_path: Path, spoil: Callable[[Path], None] | None, trust: bool, reason: str
) -> None:
    path = tmp_path / "task.py"
    shutil.copy(Path(__file__).with_name("hostile_task.py"), path)
    function = f"{path}:make_hostile_sums"
    task = {"name": "own", "function": function, "options": {"seeds": 4}}
    fake_run(tmp_path / "run", rounds=1, per_round=2, task=task)
    if spoil:
        spoil(path)
    sources = read_row_sources(tmp_path / "run", trust=trust)
    assert not sources.seeds
    assert len(sources.replies) == 2
    assert reason in sources.notes[0]


# -- hostile texts, large runs -----------------------------------------------------------


def test_no_text_of_the_run_is_markup(
    browsed_run: BrowsedRun, rows_page: str, rows_tab: Any
) -> None:
    assert "evil.example" not in rows_page
    assert "seed<b>" not in rows_page
    for row_id in [*browsed_run.reasons][:3]:
        open_row(rows_tab, row_id)
    assert rows_tab.title() == "Rows"
    assert rows_tab.locator("#rows-browser :is(img, svg, a, iframe, b)").count() == 0
    assert rows_tab.locator("#rows-browser script").count() == 2


def test_a_large_run_leaves_out_what_other_commands_have(
    browsed_run: BrowsedRun,
    open_rows: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = render_row_browser(browsed_run.folder, browsed_run.sources).html
    monkeypatch.setattr(packing, "MIN_BYTES", 1)
    monkeypatch.setattr(packing, "MAX_BYTES", 1)
    parts = render_row_browser(browsed_run.folder, browsed_run.sources)
    assert not unpack_notes(whole)
    assert len(unpack(parts.html, "row-texts")) < len(unpack(whole, "row-texts"))
    (note,) = unpack_notes(parts.html)
    assert "`teachback show RUN SEED`" in note
    tab = open_rows(wrap_parts(parts))
    assert note in tab.inner_text("#rows-notes")
    assert "Raw replies: not in this page." in open_row(tab, browsed_run.rows[0].id)
    search(tab, "")
    tab.select_option("#rows-outcome", "never selected")
    assert shown_count(tab) > 0
