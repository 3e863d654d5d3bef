"""Multiple choice: every dress of a letter, the options' texts, and never a letter that is no
option.
"""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import DataError
from teachback.graders import GRADERS
from teachback.graders.choice import CHOICE_GRADER, chosen_letter, read_options
from teachback.graders.text import same_text
from teachback.types import Example

QUESTION = "How many?\nOptions: (A) 24 (B) None of these (C) A car (D) 4 1/3 km/h (E) D"
CHOICES = read_options(QUESTION)
DRESSES = (
    "C|(C)|C)|C.|(C).|[C]|**C**|**(C)**|$C$|\\text{C}|C:|c|(c)|$\\text{(C)}$|Option C|choice "
    "(C).|(C) A car|C) A car"
    "|C. A car|C: a car."
)


def test_options_of_a_question() -> None:
    assert CHOICES == {
        "A": "24",
        "B": "None of these",
        "C": "A car",
        "D": "4 1/3 km/h",
        "E": "D",
    }
    assert read_options(
        "Which (A) is it?\nOptions:\n(A) one\n(B) two\n\nAnswer with a letter."
    ) == {
        "A": "one",
        "B": "two",
    }
    assert read_options("Which?\nA) one\nB) two\nC) three") == {
        "A": "one",
        "B": "two",
        "C": "three",
    }
    assert read_options("Which? (A) P(B) (B) P(A) (C) (a + b)(a - b)") == {
        "A": "P(B)",
        "B": "P(A)",
        "C": "(a + b)(a - b)",
    }
    assert read_options("Which? (A) A)59 (B) B)69") == {"A": "A)59", "B": "B)69"}
    assert read_options("Which? (A) one (B) two (D) four") == {
        "A": "one",
        "B": "two (D) four",
    }
    assert (
        read_options("(B) then (C)")
        == read_options("only (A)")
        == read_options("")
        == {}
    )


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        *((dress, "C") for dress in DRESSES.split("|")),
        *(
            ("(C) some text", "C"),
            ("A car", "C"),
            ("a  car.", "C"),
            ("24", "A"),
            ("none of these", "B"),
        ),
        *(("(D) 4 1/3 km/h", "D"), ("(E)", "E"), ("E. D", "E")),
    ],
)
def test_one_option_is_named(answer: str, named: str) -> None:
    assert chosen_letter(answer, CHOICES) == named


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "(A) or (B)",
            "A or B",
            "A, B",
            "(A)(B)",
            "A) and B)",
            "Both (A) and (C)",
            "(A) None of these",
            "(A) not B",
        ),
        *(
            "D",
            "D.",
            "(F)",
            "F",
            "z",
            "25",
            "A car that is red",
            "Ac",
            "C.M.",
            "(F) 24",
            "",
            "()",
            "because",
        ),
    ],
)
def test_two_options_or_none(answer: str) -> None:
    """ "D" too: it is one option's letter and another's text."""
    assert chosen_letter(answer, CHOICES) is None


def test_a_letter_that_is_no_option_may_be_an_options_text() -> None:
    assert chosen_letter("x", {"A": "x", "B": "y"}) == "A"
    assert chosen_letter("s.50", {"A": "s.50", "B": "s.60"}) == "A"


@given(
    st.text(alphabet="ABCDEF()[]. :*$orand24", max_size=20),
    st.lists(
        st.text(alphabet=string.ascii_letters + "0123 ().", max_size=8),
        min_size=2,
        max_size=6,
    ),
)
def test_never_a_letter_that_is_no_option(answer: str, texts: list[str]) -> None:
    choices = dict(zip("ABCDEF", texts, strict=False))
    question = "Which? " + " ".join(f"({k}) {v}" for k, v in choices.items())
    named = chosen_letter(answer, choices)
    assert named is None or named in choices
    assert (
        CHOICE_GRADER.parse(question, f"Answer: {answer}").answer
        in read_options(question)
    ) or (CHOICE_GRADER.parse(question, f"Answer: {answer}").outcome == "unparsed")


