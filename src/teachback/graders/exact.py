"""Grader `exact`: equal as text, up to white space, case, a final full stop and markup."""

import re

from ..types import Example, Grade, Grader
from .final import final_answer, gold_answer, grade_comparison, no_final_answer
from .text import normalize_text

# **$\text{yes}$** is the deepest that models write.
MAX_MARKUP_DEPTH = 3
MARKUP = re.compile(
    r"\*\*([^*]+)\*\*"
    r"|\$\$?([^$]+)\$?\$"
    r"|\\\(((?:[^\\]|\\[^()])+)\\\)"
    r"|“([^“”]+)”"
    r"|\\(?:text|textbf|mathrm|mathbf|mbox)\{([^{}]+)\}"
)


def grade_exact(example: Example, text: str) -> Grade:
    answer = final_answer(text)
    if answer is None:
        return no_final_answer()
    is_same = same_text(answer, gold_answer(example))
    return grade_comparison(answer, example.answer, is_same)


def parse_exact(question: str, text: str) -> Grade:
    answer = final_answer(text)
    if answer is None:
        return no_final_answer()
    return Grade("right", answer)


def same_text(a: str, b: str) -> bool:
    return normalize_text(strip_markup(a)) == normalize_text(strip_markup(b))


def strip_markup(text: str) -> str:
    """Removes bold type, dollar signs and typographic quotes around the whole text.

    Straight quotes stay: in questions about programs, '5' and 5 are different answers.
    """
    text = text.strip()
    for _ in range(MAX_MARKUP_DEPTH):
        match = MARKUP.fullmatch(text.removesuffix("."))
        if match is None:
            break
        inner = next(group for group in match.groups() if group is not None)
        text = inner.strip()
    return text


EXACT_GRADER = Grader(grade_exact, parse_exact)
