"""How answers to reasoning-gym's exercises are read and judged.

The dataset's own scorer decides, and only its full score is "right", with these exceptions. Four scorers run eval on
the student's text for partial credit, and two hand it to sympy, which evaluates it too: those are judged here, without.
So are a few that give full marks to wrong answers. OWN says which.
"""

import ast
import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..graders.exact import same_text
from ..graders.final import LONGEST, final_answer
from ..graders.number import same_number

# Answers of several lines: what stands behind the last "Answer:", up to the end of the text.
MULTILINE = frozenset(
    (
        "arc_agi", "binary_matrix", "futoshiki", "kakurasu", "manipulate_matrix", "mini_sudoku", "modulo_grid",
        "n_queens", "pool_matrix", "rearc", "rotate_matrix", "sudoku", "survo", "tower_of_hanoi",
    )
)  # fmt: skip
TAGS = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
LABEL = re.compile(
    r"^[ \t>*_#-]{0,8}(?:final[ \t]+)?answer[*_]{0,3}[ \t]*:[*_]{0,3}[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
FENCE = re.compile(r"^```.*$\n?", re.MULTILINE)

Entry = Mapping[str, Any]  # reasoning-gym's own record of an exercise
Score = Callable[[str, Entry], float]


def read_answer(text: str, multiline: bool) -> str | None:
    """What stands in the last <answer> tags, or behind the last "Answer:"; None without either."""
    labels = list(LABEL.finditer(text))
    behind = text[labels[-1].end() :] if labels else ""
    if tagged := TAGS.findall(text):
        answer = str(tagged[-1]) if multiline else str(tagged[-1]).strip()
    elif multiline:
        answer = behind
    else:
        line = behind.partition("\n")[0].strip()
        answer = line if len(line) > LONGEST else final_answer(text) or ""
    return (trimmed(answer) if multiline else answer) or None


def trimmed(block: str) -> str:
    """Without code fences, blank lines around and spaces at the end; spaces before the first row are its own."""
    lines = FENCE.sub("", block).split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    return "\n".join(lines[filled[0] : filled[-1] + 1]).rstrip() if filled else ""


def answer_form(answer: str, multiline: bool) -> str:
    return f"Answer:\n{answer}" if multiline else f"Answer: {answer}"


def same_answer(given: str, gold: str) -> bool:
    return same_number(given, gold) or same_text(given, gold)


def score(dataset: str, scorer: Score, answer: str, entry: Entry) -> float:
    """0 to 1; 1 is right. A final full stop is forgiven. Raises whatever the scorer raises on a text it can't read."""
    limit = LIMITS.get(dataset)
    longest = max(4000, 4 * len(str(entry["answer"])))
    if len(answer) > longest or (limit is not None and limit.search(answer)):
        raise ValueError(
            "longer than any answer, or with numbers larger than any in one"
        )
    judge = OWN.get(dataset, scorer)
    found = judge(answer, entry)
    stripped = answer.removesuffix(".").rstrip()
    return (
        found if is_right(found) or stripped in ("", answer) else judge(stripped, entry)
    )


def is_right(score: float) -> bool:
    """Above 1 is not: one scorer goes there for wrong dates."""
    return math.isclose(score, 1, abs_tol=1e-9)


def _text(answer: str, entry: Entry) -> float:
    return float(same_text(answer, entry["answer"]))


def _number(answer: str, entry: Entry) -> float:
    return float(same_number(answer, entry["answer"]))


def _numbers(answer: str, entry: Entry) -> float:
    given, gold = (
        json.loads(text.replace("'", '"')) for text in (answer, entry["answer"])
    )
    return float([Decimal(str(n)) for n in given] == [Decimal(str(n)) for n in gold])


def _probability(answer: str, entry: Entry) -> float:
    if not re.fullmatch(r"[\d.]{1,30}(?:/\d{1,30}|[eE]-\d{1,3})?", answer, re.ASCII):
        raise ValueError("no probability")
    return float(
        abs(Fraction(answer) - Fraction(entry["answer"])) <= Fraction(1, 10_000)
    )


def _queens(answer: str, entry: Entry) -> float:
    return float(answer in entry["metadata"]["valid_answers"])


def _puzzle24(answer: str, entry: Entry) -> float:
    return _makes(answer, entry["metadata"]["numbers"], 24)


def _countdown(answer: str, entry: Entry) -> float:
    return _makes(answer, entry["metadata"]["numbers"], entry["metadata"]["target"])


def _makes(answer: str, numbers: list[int], target: int) -> float:
    used: list[int] = []
    value = _value(ast.parse(answer.strip(), mode="eval").body, used)
    return float(value == target and sorted(used) == sorted(numbers))


def _value(node: ast.expr, used: list[int]) -> Fraction:
    """Exact, by + - * / alone; the numbers in it are added to `used`. Raises ValueError, or ZeroDivisionError."""
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            used.append(number)
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, used)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left, used), _value(right, used)
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


# Judged without the scorer, and why.
OWN: Mapping[str, Score] = {
    "binary_matrix": _text,  # evals the text
    "coin_flip": _probability,  # "0" is right for every 0.…; 1e9999999 hangs
    "countdown": _countdown,  # evals the text
    "figlet_font": _text,  # ten right letters are full marks, whatever the others
    "game_of_life_halting": _text,  # every text is right
    "gsm_symbolic": _number,  # the first number of the text, without its sign
    "n_queens": _queens,  # evals the text
    "number_sorting": _numbers,  # numbers may be off by 1
    "puzzle24": _puzzle24,  # evals the text; takes other numbers than those given
    "spiral_matrix": _text,  # evals the text
    "string_insertion": _text,  # evals the text
}
# Texts that these scorers would take minutes over, or (nan) call right. No answer looks like that.
LIMITS: Mapping[str, re.Pattern[str]] = {
    "complex_arithmetic": re.compile(r"nan|inf", re.IGNORECASE),
    "propositional_logic": re.compile(r".{500}", re.DOTALL),
    "rubiks_cube": re.compile(r"\d{2}"),
    "rush_hour": re.compile(r"\d{2}"),
}
