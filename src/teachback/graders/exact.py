"""Grader `exact`: equal as text, up to white space, case, a final full stop and markup."""

from ..types import Example, Grade, Grader
from .final import find_final_answer, gold_answer, grade_comparison, no_final_answer
from .text import same_text


def grade_exact(example: Example, text: str) -> Grade:
    answer, reason = find_final_answer(text)
    if answer is None:
        return no_final_answer(reason)
    is_same = same_text(answer, gold_answer(example))
    return grade_comparison(answer, example.answer, is_same)


def parse_exact(question: str, text: str) -> Grade:
    answer, reason = find_final_answer(text)
    if answer is None:
        return no_final_answer(reason)
    return Grade("right", answer)


EXACT_GRADER = Grader(grade_exact, parse_exact)
