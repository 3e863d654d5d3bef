"""Answers that are equal as text, up to white space, case and a final full stop."""

from ..types import Example, Grade, Grader
from .final import final_answer, missing


def grade(example: Example, text: str) -> Grade:
    answer = final_answer(text)
    if answer is None:
        return missing()
    if same_text(answer, str(example.answer)):
        return Grade("right", answer, True)
    return Grade("wrong", answer, reason=f"{answer[:80]} is not {example.answer}")


def parse(question: str, text: str) -> Grade:
    answer = final_answer(text)
    return missing() if answer is None else Grade("right", answer)


def same_text(given: str, gold: str) -> bool:
    return squeeze(given) == squeeze(gold)


def squeeze(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".").rstrip()


GRADER = Grader(grade, parse)
