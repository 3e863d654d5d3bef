"""Answers that are equal as text, up to white space, case, a final full stop and the marks of typesetting."""

import re

from ..types import Example, Grade, Grader
from .final import compared, final_answer, gold, missing

WRAPPED = re.compile(
    r"\*\*([^*]+)\*\*|\$\$?([^$]+)\$?\$|\\\(((?:[^\\]|\\[^()])+)\\\)|“([^“”]+)”|\\(?:text|textbf|mathrm|mathbf|mbox)\{([^{}]+)\}"
)


def grade(example: Example, text: str) -> Grade:
    answer = final_answer(text)
    if answer is None:
        return missing()
    return compared(answer, example.answer, same_text(answer, gold(example)))


def parse(question: str, text: str) -> Grade:
    answer = final_answer(text)
    return missing() if answer is None else Grade("right", answer)


def same_text(given: str, gold: str) -> bool:
    return squeeze(bare(given)) == squeeze(bare(gold))


def bare(text: str) -> str:
    """Without the bold type, dollar signs and typographic quotes around the whole of it.

    Straight quotes stay: where programs are the subject, '5' and 5 are different answers.
    """
    text = text.strip()
    for _ in range(3):  # **$\text{yes}$** is the deepest that is met
        found = WRAPPED.fullmatch(text.removesuffix("."))
        if found is None:
            break
        text = next(part for part in found.groups() if part is not None).strip()
    return text


def squeeze(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".").rstrip()


GRADER = Grader(grade, parse)
