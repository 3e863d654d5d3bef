"""The browser of rows, in Chromium: how a reader finds rows, with a mouse, keys, or on paper."""

from collections.abc import Callable
from typing import Any

import pytest

from row_pages import (
    BrowsedRun,
    listed_ids,
    open_row,
    search,
    selected_id,
    shown_count,
    wait_until,
)
from teachback.run.history import read_history, read_step

# -- finding rows ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("outcome", "accepted"),
        ("outcome", "rejected"),
        ("round", "1"),
        ("reason", "wrong"),
    ],
)
def test_a_filter_shows_the_rows_that_the_steps_have(
    browsed_run: BrowsedRun, rows_tab: Any, control: str, value: str
) -> None:
    second = read_history(browsed_run.folder).rounds[1].chosen.picks
    expected = {
        "accepted": {row.id for row in browsed_run.rows},
        "rejected": set(browsed_run.reasons),
        "1": {f"{pick.seed}#{pick.n}" for pick in second},
        "wrong": {
            id for id, why in browsed_run.reasons.items() if why.startswith("wrong:")
        },
    }
    rows_tab.select_option(f"#rows-{control}", value)
    assert set(listed_ids(rows_tab)) == expected[value]
    rows_tab.click("#rows-reset")
    wait_until(
        rows_tab, "document.getElementById('rows-count').textContent == '60 of 60'"
    )


def find_by_text(browsed_run: BrowsedRun, text: str) -> set[str]:
    """The drafts that hold a text, in the places that a reader is promised."""
    found = set()
    examples = {seed.id: seed for seed in browsed_run.sources.seeds}
    for r in range(3):
        attempts = [
            {one.id: one.text for one in step.rows} if step else {}
            for step in (
                read_step(browsed_run.folder / f"round-0{n}", "attempt")
                for n in (r, r + 1)
            )
        ]
        for draft in read_step(browsed_run.folder / f"round-0{r}", "generate"):
            texts = (
                f"{draft.seed}#{draft.n}",
                examples[draft.seed].question,
                draft.question,
                draft.text,
                *(by_seed.get(draft.seed, "") for by_seed in attempts),
            )
            if any(text.lower() in one.lower() for one in texts):
                found.add(f"{draft.seed}#{draft.n}")
    return found


@pytest.mark.parametrize(
    "text", ["SEED<B>1", "<img SRC=x", "answer: 1", "don't KNOW", "nowhere at all"]
)
def test_search_finds_a_text_wherever_it_stands(
    browsed_run: BrowsedRun, rows_tab: Any, text: str
) -> None:
    expected = find_by_text(browsed_run, text)
    assert len(expected) < 60
    search(rows_tab, text)
    assert set(listed_ids(rows_tab)) == expected


def test_rows_are_sorted_by_score_and_limited_to_a_range(
    browsed_run: BrowsedRun, rows_tab: Any
) -> None:
    scores = {
        f"{pick.seed}#{pick.n}": pick.score
        for done in read_history(browsed_run.folder).rounds
        for pick in done.chosen.picks
    }
    for sort, is_descending in (("low", False), ("high", True)):
        rows_tab.select_option("#rows-sort", sort)
        listed = [scores[id] or 0.0 for id in listed_ids(rows_tab)]
        assert listed == sorted(listed, reverse=is_descending)
    rows_tab.fill("#rows-low", "0.5")
    rows_tab.keyboard.press("Enter")
    assert set(listed_ids(rows_tab)) == {
        id for id, score in scores.items() if (score or 0) >= 0.5
    }


def test_lineage_leads_from_a_row_to_its_seed_and_to_all_rows_of_it(
    browsed_run: BrowsedRun, rows_tab: Any
) -> None:
    seeds = [row.seed for row in browsed_run.rows]
    seed = next(one for one in seeds if one and seeds.count(one) > 1)
    family = sorted(
        {
            id
            for id in (*browsed_run.reasons, *(r.id for r in browsed_run.rows))
            if id.rpartition("#")[0] == seed
        }
    )
    open_row(rows_tab, family[0])
    rows_tab.click(f"#rows-detail button:has-text('all {len(family)} rows of')")
    assert sorted(listed_ids(rows_tab)) == family
    # Also where the search would hide the other row.
    open_row(rows_tab, family[0])
    rows_tab.click(f"#rows-detail button:has-text('{family[1]}: ')")
    assert rows_tab.inner_text("#rows-detail h3").startswith(family[1])
    assert selected_id(rows_tab) == family[1]
    rows_tab.click("button:has-text('show other seeds too')")
    assert shown_count(rows_tab) == 60


