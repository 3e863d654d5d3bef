"""Reads and scores answers to reasoning-gym's exercises.

The dataset's own scorer decides, and only its full score is "right", except for OWN_SCORERS.
Four scorers run eval on the student's text for partial credit, and two hand it to sympy, which
evaluates it too; a few give full marks to wrong answers. Those are scored here instead. `gym_forms`
says what an answer may look like.
"""

import ast
import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..graders.final import MAX_ANSWER_CHARS, final_answer
from ..graders.number import same_number
from ..graders.reply_text import trim_reply
from ..graders.text import same_text
from .gym_forms import ARITHMETIC, has_answer_form

# Answers of several lines: all text after the last "Answer:".
MULTILINE_DATASETS = frozenset(
    (
        "arc_agi", "binary_matrix", "futoshiki", "kakurasu", "manipulate_matrix", "mini_sudoku",
        "modulo_grid", "n_queens", "pool_matrix", "rearc", "rotate_matrix", "sudoku", "survo",
        "tower_of_hanoi",
    )
)  # fmt: skip
ANSWER_TAGS = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
ANSWER_LINE = re.compile(
    r"^[ \t>*_#-]{0,8}(?:final[ \t]+)?answer[*_]{0,3}[ \t]*:[*_]{0,3}[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
CODE_FENCE = re.compile(r"^```.*$\n?", re.MULTILINE)
PROBABILITY = re.compile(r"[\d.]{1,30}(?:/\d{1,30}|[eE]-\d{1,3})?", re.ASCII)

GymEntry = Mapping[str, Any]  # reasoning-gym's own record of an exercise
GymScorer = Callable[[str, GymEntry], float]


def read_answer(text: str, multiline: bool) -> str | None:
    """The content of the last <answer> tags, or what follows the last "Answer:"."""
    text = trim_reply(text)
    tagged = ANSWER_TAGS.findall(text)
    labels = list(ANSWER_LINE.finditer(text))
    after_label = text[labels[-1].end() :] if labels else ""
    if multiline:
        block = str(tagged[-1]) if tagged else after_label
        return trim_block(block) or None
    if tagged:
        return str(tagged[-1]).strip() or None
    line = after_label.partition("\n")[0].strip()
    if len(line) > MAX_ANSWER_CHARS:  # final_answer would not read it
        return line
    return final_answer(text)


def trim_block(block: str) -> str:
    """Removes code fences, blank lines around and spaces at the end.

    Spaces before the first row stay: they are part of the answer.
    """
    lines = CODE_FENCE.sub("", block).split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    if not filled:
        return ""
    return "\n".join(lines[filled[0] : filled[-1] + 1]).rstrip()


def format_gym_answer(answer: str, multiline: bool) -> str:
    return f"Answer:\n{answer}" if multiline else f"Answer: {answer}"


def same_answer(a: str, b: str) -> bool:
    return same_number(a, b) or same_text(a, b)


def score_answer(
    dataset: str, scorer: GymScorer, answer: str, entry: GymEntry
) -> float:
    """0 to 1; 1 is right. A final full stop is ignored.

    scorer: the library's. Raises whatever the scorer raises on a text it can't read, and ValueError
    for one that holds more than an answer.
    """
    refused = REFUSED_TEXTS.get(dataset)
    max_chars = max(4000, 4 * len(str(entry["answer"])))
    if len(answer) > max_chars or (refused is not None and refused.search(answer)):
        raise ValueError(
            "longer than any answer, or with numbers larger than any in one"
        )
    scorer = OWN_SCORERS.get(dataset, scorer)
    score = scorer(answer, entry)
    without_stop = answer.removesuffix(".").rstrip()
    if not is_full_score(score) and without_stop not in ("", answer):
        answer = without_stop
        score = scorer(answer, entry)
    if is_full_score(score) and not has_answer_form(dataset, answer, entry["answer"]):
        raise ValueError("more than an answer, or not in the form that is asked for")
    return score


def is_full_score(score: float) -> bool:
    """A score above 1 is not full: one scorer goes there for wrong dates."""
    return math.isclose(score, 1, abs_tol=1e-9)


def _score_text(answer: str, entry: GymEntry) -> float:
    return float(same_text(answer, entry["answer"]))


def _score_number(answer: str, entry: GymEntry) -> float:
    return float(same_number(answer, entry["answer"]))


def _score_numbers(answer: str, entry: GymEntry) -> float:
    return float(_read_numbers(answer) == _read_numbers(entry["answer"]))


def _read_numbers(text: str) -> list[Decimal]:
    return [Decimal(str(number)) for number in json.loads(text.replace("'", '"'))]


def _score_probability(answer: str, entry: GymEntry) -> float:
    if not PROBABILITY.fullmatch(answer):
        raise ValueError("no probability")
    difference = abs(Fraction(answer) - Fraction(entry["answer"]))
    return float(difference <= Fraction(1, 10_000))


def _score_queens(answer: str, entry: GymEntry) -> float:
    return float(answer in entry["metadata"]["valid_answers"])


def _score_puzzle24(answer: str, entry: GymEntry) -> float:
    return _score_expression(answer, entry["metadata"]["numbers"], 24)


def _score_countdown(answer: str, entry: GymEntry) -> float:
    metadata = entry["metadata"]
    return _score_expression(answer, metadata["numbers"], metadata["target"])


def _score_expression(answer: str, numbers: list[int], target: int) -> float:
    """Right if the expression uses each number once and makes the target."""
    if not ARITHMETIC.fullmatch(answer):  # ast passes over comments
        raise ValueError("no expression of whole numbers, + - * / and parentheses")
    used: list[int] = []
    value = _evaluate(ast.parse(answer.strip(), mode="eval").body, used)
    return float(value == target and sorted(used) == sorted(numbers))


def _evaluate(node: ast.expr, used: list[int]) -> Fraction:
    """The exact value of an expression with + - * / alone; adds its numbers to `used`.

    Raises ValueError for other expressions, and ZeroDivisionError.
    """
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            used.append(number)
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, used)
        case ast.BinOp(left=left, op=op, right=right):
            a = _evaluate(left, used)
            b = _evaluate(right, used)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
    raise ValueError("no expression of whole numbers, + - * / and parentheses")


# Used in place of the library's scorer, and what is wrong with that one.
OWN_SCORERS: Mapping[str, GymScorer] = {
    "binary_matrix": _score_text,  # evals the text
    "coin_flip": _score_probability,  # "0" is right for every 0.…; 1e9999999 hangs
    "countdown": _score_countdown,  # evals the text
    "figlet_font": _score_text,  # ten right letters are full marks, whatever the others
    "game_of_life_halting": _score_text,  # every text is right
    "gsm_symbolic": _score_number,  # takes the text's first number, without its sign
    "n_queens": _score_queens,  # evals the text
    "number_sorting": _score_numbers,  # numbers may be off by 1
    "puzzle24": _score_puzzle24,  # evals the text; accepts other numbers than the question's
    "spiral_matrix": _score_text,  # evals the text
    "string_insertion": _score_text,  # evals the text
}
# Texts that these scorers would take minutes over, or (nan) call right. No answer is like that.
REFUSED_TEXTS: Mapping[str, re.Pattern[str]] = {
    "complex_arithmetic": re.compile(r"nan|inf", re.IGNORECASE),
    "propositional_logic": re.compile(r".{500}", re.DOTALL),
    "rubiks_cube": re.compile(r"\d{2}"),
    "rush_hour": re.compile(r"\d{2}"),
}
