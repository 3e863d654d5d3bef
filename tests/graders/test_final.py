"""The last explicit mark of a text, in the dresses that models give it; nothing where there is
none.
"""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.graders.final import final_answer, find_final_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2 + 3 = 5\nAnswer: 5", "5"),
        ("so it is 5.\n#### 1,000", "1,000"),
        ("it is 5. #### 5 apples", "5 apples"),
        ("**Answer:** 12 apples", "12 apples"),
        ("**Answer: 12**", "12"),
        ("**Final Answer**: 12", "12"),
        ("Answer: **12**\r\n", "12"),
        ("Answer: **A** because", "A because"),
        ("> ANSWER: yes", "yes"),
        ("### Final answer\n\n42\n", "42"),
        ("**Answer**\n42", "42"),
        ("Answer:\n\n$$42$$\nDone.", "$$42$$"),
        ("The answer is: \n42", "42"),
        ("So the answer is 3.5. I am sure.", "3.5"),
        ("The final answer is **-5.** Done.", "-5"),
        ("The answer is Rs. 5.", "Rs. 5"),
        ("Final Answer: The final answer is $5$. I hope it is correct.", "$5$"),
        (r"so \boxed{\frac{1}{2}} is it.", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"The answer is $\boxed{7}$.", "7"),
        (r"\fbox{7}", "7"),
        ("Answer: 2**3", "2**3"),
    ],
)
def test_every_mark_is_read(text: str, answer: str) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Final answer: x\nAnswer: y\n", "y"),
        ("Answer: 1\n#### 2", "2"),
        ("#### 1\nAnswer: 2", "2"),
        (r"\boxed{1} and then \boxed{2}", "2"),
        ("Answer: 1\nNo: \\boxed{2}.", "2"),
        ("\\boxed{1}\nWait. The answer is 2.", "2"),
        ("The answer is 1.\nAnswer: 2", "2"),
    ],
)
def test_the_last_mark_wins(text: str, answer: str) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    "later",
    [
        "Answer:",
        "Answer:\n\nAnswer:",
        "\\boxed{}",
        "\\boxed{6",
        "####",
        "Is it chance that the answer is 24?",
        "The answer is in simplest form.",
        "Our answer works.",
    ],
)
def test_what_gives_no_answer_does_not_take_one_back(later: str) -> None:
    assert final_answer(f"Answer: 5\n\n{later}") == "5"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Answer:",
        "so there are 72 clips.",
        "2 + 3 = 5",
        "the Answer: 5 is in the line",
        "Answers: 5",
        "Answer\n42",
        "##### 5",
        "Their answer is 5.",
        "Is the answer 5?",
        r"\boxed 5",
        "Answer:\n- 5",  # minus five, or the first item of a list
    ],
)
def test_no_mark_no_answer(text: str) -> None:
    assert final_answer(text) is None


@pytest.mark.parametrize(
    "dress",
    [
        "-\\boxed{5}",
        "x = -\\boxed{5}",
        "x = - \\boxed{5}",
        "is $-\\boxed{5}$",
        "\u2212\\boxed{5}",
    ],
)
def test_a_minus_before_the_box_belongs_to_the_answer(dress: str) -> None:
    assert final_answer(dress) == "-5"
    assert final_answer(f"Answer: {dress}") == "-5"


def test_a_bullet_before_the_box_does_not() -> None:
    assert final_answer("text\n- \\boxed{5}") == "5"


@pytest.mark.parametrize("dress", ["7-\\boxed{5}", "7 - \\boxed{5}", "7\\boxed{5}"])
def test_a_box_that_holds_a_part_of_the_value_gives_no_answer(dress: str) -> None:
    found = find_final_answer(f"Answer: 4\nSo it is {dress}.")
    assert found.answer is None
    assert "before the box" in str(found.reason)


@pytest.mark.parametrize("later", ["Wait, that's wrong.", "Sorry, it should be 6."])
def test_what_is_taken_back_is_no_answer(later: str) -> None:
    found = find_final_answer(f"Answer: 5\n{later}")
    assert found == (None, "the text takes its answer back: 5")
    assert final_answer(f"Answer: 4\n{later}\nAnswer: 5") == "5"


@given(st.text(max_size=60), st.text(max_size=60))
def test_an_answer_or_a_reason_whatever_stands_around_a_box(
    before: str, behind: str
) -> None:
    found = find_final_answer(f"{before}\\boxed{{5}}{behind}")
    assert (found.answer is None) == (found.reason is not None)


def test_of_two_boxes_on_an_answer_line_none_is_picked() -> None:
    assert (
        final_answer("Answer: \\boxed{3} or \\boxed{4}") == "\\boxed{3} or \\boxed{4}"
    )


@given(
    st.text(alphabet="Answer: iste\\boxd{}#*\n5-.", max_size=300),
    st.integers(-999, 999),
)
def test_whatever_stands_before_a_last_line_is_passed_over(
    noise: str, value: int
) -> None:
    final_answer(noise)
    assert final_answer(f"{noise}\nAnswer: {value}") == str(value)
    assert final_answer(f"{noise}\n#### {value}") == str(value)
    assert final_answer(f"{noise} so \\boxed{{{value}}}") is not None


@pytest.mark.parametrize(
    "part",
    [
        *(
            "9",
            "1,",
            "*",
            "#",
            " ",
            "\n",
            "- ",
            "#### ",
            "####\n",
            "Answer:",
            "Answer:\n",
            "**Answer**\n",
        ),
        *(
            "the answer is ",
            "the answer is: \n",
            "\\boxed{",
            "\\boxed{}",
            "\\boxed{ }",
            "\\boxed ",
            "{",
            "Answer: *a",
        ),
    ],
)
def test_hostile_texts_take_linear_time(part: str) -> None:
    """Measured for 10 MB: below 5 s each. Quadratic time would be minutes for these 300 kB."""
    started = time.monotonic()
    many = part * (3 * 10**5 // len(part))
    for hostile in (many, "\\boxed{" + many, "Answer:" + many):
        final_answer(hostile)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("answer", ["(4 * 5) + (10 * 6) = 24", "2 * 3 * x", "4 * 6"])
def test_stars_between_spaces_are_signs(answer: str) -> None:
    assert final_answer(f"Answer: {answer}") == answer