def test_seeds_that_no_round_selected_are_found(
    browsed_run: BrowsedRun, rows_tab: Any
) -> None:
    selected = {
        id.rpartition("#")[0]
        for id in (*browsed_run.reasons, *(r.id for r in browsed_run.rows))
    }
    unselected = {seed.id for seed in browsed_run.sources.seeds} - selected
    assert unselected
    rows_tab.select_option("#rows-outcome", "never selected")
    assert set(listed_ids(rows_tab)) == unselected
    rows_tab.focus("#rows-list")
    rows_tab.keyboard.press("Home")
    rows_tab.keyboard.press("Enter")
    text = rows_tab.inner_text("#rows-detail")
    assert "no round selected it" in text
    assert text.count("· not selected") == 3


def test_a_link_anywhere_in_the_page_leads_to_the_rows_of_a_seed(
    browsed_run: BrowsedRun, rows_page: str, open_rows: Callable[..., Any]
) -> None:
    seed = str(browsed_run.rows[0].seed)
    link = f"<a href='#' data-rows-seed='{seed.replace('<', '&lt;')}'>its rows</a>"
    tab = open_rows(rows_page.replace("<body>", f"<body>{link}"))
    tab.click("text=its rows")
    assert {id.rpartition("#")[0] for id in listed_ids(tab)} == {seed}


# -- keys, screen readers, paper ---------------------------------------------------------


def test_the_keyboard_alone_is_enough(rows_tab: Any) -> None:
    focused = "document.activeElement.id"
    rows_tab.keyboard.press("/")
    assert rows_tab.evaluate(focused) == "rows-search"
    rows_tab.keyboard.type("a/b")
    assert rows_tab.input_value("#rows-search") == "a/b"
    search(rows_tab, "")
    rows_tab.keyboard.press("ArrowDown")
    assert rows_tab.evaluate(focused) == "rows-list"
    first = selected_id(rows_tab)
    rows_tab.keyboard.press("ArrowDown")
    second = selected_id(rows_tab)
    assert second != first
    assert not rows_tab.is_visible("#rows-detail")
    rows_tab.keyboard.press("Enter")
    assert rows_tab.inner_text("#rows-detail h3").startswith(second)
    assert rows_tab.evaluate("document.activeElement.tagName") == "H3"
    rows_tab.keyboard.press("Escape")
    assert not rows_tab.is_visible("#rows-detail")
    assert rows_tab.evaluate(focused) == "rows-list"
    rows_tab.keyboard.press("ArrowUp")
    assert selected_id(rows_tab) == first


def test_only_rows_in_sight_are_elements_and_a_screen_reader_knows_of_all(
    rows_tab: Any,
) -> None:
    rows_tab.focus("#rows-list")
    rows_tab.keyboard.press("End")
    options = rows_tab.locator("[role=listbox] [role=option]")
    assert options.count() < 30
    assert set(options.evaluate_all("all => all.map(one => one.ariaSetSize)")) == {"60"}
    active = rows_tab.get_attribute("#rows-list", "aria-activedescendant")
    assert rows_tab.get_attribute(f"#{active}", "aria-posinset") == "60"
    tree = rows_tab.locator("#rows-browser").aria_snapshot()
    for label in ("searchbox", 'combobox "Reason"', 'listbox "Rows"', "status"):
        assert label in tree


@pytest.mark.parametrize("width", [390, 900, 1440])
def test_nothing_is_wider_than_the_screen(
    rows_page: str, open_rows: Callable[..., Any], width: int
) -> None:
    tab = open_rows(rows_page, width)
    tab.focus("#rows-list")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    # A line that is cut off at the bottom of its row could not be read.
    heights = "one => one.scrollHeight <= one.clientHeight"
    assert all(tab.locator("[role=option]").evaluate_all(f"all => all.map({heights})"))


def test_the_rows_that_pass_are_printed(browsed_run: BrowsedRun, rows_tab: Any) -> None:
    rows_tab.select_option("#rows-outcome", "accepted")
    rows_tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    rows_tab.emulate_media(media="print")
    assert rows_tab.locator("[role=option]").count() == len(browsed_run.rows)
    assert not rows_tab.is_visible("#rows-search")
    tops = "all => all.map(one => one.getBoundingClientRect().top)"
    places = rows_tab.locator("[role=option]").evaluate_all(tops)
    assert places == sorted(set(places))
    rows_tab.emulate_media(media="screen")
    rows_tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert rows_tab.locator("[role=option]").count() < 30
