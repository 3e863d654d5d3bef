"""Word problems of a few sums: told, read back, solved, verified."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import ConfigError, DataError
from teachback.tasks.stories import (
    MAX_TOTAL,
    SENTENCES,
    Story,
    draw_story,
    load_stories,
    read_story,
    solve_story,
    story_key,
    tell_story,
    verify_story,
    write_story,
)
from teachback.types import Example

QUESTION = (
    "Finn has 11 books. Finn gives away 7. Half of the books get lost. The books double. "
    "Finn wins 5. How many books are there?"
)
SOLUTION = "11 - 7 = 4. 4 / 2 = 2. 2 * 2 = 4. 4 + 5 = 9.\nAnswer: 9"
SIGNS = st.lists(st.sampled_from("+-*/"), min_size=1, max_size=6).map(tuple)


def test_a_story_is_read_and_solved() -> None:
    assert read_story(QUESTION) == Story(11, (("-", 7), ("/", 2), ("*", 2), ("+", 5)))
    assert solve_story(QUESTION) == SOLUTION
    assert verify_story(QUESTION, SOLUTION).outcome == "right"
    assert story_key(QUESTION) == "11 -7 /2 *2 +5"


@given(SIGNS, st.integers(0, 2**32))
def test_any_story_that_is_told_is_read_back(signs: tuple[str, ...], seed: int) -> None:
    rng = Random(seed)
    try:
        story = draw_story(signs, rng)
    except ConfigError:  # six halves of something up to 30
        return
    question = tell_story(story, rng)
    assert read_story(question) == story
    assert solve_story(question) == story.solution()
    assert verify_story(question, story.solution()).outcome == "right"
    totals = story.totals()
    assert min(totals) >= 1
    assert max(totals) <= MAX_TOTAL
    wrong = f"{story.solution()}1"
    assert verify_story(question, wrong).outcome == "wrong"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Answer: 9", "right"),
        (f"{SOLUTION}.", "right"),
        ("11 - 7 = 5. 5 / 2 = 2. 2 * 2 = 4. 4 + 5 = 9.\nAnswer: 9", "wrong"),
        ("7 / 2 = 3. 3 + 6 = 9.\nAnswer: 9", "wrong"),
        ("11 - 7 = 4.\nAnswer: 4", "wrong"),
        ("11 - 7 = 4", "unparsed"),
    ],
)
def test_a_row_needs_the_answer_and_true_sums(text: str, outcome: str) -> None:
    assert verify_story(QUESTION, text).outcome == outcome


@pytest.mark.parametrize(
    "question",
    [
        "How many books are there?",
        "Finn has 11 books. How many books are there?",
        "Finn has 11 books. Finn eats 7. How many books are there?",
        "Finn has 11 books. Mia gives away 7. How many books are there?",
        "Finn has 11 books. Finn gives away 7. How many pens are there?",
        "Finn has 11 books. Finn gives away 7. How many books are there? Be brief.",
        "Finn has 11111111 books. Finn gives away 7. How many books are there?",
    ],
)
def test_what_is_no_story_is_not_guessed_at(question: str) -> None:
    assert read_story(question) is None
    assert solve_story(question) is None
    assert verify_story(question, "Answer: 4").outcome == "unparsed"


@pytest.mark.parametrize(
    "question",
    [
        "Finn has 7 books. Half of the books get lost. How many books are there?",
        "Finn has 7 books. Finn loses 8. How many books are there?",
    ],
)
def test_a_story_without_a_whole_answer_has_no_solution(question: str) -> None:
    assert read_story(question) is not None
    assert solve_story(question) is None
    assert verify_story(question, "Answer: 3").outcome == "unparsed"


def test_a_new_exercise_has_the_seeds_signs() -> None:
    seed = Example("s", QUESTION, "9")
    exercise = write_story(seed, Random(0))
    story = read_story(exercise.question)
    assert story is not None
    assert story.signs == ("-", "/", "*", "+")
    assert exercise.text == story.solution()
    assert exercise.question != QUESTION
    with pytest.raises(DataError, match="no story"):
        write_story(Example("s", "2 + 2?"), Random(0))


def test_splits_share_no_story_and_repeats_have_tests_of_their_own() -> None:
    sizes = {"steps": (2, 3), "seeds": 64, "dev": 100, "test": 200, "seed": 3}
    first, second = load_stories(**sizes), load_stories(**sizes, repeat=1)
    assert (first.seeds, first.dev) == (second.seeds, second.dev)
    assert {e.id for e in first.test}.isdisjoint(e.id for e in second.test)
    for task in (first, second):
        examples = [*task.seeds, *task.dev, *task.test]
        assert len({task.key(e.question) for e in examples}) == len(examples) == 364
        assert {e.meta["steps"] for e in examples} == {2, 3}
        for e in examples:
            assert e.solution == solve_story(e.question)
            assert task.grade(e, str(task.target(e))).outcome == "right"
            assert task.prompt(e.question).startswith(e.question)


def test_too_many_stories_of_one_step_are_refused() -> None:
    with pytest.raises(ConfigError, match="not so many different ones"):
        load_stories(steps=(1, 1), seeds=64, dev=100, test=200, seed=0)


def test_every_sentence_says_its_number_once() -> None:
    for sign, sentences in SENTENCES.items():
        for sentence in sentences:
            assert sentence.count("{number}") == (sign in "+-")
            assert sentence.count(".") == 1
            assert sentence.endswith(".")
