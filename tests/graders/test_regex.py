"""A pattern of one's own: its last match, its first group, compared as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import ConfigError
from teachback.graders.regex import make_regex_grader
from teachback.types import Example

E = Example("e", "?", "Oslo")


@pytest.mark.parametrize(
    ("pattern", "text", "answer"),
    [
        (r"Result: (\w+)", "Result: Rome\nResult: Oslo", "Oslo"),
        (r"Result: (\w+) (\w+)", "Result: Oslo Rome", "Oslo"),
        (r"\b[A-Z]\w+", "from Rome to Oslo", "Oslo"),
        (r"(?im)^result: (.*)$", "RESULT:  oslo. \nend", "oslo."),
        (r"\d*", "12 or 34 ", "34"),  # the empty matches behind it don't count
        (r"is (\w+)|nothing", "is Oslo, nothing else", "Oslo"),
    ],
)
def test_the_last_match_is_the_answer(pattern: str, text: str, answer: str) -> None:
    assert make_regex_grader(pattern).parse("?", text).answer == answer


def test_outcomes() -> None:
    grader = make_regex_grader(r"<a>(.*?)</a>")
    assert grader.grade(E, "<a>Rome</a> <a> oslo. </a>").outcome == "right"
    assert grader.grade(E, "<a>Oslo</a> <a>Rome</a>").reason == "Rome is not Oslo"
    assert grader.grade(E, "Answer: Oslo").outcome == "unparsed"
    assert grader.grade(E, "<a></a>").outcome == "unparsed"
    assert grader.parse("?", "<a>Rome</a>").outcome == "right"


@pytest.mark.parametrize("pattern", ["(", "[a", "a{99999999999}", "(?P<x", "*", ""])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"task\.pattern(.|\n)*fix: "):
        make_regex_grader(pattern)


@given(st.text(max_size=40), st.text(alphabet="abc 12", max_size=40))
def test_a_right_answer_stands_in_the_text(noise: str, gold: str) -> None:
    grade = make_regex_grader(r"=(\w+)").grade(
        Example("e", "?", gold), f"{noise} ={gold}"
    )
    if grade.outcome == "right":
        assert grade.answer is not None
        assert grade.answer in f"{noise} ={gold}"
        assert grade.answer.strip() == gold.strip()
