r"""Grader `math`: answers in LaTeX, equal as text or equal to math-verify.

math-verify works in a process that can be killed. This grader is stricter on purpose: decimals
are exact (0.333333 is not 1/3), brackets and order count (a pair is not a set), bases and units
that differ are wrong, and a percent sign is a hundredth unless the question asks for percent.
"""

import re

from ..types import Example, Grade, Grader
from .boxes import BOX_START, closing_brace
from .final import (
    MAX_ANSWER_CHARS,
    FinalAnswer,
    find_final_answer,
    gold_answer,
    grade_comparison,
    last_mark,
    no_final_answer,
)
from .math_pool import ask_math_worker
from .math_text import math_key
from .reply_text import takes_back, trim_reply

DEADLINE_S = 2.0
# How much of a question is searched for a base, or for the word percent.
MAX_QUESTION_CHARS = 4000
# "\boxed 12" ends some solutions of MATH.
BOX_WITHOUT_BRACES = re.compile(r"\\(?:boxed|fbox)\s+([^\s${}\\]+)")
LATER_MARK = re.compile(
    r"####|^\W{0,9}(?:final\s{1,9})?answer\W{0,9}:",
    re.IGNORECASE | re.MULTILINE,
)


def grade_math(example: Example, text: str) -> Grade:
    grade = grade_final_answer(example, find_math_answer(text))
    if grade.outcome != "right" and text == example.solution:
        # A gold answer of MATH is the last box of its solution, whatever stands around it.
        gold_mark = last_mark(text, is_own_solution=True)
        return grade_final_answer(example, gold_mark) if gold_mark else grade
    return grade


def grade_final_answer(example: Example, final: FinalAnswer) -> Grade:
    expected = gold_answer(example)
    answer, reason = final
    if answer is None:
        return no_final_answer(reason)
    if math_key(answer) == math_key(expected):
        return grade_comparison(answer, expected, True)
    return compare_in_worker(answer, expected, example.question)


def parse_math(question: str, text: str) -> Grade:
    answer, reason = find_math_answer(text)
    if answer is None:
        return no_final_answer(reason)
    return compare_in_worker(answer, None, question)


def find_math_answer(text: str) -> FinalAnswer:
    """The final answer. Prose behind the last box doesn't count ("the answer is a common one")."""
    text = BOX_WITHOUT_BRACES.sub(r"\\boxed{\1}", trim_reply(text))
    boxes = list(BOX_START.finditer(text))
    close = None
    if boxes:
        stop = boxes[-1].end() + MAX_ANSWER_CHARS
        close = closing_brace(text, boxes[-1].end(), stop)
    end_of_line = -1 if close is None else text.find("\n", close)
    if end_of_line < 0 or LATER_MARK.search(text, end_of_line):
        return find_final_answer(text)
    if takes_back(text, end_of_line):
        return FinalAnswer(None, "the text takes its answer back")
    return find_final_answer(text[:end_of_line])


def compare_in_worker(answer: str, expected: str | None, question: str) -> Grade:
    """expected: the gold answer. None asks only if the answer can be compared at all."""
    reply = ask_math_worker(expected, answer, question[:MAX_QUESTION_CHARS], DEADLINE_S)
    match reply.outcome:
        case "yes":
            return Grade("right", answer, expected is not None)
        case "no":
            return Grade("wrong", answer, reason=f"{answer[:80]} is not {expected}")
        case "unparsed" | "error":
            return Grade("unparsed", answer, reason=reply.reason)
        case "died":
            return Grade(
                "timed_out", answer, reason=f"math-verify died: {reply.reason}"
            )
        case _:
            return Grade("timed_out", answer, reason=reply.reason)


MATH_GRADER = Grader(grade_math, parse_math)
