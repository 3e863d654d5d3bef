"""Equal as text: what typesetting adds is passed over, what could be another answer is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import DataError
from teachback.graders.exact import EXACT_GRADER, same_text
from teachback.types import Example


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Yes.", "yes"),
        ("Tom  is a\tlempus", "Tom is a lempus."),
        ("**Yes**", "Yes"),
        ("**Yes.**", "Yes"),
        ("$x$", "x"),
        (r"$\text{Yes}$.", "Yes"),
        (r"\(x + 1\)", "x + 1"),
        ("“Yes”", "yes"),
    ],
)
def test_the_same_answer(a: str, b: str) -> None:
    assert same_text(a, b)
    assert same_text(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("'5'", "5"),
        ('"yes"', "yes"),
        ("$5", "5"),
        ("5$", "5"),
        ("-5", "5"),
        ("$a$ and $b$", "a$ and $b"),
        ("**a** or **b**", "a** or **b"),
        ("(A)", "A"),
        ("2**3", "23"),
        ("no", "not"),
    ],
)
def test_other_answers(a: str, b: str) -> None:
    assert not same_text(a, b)
    assert not same_text(b, a)


@given(st.text(max_size=60), st.text(max_size=60))
def test_letters_and_digits_decide(a: str, b: str) -> None:
    assert same_text(a, a)
    letters = ["".join(c for c in text.casefold() if c.isalnum()) for text in (a, b)]
    if letters[0] != letters[1] and "\\" not in a + b:
        assert not same_text(a, b)


def test_outcomes() -> None:
    e = Example("e", "?", "Yes")
    assert EXACT_GRADER.grade(e, "Answer: yes.").outcome == "right"
    assert EXACT_GRADER.grade(e, "Answer: no").outcome == "wrong"
    assert EXACT_GRADER.grade(e, "yes").outcome == "unparsed"
    assert EXACT_GRADER.parse("?", "Answer: no").answer == "no"


def test_without_gold_there_is_no_grade() -> None:
    with pytest.raises(DataError, match="'e' has no answer"):
        EXACT_GRADER.grade(Example("e", "?"), "Answer: None")
