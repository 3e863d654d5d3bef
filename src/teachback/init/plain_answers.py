"""Answers that their grader reads without a doubt, told by a glance: files may have many rows."""

import re

from ..types import Example

# Digits, at most with a sign and a point.
PLAIN_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")
NUMBER_READERS = ("number", "math", "exact")
PLAIN_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ,;()<>=_'+/.-]{0,300}")
# Words by which a grader tells where an answer begins, ends or is taken back.
TELLING_WORD = re.compile(
    r"answer|question|problem|exercise|final|wait|not|wrong|correct|mistake|sorry|no\b|actually",
    re.IGNORECASE,
)
ONE_LETTER = re.compile(r"[A-Z]")
# An option whose text is a letter could be taken for another option.
LETTER_OPTION = re.compile(r"\n\([A-Z]\) \(?[A-Za-z]\W?(?:\n|$)")


def is_plain_number(answer: str) -> bool:
    return PLAIN_NUMBER.fullmatch(answer) is not None


def is_plain_option(example: Example) -> bool:
    """A letter, whose option stands on a line of its own in the question."""
    answer, question = str(example.answer), example.question
    return (
        ONE_LETTER.fullmatch(answer) is not None
        and question.count("\n(A) ") == 1
        and f"\n({answer}) " in question
        and LETTER_OPTION.search(question) is None
    )


def is_surely_readable(grader: str, example: Example) -> bool:
    """False: it must be tried."""
    answer = str(example.answer)
    if grader in NUMBER_READERS and is_plain_number(answer):
        return True
    if grader == "choice":
        return is_plain_option(example)
    return (
        grader == "exact"
        and PLAIN_TEXT.fullmatch(answer) is not None
        and TELLING_WORD.search(answer) is None
    )
