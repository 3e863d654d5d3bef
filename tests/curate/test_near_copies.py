"""A dev or test question with other numbers, names or words is refused, and a new one is not."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curating import curate_round, text_task
from teachback.curate.near_copies import (
    COPY_LEVELS,
    STRICT_COPY_LEVELS,
    NearCopyDetector,
    copy_similarity,
    longest_common_subsequence,
)
from teachback.curate.overlap import LabelledQuestion

TEST = (
    "Tom picks 14 apples on Monday and twice as many on Friday. He gives 5 of them to "
    "his sister Ann. How many apples does Tom have left?"
)
SEEDS = [
    "A train leaves the station at noon and drives 60 miles an hour. How far is it at five?",
    "Each shelf of a library holds 40 books, and 12 of its 30 shelves are empty. "
    "How many books are there?",
]


@pytest.mark.parametrize(
    "row",
    [
        TEST.replace("14", "23").replace("5", "9"),
        TEST.replace("14", "twenty-three").replace("twice", "three times"),
        TEST.replace("Tom", "Sarah").replace("He", "She").replace("Ann", "Joe"),
        TEST.replace("apples", "pears").replace("Monday", "Sunday").replace("14", "8"),
        "Tom picks 30 apples on Monday and half as many on Friday. Tom gives 7 of the "
        "apples to his sister Ann. How many apples has Tom left?",
        f"Here is one for you. {TEST.replace('14', '90')} Show how you came to it.",
    ],
)
def test_a_near_copy_of_dev_or_test_is_refused(row: str) -> None:
    for task in (text_task(SEEDS, test=[TEST]), text_task(SEEDS, dev=[TEST])):
        (rejected,) = curate_round(task, [row]).rejected
        assert rejected.reason.startswith(
            ("contaminated: a near-copy of", "contaminated: shares")
        )


@pytest.mark.parametrize(
    "row",
    [
        "Tom has 3 brothers, and each of them owns 4 bikes. How many bikes do they have?",
        "Ann reads 14 pages on Monday. How many days does she need for a book of 210 pages?",
        "How many apples fit into a crate that is 40 cm long if an apple is 8 cm wide?",
    ],
)
def test_another_question_of_the_same_world_is_kept(row: str) -> None:
    assert curate_round(text_task(SEEDS, test=[TEST]), [row]).rejected == ()


def test_near_copies_of_seeds_are_what_the_loop_asks_for() -> None:
    row = SEEDS[1].replace("40", "55").replace("library", "school")
    assert curate_round(text_task(SEEDS, test=[TEST]), [row]).rejected == ()


def test_templated_tasks_are_not_compared_by_words() -> None:
    task = replace(text_task(SEEDS, test=[TEST]), templated=True)
    assert curate_round(task, [TEST.replace("14", "23")]).rejected == ()


def test_where_wording_repeats_only_long_questions_are_recognised() -> None:
    names = ["red", "blue", "green", "black"]
    questions = [
        LabelledQuestion(
            f"test {i}", f"Find the greatest {name} number that divides both"
        )
        for i, name in enumerate(names)
    ]
    assert NearCopyDetector(questions[:1], [])._levels == COPY_LEVELS
    repeating = NearCopyDetector(questions, [])
    assert repeating._levels == STRICT_COPY_LEVELS
    assert repeating.find_copy(questions[0].text.replace("red", "old")) is None


def test_the_wording_of_a_task_is_no_copy() -> None:
    form = "Read this puzzle with great care, think about every word, and then answer briefly:"
    held_out = [f"{form} where do swallows sleep?", f"{form} who built the old bridge?"]
    seeds = [f"{form} when does spring begin?", f"{form} what is heavier than lead?"]
    row = f"{form} why is the sea salty?"
    assert curate_round(text_task(seeds, test=held_out), [row]).rejected == ()


def test_similarity() -> None:
    words = list("abcdefghijklmnop")
    assert copy_similarity(words, words) == 1.0
    assert copy_similarity(words[:8], words) == 2 * 8 / 24
    # A question of 15 words in a longer text: the share of it that is there.
    assert copy_similarity(words, ["x", "y", *words[1:], "z"] + ["w"] * 20) == 15 / 16
    assert copy_similarity(words, [*words, *["w"] * 40]) == 2 * 16 / 72


@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_the_longest_common_subsequence_is_that(a: str, b: str) -> None:
    def longest(a: str, b: str) -> int:
        if not a or not b:
            return 0
        if a[0] == b[0]:
            return 1 + longest(a[1:], b[1:])
        return max(longest(a[1:], b), longest(a, b[1:]))

    assert longest_common_subsequence(list(a), list(b)) == longest(a, b)


@given(st.lists(st.text(max_size=60), max_size=6), st.text(max_size=80), st.randoms())
def test_any_texts_can_be_compared_in_any_order_of_the_seeds(
    texts: list[str], text: str, random: Random
) -> None:
    questions = [LabelledQuestion(f"test {i}", one) for i, one in enumerate(texts)]
    shuffled = random.sample(texts, len(texts))
    found = NearCopyDetector(questions, texts).find_copy(text)
    assert found == NearCopyDetector(questions, shuffled).find_copy(text)
