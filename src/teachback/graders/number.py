"""Answers that are one number, compared exactly."""

import re
from decimal import Decimal, InvalidOperation

from ..types import Example, Grade, Grader
from .final import final_answer, missing

NUMBER = re.compile(
    r"(?P<sign>[-+\u2212]?)\s*(?:[$€£]\s*)?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:\s*%|\s*[A-Za-z][A-Za-z .]{0,40})?\.?",
    re.ASCII,
)


def number(text: str) -> Decimal | None:
    """The number that the text is, exactly: 1,000 = 1000.0, $5 = 5, -5 ≠ 5.

    A trailing % or unit in letters is passed over. None when the text is anything but one number.
    """
    found = NUMBER.fullmatch(text.strip()) if len(text) < 200 else None
    if found is None:
        return None
    try:
        value = Decimal(found["digits"].replace(",", ""))
    except InvalidOperation:
        return None
    return -value if found["sign"] in ("-", "\u2212") else value


def same_number(given: str, gold: str) -> bool:
    a, b = number(given), number(gold)
    return a is not None and a == b


def grade(example: Example, text: str) -> Grade:
    found = parse(example.question, text)
    if found.outcome != "right" or found.answer is None:
        return found
    if same_number(found.answer, str(example.answer)):
        return Grade("right", found.answer, True)
    return Grade("wrong", found.answer, reason=f"{found.answer[:80]} is not {example.answer}")


def parse(question: str, text: str) -> Grade:
    answer = final_answer(text)
    if answer is None:
        return missing()
    if number(answer) is None:
        return Grade("unparsed", answer, reason=f"no number: {answer[:80]}")
    return Grade("right", answer)


GRADER = Grader(grade, parse)
