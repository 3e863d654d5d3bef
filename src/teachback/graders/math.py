r"""Mathematical answers in LaTeX: equal as text, or equal to math-verify, which works in a process that can be killed.

Stricter than math-verify on purpose: decimals are exact (0.333333 is not 1/3), brackets and order count (a pair is not
a set), bases and units that differ are wrong, and a percent sign is a hundredth unless the question asks for percent.
"""

import re

from ..types import Example, Grade, Grader
from .final import closing, compared, final_answer, gold, missing
from .math_pool import ask
from .math_text import key

DEADLINE_S = 2.0
BARE_BOX = re.compile(
    r"\\(?:boxed|fbox)\s+([^\s${}\\]+)"
)  # \boxed 12, as some solutions of MATH end
BOXED = re.compile(r"\\(?:boxed|fbox)\{")
MARK = re.compile(
    r"####|^\W{0,9}(?:final\s{1,9})?answer\W{0,9}:", re.IGNORECASE | re.MULTILINE
)
QUESTION = 4000  # characters that are looked through for a base, or a word of percent


def grade(example: Example, text: str) -> Grade:
    answer, right = found(text), gold(example)
    if answer is None:
        return missing()
    return (
        compared(answer, right, True)
        if key(answer) == key(right)
        else judged(answer, right, example.question)
    )


def parse(question: str, text: str) -> Grade:
    answer = found(text)
    return missing() if answer is None else judged(answer, None, question)


def found(text: str) -> str | None:
    """The final answer. What a text says in passing behind its last box ("so the answer is a common one") is none."""
    text = BARE_BOX.sub(r"\\boxed{\1}", text)
    *_, box = [None, *BOXED.finditer(text)]
    close = closing(text, box.end(), len(text)) if box else None
    end = -1 if close is None else text.find("\n", close)
    if end >= 0 and not MARK.search(text, end):
        text = text[:end]
    return final_answer(text)


def judged(answer: str, right: str | None, question: str) -> Grade:
    said, why, _ = ask(right, answer, question[:QUESTION], DEADLINE_S)
    if said == "yes":
        return Grade("right", answer, right is not None)
    if said == "no":
        return Grade("wrong", answer, reason=f"{answer[:80]} is not {right}")
    if said in ("unparsed", "error"):
        return Grade("unparsed", answer, reason=why)
    return Grade(
        "timed_out",
        answer,
        reason=f"math-verify died: {why}" if said == "died" else why,
    )


GRADER = Grader(grade, parse)