def rows(data: Path, name: str) -> list[Example]:
    lines = [
        json.loads(line)
        for line in (data / f"{name}.jsonl").read_text("utf-8").split("\n")
        if line
    ]
    return [
        Example(r["id"], r["question"], r["answer"], r["solution"], r["meta"])
        for r in lines
    ]


def with_options(data: Path) -> list[Example]:
    found = rows(data, "aqua_test") + [
        e for e in rows(data, "bbh_logic_test") if "Options:" in e.question
    ]
    assert len(found) == 254 + 750
    return found


def test_real_options_are_all_found(data: Path) -> None:
    for e in rows(data, "aqua_test"):
        assert "".join(read_options(e.question)) == "ABCDE", e.id
    numbers = {"three": 3, "five": 5, "seven": 7}
    for e in with_options(data)[254:]:
        assert (
            len(read_options(e.question)) == numbers[str(e.meta["task"]).split("_")[2]]
        ), e.id


def test_real_golds_are_right_in_every_dress_and_other_letters_wrong(
    data: Path,
) -> None:
    for e in with_options(data):
        gold = str(e.answer).strip("()")
        choices = read_options(e.question)
        for dress in (
            gold,
            f"({gold})",
            f"**{gold}**",
            f"({gold}) {choices[gold]}",
            f"{gold}. {choices[gold]}",
        ):
            assert CHOICE_GRADER.grade(e, f"So.\nAnswer: {dress}").outcome == "right", (
                e.id,
                dress,
            )
            assert (
                CHOICE_GRADER.grade(
                    Example(e.id, e.question, dress), f"\\boxed{{{gold}}}"
                ).outcome
                == "right"
            )
        for other in choices.keys() - {gold}:
            assert (
                CHOICE_GRADER.grade(e, f"The answer is ({other}).").outcome == "wrong"
            ), (
                e.id,
                other,
            )


def test_real_texts_name_their_option_unless_two_share_them(data: Path) -> None:
    shared = 0
    for e in with_options(data):
        choices = read_options(e.question)
        for key, text in choices.items():
            same = [k for k, v in choices.items() if same_text(v, text)]
            shared += len(same) > 1
            assert chosen_letter(text, choices) == (key if len(same) == 1 else None), (
                e.id,
                text,
            )
    assert shared == 14  # of aqua's: "(A) 80 kmph … (E) 80 kmph"


def test_the_other_rows_of_bbh_are_for_exact_and_number(data: Path) -> None:
    wrong = {"Yes": "No", "No": "Yes", "True": "False", "False": "True"}
    others = [e for e in rows(data, "bbh_logic_test") if "Options:" not in e.question]
    assert len(others) == 750
    for e in others:
        gold = str(e.answer)
        fits = ["exact"] if gold in wrong else ["exact", "number"]
        for name in fits:
            assert GRADERS[name].grade(e, f"Answer: **{gold}**.").outcome == "right", (
                e.id
            )
            assert (
                GRADERS[name]
                .grade(e, f"The answer is {wrong.get(gold, gold + '1')}.")
                .outcome
                == "wrong"
            ), e.id
        assert GRADERS["choice"].grade(e, f"Answer: {gold}").outcome == "unparsed"


def test_gold_that_is_no_option_is_named() -> None:
    with pytest.raises(
        DataError,
        match="'e' is not one of its options\n  got: 'F'\n  allowed: A, B, C, D, E",
    ):
        CHOICE_GRADER.grade(Example("e", QUESTION, "F"), "Answer: A")


def test_outcomes_say_why() -> None:
    e = Example("e", QUESTION, "(A)")
    assert CHOICE_GRADER.grade(e, "(A)").reason is not None
    assert CHOICE_GRADER.grade(e, "Answer: B").reason == "B is not A"
    assert "options A, B, C, D, E: A or B" in (
        CHOICE_GRADER.grade(e, "Answer: A or B").reason or ""
    )
    assert "no options" in (CHOICE_GRADER.parse("How many?", "Answer: A").reason or "")
