"""Game of 24: what is read, grading, verifying, keys, hostile text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.tasks.game24 import game24_prompt
from teachback.tasks.game24_answers import (
    final_expression,
    game24_key,
    grade_game24,
    puzzle_target,
    read_puzzle,
    verify_game24,
)
from teachback.types import Example

PUZZLE = "4 5 6 10"
SOLUTION = """\
4 * 5 = 20 (left: 6 10 20)
10 - 6 = 4 (left: 20 4)
20 + 4 = 24 (left: 24)
Answer: (4 * 5) + (10 - 6) = 24"""
EXAMPLE = Example("e", PUZZLE, "24", SOLUTION)


def outcome(text: str, question: str = PUZZLE) -> str:
    assert verify_game24(question, text) == grade_game24(
        Example("e", question, "24"), text
    )
    return verify_game24(question, text).outcome


def test_the_gold_solution_is_right() -> None:
    found = grade_game24(EXAMPLE, str(puzzle_target(EXAMPLE)))
    assert (found.outcome, found.answer, found.answer_right) == (
        "right",
        "(4 * 5) + (10 - 6) = 24",
        True,
    )
    assert found.reason is None


def test_the_prompt_shows_a_form_that_is_right_and_no_puzzle_of_the_game() -> None:
    message = game24_prompt(PUZZLE)
    assert message.endswith(f": {PUZZLE}")
    shown = message.split("\nNumbers")[0].rstrip()
    assert outcome(shown, "2 2 40 60") == "right"
    assert all(
        word in message for word in ("exactly once", "+ - * /", "24", "Answer: ")
    )


@pytest.mark.parametrize(
    "text",
    [
        "Answer: 4*5+10-6", "answer: 10 - 6 + 5 * 4 = 24", "**Answer:** (4 × 5) + (10 − 6)",
        "#### 4 * 5 + 10 - 6", "**Answer: (4 * 5) + (10 - 6) = 24**",
        "The answer is: 4 * 5 + (10 - 6).", "Answer:\n\n4 * 5 + (10 - 6) = 24\n",
        r"So \boxed{4 \times 5 + (10 - 6) = 24}.", r"Answer: $\boxed{4 \cdot 5 + {10 - 6}}$",
        "Answer: `4 * 5 + (10 - 6)`",
        "FINAL ANSWER: (5*4)-(6-10)",
        "Answer: 1 + 1\nNo, wait.\nAnswer: 4 * 5 + 10 - 6",
        "4 + 4 = 9 (left: 7)\nAnswer: 4 * 5 + 10 - 6 = 20 + 4 = 24",
        "Answer: 4 * 5 + 10 - 6 = 24\r\n\r\nDone.",
        "Answer: 24 = 4 * 5 + 10 - 6",
        "<think>Answer: 24?</think>\nAnswer: 4 * 5 + 10 - 6<|im_end|>",
    ],
)  # fmt: skip
def test_right(text: str) -> None:
    assert outcome(text) == "right"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Answer: (4 * 5) + (10 - 6) = 25", "25 is not 24"),
        ("Answer: (4 * 5) + (10 - 6) = 20 + 5 = 24", "25 is not 24"),
        ("Answer: (4 * 5) - (10 - 6) = 24", "16 is not 24"),
        ("Answer: 4 * 6", "uses 4 6, not 4 5 6 10"),
        ("Answer: 24", "uses 24"),
        ("Answer: 4 * 5 + 10 - 6 + 5 - 5", "uses 4 5 5 5 6 10"),
        ("Answer: 4 * (10 - 4) ", "uses 4 4 10"),
        ("Answer: 45 + 10 - 6", "uses 6 10 45"),
        ("Answer: 24 = 24", "uses 24"),
        ("Answer: 24 = 4 * 5 + 10", "uses 4 5 10"),
        ("Answer: 24 = 4 * 5 - 10 + 6", "16 is not 24"),
        ("Answer: 4 / (5 + 5 - 10)", "divides by zero"),
        ("Answer: 4 * 5 + 10 - 6 = 24\nAnswer: 4 + 5 + 6 + 10", "25 is not 24"),
        (r"Answer: 4 * 5 + 10 - 6, so \boxed{24}", "uses 24"),
    ],
)
def test_wrong(text: str, reason: str) -> None:
    found = verify_game24(PUZZLE, text)
    assert (found.outcome, found.answer_right) == ("wrong", False)
    assert reason in str(found.reason)
    assert outcome(text) == "wrong"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no final answer"),
        ("(4 * 5) + (10 - 6) = 24", "no final answer"),
        ("Answer:", "no final answer"),
        (r"\boxed{4 * 5 + 10 - 6", "no final answer"),
        ("Answer: 4 * 5 + 10 - -6", "'-' where a number is due"),
        ("Answer: I give up", "not an expression"),
        ("Answer: __import__('os').system('true')", "not an expression"),
        ("Answer: 4 * 5 + 10 - 6 = 24 (left: 24)", "not an expression at 'left: 24)'"),
        ("Answer: (4 * 5 + 10 - 6", "without its ')'"),
        ("Answer: " + "(" * 1_000_000, "longer than 300"),
    ],
)
def test_unparsed(text: str, reason: str) -> None:
    found = verify_game24(PUZZLE, text)
    assert (found.outcome, found.answer_right) == ("unparsed", False)
    assert reason in str(found.reason)


def test_whole_number_arithmetic_is_not_rounded() -> None:
    assert outcome("Answer: 8 / (3 - 8 / 3) = 24", "3 3 8 8") == "right"
    assert outcome("Answer: 7 * (3 + 3 / 7)", "3 3 7 7") == "right"
    assert outcome("Answer: 97 / 4 / 1 / 1", "1 1 4 97") == "wrong"
    assert outcome("Answer: 72 / (3 + 1 / 999999999)", "1 3 72 999") == "wrong"


@pytest.mark.parametrize(
    "question",
    [
        "",
        "4 5 6",
        "4 5 6 10 1",
        "0 4 5 6",
        "a b c d",
        "4 5 6 -10",
        "4 5 6 10000",
        "4.5 6 1 2",
    ],
)
def test_a_question_that_is_no_puzzle_is_never_right(question: str) -> None:
    found = verify_game24(question, "Answer: (4 * 5) + (10 - 6) = 24")
    assert found.outcome == "unparsed"
    assert "the question is not" in str(found.reason)


def test_a_puzzle_without_solution_says_so() -> None:
    found = verify_game24("1 1 1 1", "Answer: 1 + 1 + 1 + 1")
    assert (found.outcome, found.reason) == (
        "wrong",
        "the numbers of the question can't make 24",
    )


def test_keys() -> None:
    same = ["4 5 6 10", "10 6 5 4", " 4, 10, 5, 6\n", "04 5 6 10", "4;5;6;10"]
    assert {game24_key(question) for question in same} == {"4 5 6 10"}
    others = [
        "4 5 6 11",
        "4 5 6 6",
        "4 4 5 6",
        "4 56 1 10",
        "4 5 6",
        "make 24 of 4 5 6 10",
        "MAKE 24",
        "",
    ]
    assert (
        len({game24_key(question) for question in [*others, PUZZLE]}) == len(others) + 1
    )
    assert game24_key("make  24") == game24_key("MAKE 24")
    assert all(read_puzzle(game24_key(question)) is None for question in others[4:])


@given(
    st.lists(st.integers(1, 999), min_size=4, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_numbers_does_not_matter(
    numbers: list[int], rng: object
) -> None:
    question = " ".join(map(str, numbers))
    rng.shuffle(numbers)  # type: ignore[attr-defined]
    assert game24_key(question) == game24_key(", ".join(map(str, numbers)))
    assert read_puzzle(question) == tuple(sorted(numbers))


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_breaks_it(question: str, text: str) -> None:
    for answer in (text, f"Answer: {text}", f"\\boxed{{{text}"):
        assert verify_game24(question, answer).outcome != "right"
        assert verify_game24(PUZZLE, answer).outcome in ("wrong", "unparsed")
    assert game24_key(question) == game24_key(question)


@pytest.mark.parametrize(
    "unit",
    [
        "answer",
        "Answer:",
        "\\boxed{",
        "{",
        "#",
        "####",
        " ",
        "\n",
        "-",
        "answer*",
        "9",
        "*9",
        "{}",
        "/(1-1)",
        "\\frac{",
    ],
)
def test_hostile_text_takes_no_time(unit: str) -> None:
    many = (unit * 1_000_000)[:1_000_000]
    start = time.process_time()
    for text in (
        many,
        f"Answer: 4{many}4",
        f"\\boxed{{{many}",
        f"Answer: {many[:280]}",
    ):
        assert verify_game24(PUZZLE, text).outcome in ("wrong", "unparsed")
    assert verify_game24(many, "Answer: 1").outcome == "unparsed"
    assert len(game24_key(many)) == 32
    assert (
        time.process_time() - start < 3
    )  # six checks; a second for all of them on a core of its own


def test_the_final_answer_is_what_the_last_mark_says() -> None:
    assert final_expression("Answer: 1 * 2 + (3 * 4)") == "1 * 2 + (3 * 4)"
    assert final_expression("the answer was 3") is None
    assert final_expression("##### 3") is None
    assert final_expression(r"\boxed{\frac{1}{2}} and more") == r"\frac{1}{2}"
