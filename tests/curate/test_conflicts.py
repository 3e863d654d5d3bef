"""Drafts that answer one question differently are left out, and that is told."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curating import text_task
from teachback.curate.training_rows import curate_rows, forbidden_keys
from teachback.curate.verify import verdict_conflicts
from teachback.graders.number import NUMBER_GRADER
from teachback.types import Curation, Example, Row, Task, Verdict


def number_task(seeds: Sequence[Example] = ()) -> Task:
    return replace(text_task(), seeds=tuple(seeds), grade=NUMBER_GRADER.grade)


def curate(
    answers: Sequence[tuple[str, str | None]], task: Task, rows: Sequence[Row] = ()
) -> Curation:
    """answers: (question, answer) of each draft."""
    verdicts = [
        Verdict("x", n, question, f"so.\nAnswer: {answer}", answer)
        for n, (question, answer) in enumerate(answers)
    ]
    return curate_rows(
        verdicts,
        rows,
        key=task.key,
        forbidden=forbidden_keys(task),
        seeds=task.seeds,
        conflict=partial(verdict_conflicts, task),
    )


def test_of_drafts_that_contradict_each_other_none_is_kept() -> None:
    answers = [("Q", "4"), ("other", "1"), ("q", "5"), ("q", "4")]
    curation = curate(answers, number_task())
    assert [row.question for row in curation.rows] == ["other"]
    reason = "conflicting answers: drafts of this exercise answer 4 and 5"
    assert [x.reason for x in curation.rejected] == [reason] * 3
    assert curation.notes == (
        "3 drafts answer the same questions differently: all of them are left out",
    )


@pytest.mark.parametrize("other", ["4", "4.0", "$4", None, "not a number"])
def test_the_same_answer_in_another_form_or_an_unread_one_is_no_conflict(
    other: str | None,
) -> None:
    curation = curate([("q", "4"), ("Q", other)], number_task())
    assert [row.answer for row in curation.rows] == ["4"]
    assert [x.reason for x in curation.rejected] == [
        "duplicate: the same exercise as row x#0"
    ]
    assert curation.notes == ()


def test_without_a_grader_answers_are_compared_as_texts() -> None:
    def kept(second: str) -> list[int]:
        verdicts = [
            Verdict("x", 0, "q", "t", "The sea"),
            Verdict("x", 1, "q", "t", second),
        ]
        return [row.n for row in curate_rows(verdicts, [], key=str, forbidden={}).rows]

    assert kept("the  SEA") == [0]
    assert kept("the sky") == []


def test_a_draft_that_contradicts_a_seed_or_an_earlier_row_is_told() -> None:
    task = number_task([Example("s", "seed", "7")])
    rows = [Row("r", None, 0, "row", "Answer: 3", "3", False)]
    curation = curate([("SEED", "8"), ("ROW", "4"), ("Row", "3")], task, rows)
    assert [x.reason for x in curation.rejected] == [
        "duplicate: the same exercise as seed s, which answers 7, not 8",
        "duplicate: the same exercise as row r, which answers 3, not 4",
        "duplicate: the same exercise as row r",
    ]
    (note,) = curation.notes
    assert note.startswith("2 drafts contradict a seed or an earlier row")


def test_drafts_that_cannot_be_used_contradict_nothing() -> None:
    verdicts = [
        Verdict("x", 0, "q", "Answer: 5", "5", reason="wrong: 5 is not 4"),
        Verdict("x", 1, "q", "Answer: 4", "4"),
    ]
    curation = curate_rows(verdicts, [], key=str, forbidden={})
    assert [row.n for row in curation.rows] == [1]


@given(
    st.lists(st.tuples(st.sampled_from("abAB"), st.sampled_from(["1", "2", "1.0"]))),
    st.randoms(),
)
def test_what_is_kept_has_one_answer_in_any_order(
    answers: list[tuple[str, str]], random: Random
) -> None:
    def kept(answers: list[tuple[str, str]]) -> set[tuple[str, float]]:
        rows = curate(answers, number_task()).rows
        return {(row.question.casefold(), float(row.answer or "nan")) for row in rows}

    found = kept(answers)
    assert found == kept(random.sample(answers, len(answers)))
    expected = set()
    for question in "ab":
        values = {float(a) for q, a in answers if q.casefold() == question}
        if len(values) == 1:
            expected.add((question, values.pop()))
    assert found == expected
