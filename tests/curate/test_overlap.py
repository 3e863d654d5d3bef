"""13 words shared with dev or test refuse a row, 8 make a warning; the task's form is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curating import curate_round, text_task
from teachback.curate.overlap import HeldOutOverlap, LabelledQuestion
from teachback.curate.words import (
    is_distinctive,
    mask_numbers,
    ngrams,
    split_words,
    strip_punctuation,
)

TEST = (
    "A baker sells twelve loaves of rye bread every morning and uses two bags of flour for "
    "each batch of loaves that he bakes. How many bags does he need for 48 loaves?"
)
OTHER = (
    "Which of the two neighbours walks further on a Sunday if both of them set out at noon "
    "and one turns back early?"
)


def splice(start: int, n: int) -> str:
    """n words of the test question, from the start-th on, amid others."""
    words = " ".join(TEST.split()[start : start + n])
    return f"Long ago {words} whatever anyone said about it afterwards"


@pytest.mark.parametrize("start", [0, 5, 20])
def test_thirteen_words_of_a_test_question_refuse_a_row_and_twelve_do_not(
    start: int,
) -> None:
    task = text_task(test=[OTHER, TEST])
    refused = curate_round(task, [splice(start, 13)])
    assert refused.rows == ()
    shared = " ".join(split_words(" ".join(TEST.split()[start : start + 13])))
    assert (
        refused.rejected[0].reason
        == f'contaminated: shares 13 words with test t1: "{shared}"'
    )
    kept = curate_round(task, [splice(start, 12)])
    assert kept.rejected == ()
    assert [(w.row, w.other, w.kind, w.shared) for w in kept.warnings] == [
        (
            "x#0",
            "test t1",
            "8-word",
            " ".join(split_words(" ".join(TEST.split()[start : start + 12]))),
        )
    ]
    assert (kept.warnings[0].text, kept.warnings[0].other_text) == (
        splice(start, 12),
        TEST,
    )
    assert "1 of 1 rows share 8 words" in kept.notes[0]


def test_case_and_punctuation_hide_nothing() -> None:
    text = "SO: a BAKER - sells (twelve) loaves; of rye bread, every morning... and uses two bags!"
    assert "13 words with dev d0" in str(
        curate_round(text_task(dev=[TEST]), [text]).rejected[0].reason
    )


def test_other_numbers_are_warned_of() -> None:
    text = "He owns 7 shops. How many bags does he need for 950 loaves?"
    warned = curate_round(text_task(test=[TEST]), [text]).warnings
    assert [(w.kind, w.shared) for w in warned] == [
        ("number-masked", "how many bags does he need for # loaves")
    ]
    assert (
        curate_round(
            text_task(test=[TEST]), ["How many bags does he need for a loaf?"]
        ).warnings
        == ()
    )


def test_a_short_question_is_refused_as_a_whole_only() -> None:
    task = text_task(test=["What is 2 - 3 times 4, in words?"])
    curation = curate_round(
        task,
        [
            "what is 2-3 times 4 in words",
            "What is 2 + 3 times 4, in words?",
            "What is 2 - 3 times 4?",
        ],
    )
    assert [x.reason for x in curation.rejected] == [
        "contaminated: equal to test t0 but for spaces and punctuation"
    ]
    assert len(curation.rows) == 2


@pytest.mark.parametrize(
    ("row", "is_inside"),
    [
        (
            "Ann says: what is 2 - 3 times 4? Answer her in a whole sentence, please.",
            True,
        ),
        (
            "What is 2-3 times 4. Then add the number of days in a week to your answer.",
            True,
        ),
        (
            "Ann says: what is 2 + 3 times 4? Answer her in a whole sentence, please.",
            False,
        ),
        ("Ann says: what is 2 - 3 times 4 - 1? Answer her in a whole sentence.", False),
        ("Ann says: what is 2 - 3 times 4.5? Answer her in a whole sentence.", False),
        ("Ann says: what is 12 - 3 times 4? Answer her in a whole sentence.", False),
        ("Ann says: what is 2 - 3? And what is that times 4, in the end?", False),
    ],
)
def test_a_short_question_is_found_inside_a_longer_row(
    row: str, is_inside: bool
) -> None:
    task = text_task(test=[OTHER, "What is 2 - 3 times 4?"])
    reasons = [x.reason for x in curate_round(task, [row]).rejected]
    assert reasons == ["contaminated: has all of test t1 in it"] * is_inside


@pytest.mark.parametrize(
    ("question", "is_found"),
    [
        (r"Simplify $\sqrt{242}$.", True),
        ("Factor 1001.", False),
        ("What is 2 + 2?", True),
        ("2 + 2", False),
        ("Is it so?", False),
    ],
)
def test_a_question_of_three_words_is_found_by_a_word_and_a_number(
    question: str, is_found: bool
) -> None:
    rows = [f"Problem 17. {question}"]
    refused = curate_round(text_task(test=[question]), rows).rejected
    assert bool(refused) == is_found


def test_a_short_question_that_seeds_hold_is_the_tasks_wording() -> None:
    test = "How many are left?"
    seeds = [
        "Ann has 3 hats and loses one. How many are left?",
        "Of 5 keys one breaks. How many are left?",
    ]
    row = "Of 17 lamps along the harbour 4 went out. How many are left?"
    assert curate_round(text_task(seeds, test=[test]), [row]).rejected == ()
    assert curate_round(text_task(seeds[:1], test=[test]), [row]).rejected != ()
    # As a whole it is refused all the same.
    assert curate_round(text_task(seeds, test=[test]), [f"{test}!"]).rejected != ()


def test_the_form_of_a_task_is_no_leak() -> None:
    """An instruction that the seeds and the held-out questions begin with."""
    form = (
        "Read the following question with care and give your answer "
        "as a single whole number please:"
    )
    held_out = [
        f"{form} how many {thing} are in a dozen crates of nine?"
        for thing in ("apples", "pears")
    ]
    seeds = [
        f"{form} how tall is the {ordinal} tower by the sea?"
        for ordinal in ("first", "second")
    ]
    row = f"{form} where do thirteen swallows go when winter is near?"
    assert curate_round(text_task(seeds, test=held_out), [row]).rejected == ()
    assert (
        curate_round(text_task(seeds[:1], test=held_out), [row]).rejected != ()
    )  # one seed may itself have leaked
    assert curate_round(text_task(seeds, test=held_out[:1]), [row]).rejected != ()


def test_the_question_that_shares_most_is_named() -> None:
    held_out = [
        LabelledQuestion("test a", " ".join(TEST.split()[:14])),
        LabelledQuestion("test b", TEST),
    ]
    leak = HeldOutOverlap(held_out, []).leak_reason(" ".join(TEST.split()[1:30]))
    assert leak is not None
    assert leak.startswith("shares 13 words with test b")


def test_words() -> None:
    assert split_words(
        "It's $1,200.50 — naïve ＡＢＣ１２ [asy] draw((0,0)--(1,1)); [/asy] end_of"
    ) == [*("it", "s", "1", "200", "50", "naïve", "abc12", "end", "of")]
    assert mask_numbers(["seven", "7th", "sevens", "forty", "a"]) == [
        "#",
        "#",
        "sevens",
        "#",
        "a",
    ]
    assert is_distinctive(("how", "many", "#", "a"))
    assert not is_distinctive(("how", "x", "#", "a"))
    assert list(ngrams(["a", "b"], 3)) == []


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_can_be_compared(question: str, text: str) -> None:
    """Lone surrogates, other scripts, nothing: never an exception. A question leaks into itself."""
    overlap = HeldOutOverlap([LabelledQuestion("test t", question)], [])
    overlap.find_similar(text)
    if strip_punctuation(question):
        assert overlap.leak_reason(f" {question}!") is not None
    if not set(split_words(question)) & set(split_words(text)) and strip_punctuation(
        question
    ) != strip_punctuation(text):
        assert overlap.leak_reason(text) is None
