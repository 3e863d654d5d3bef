"""How an answer to a Game of 24 is read and graded: an expression, in exact fractions."""

import re
from collections.abc import Sequence

from ..graders.final import MAX_ANSWER_CHARS
from ..graders.reply_text import trim_reply
from ..types import Example, Grade
from . import make24
from .expression import read_equation
from .keys import text_key
from .make24 import GOAL, Puzzle

MAX_PUZZLE_CHARS = 200


FOUR_NUMBERS = re.compile(r"[0-9]{1,3}(?:[ \t\n,;]{1,9}[0-9]{1,3}){3}")


# Not graders.final: a "*" is a sign here. As prose, "(1 * 2) + (3 * 4)" has words in bold type.
EXPRESSION_MARK = re.compile(
    r"\banswer\b(?:[ \t]is)?[ \t*_]{0,5}:(?:\*\*)?|(?<!#)####(?!#)|\\boxed(?=\{)",
    re.IGNORECASE,
)


BRACE = re.compile(r"[{}]")


def puzzle_target(example: Example) -> str | None:
    """The solution as it is: it ends in "Answer: …"."""
    return example.solution


def grade_game24(example: Example, text: str) -> Grade:
    """Right if the final answer uses the question's numbers, each once, and makes exactly 24.

    If the answer is an equation, all its sides must be 24. The final answer follows the last
    "Answer:" or "####", on its line or the next, or is in the last \\boxed{}. The grade is
    "unparsed" without one, or if it is no expression (see `expression.read_equation`). Steps
    are not graded.
    """
    return verify_game24(example.question, text)


def verify_game24(question: str, text: str) -> Grade:
    """As `grade_game24`, which needs no gold answer either.

    A question that isn't four numbers from 1 to 999 is "unparsed". One that has no solution is
    "wrong" whatever the answer, and the reason says so.
    """
    puzzle = read_puzzle(question)
    answer = final_expression(text)
    if puzzle is None:
        reason = "the question is not four whole numbers from 1 to 999"
        return Grade("unparsed", answer, reason=reason)
    if answer is None:
        reason = "no final answer: no 'Answer: …', no '#### …', no \\boxed{…}"
        return Grade("unparsed", reason=reason)
    try:
        flaw = expression_flaw(puzzle, answer)
    except ValueError as error:
        return Grade("unparsed", answer, reason=f"no expression: {error}")
    if flaw is None:
        return Grade("right", answer, True)
    if make24.first_solution(puzzle) is None:
        flaw = f"the numbers of the question can't make {GOAL}"
    return Grade("wrong", answer, reason=flaw)


def expression_flaw(puzzle: Puzzle, answer: str) -> str | None:
    """What is wrong with an expression, or None. Raises ValueError if it can't be read."""
    try:
        sides = read_equation(answer)
    except ZeroDivisionError:
        return "it divides by zero"
    numbers = sides[0].numbers
    if numbers == (GOAL,) and len(sides) > 1:  # 24 = (1 + 2 + 3) * 4
        numbers = sides[1].numbers
    if tuple(sorted(numbers)) != puzzle:
        return f"it uses {puzzle_text(numbers)}, not {puzzle_text(puzzle)} once each"
    for side in sides:
        if side.value != GOAL:
            return f"{str(side.value)[:40]} is not {GOAL}"
    return None


def puzzle_text(numbers: Sequence[int]) -> str:
    """The numbers in ascending order: "4 5 6 10"."""
    return " ".join(map(str, sorted(numbers)))[:80]


def final_expression(text: str) -> str | None:
    """What follows the last mark; None without one. Time is linear in the text's length."""
    text = trim_reply(text)
    marks = list(EXPRESSION_MARK.finditer(text))
    if not marks:
        return None
    last = marks[-1]
    rest = text[last.end() : last.end() + MAX_ANSWER_CHARS]
    if last[0].startswith("\\"):
        return boxed_expression(rest)
    first_line, *_ = rest.lstrip().split("\n", 1)
    return first_line.strip() or None


def boxed_expression(rest: str) -> str | None:
    """What is in the braces that `rest` begins with."""
    depth = 0
    for brace in BRACE.finditer(rest):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return rest[1 : brace.start()].strip() or None
    return None


def read_puzzle(question: str) -> Puzzle | None:
    """The four numbers in ascending order; None for any other question."""
    if len(question) > MAX_PUZZLE_CHARS:
        return None
    text = question.strip()
    if FOUR_NUMBERS.fullmatch(text) is None:
        return None
    numbers = sorted(map(int, re.findall("[0-9]+", text)))
    return tuple(numbers) if numbers[0] > 0 else None


def game24_key(question: str) -> str:
    """The numbers in ascending order, or a hash of a text that is no puzzle."""
    puzzle = read_puzzle(question)
    return text_key(question) if puzzle is None else puzzle_text(puzzle)
