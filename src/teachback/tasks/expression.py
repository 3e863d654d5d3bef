"""Arithmetic expressions, parsed and computed exactly: no eval, no floats, no recursion."""

import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

MAX_EXPRESSION_CHARS = 300  # so that nothing that is read can be slow or large
MAX_DIGITS = 9  # of one number
ASCII_SIGNS = str.maketrans("×✕·⋅∙∗xX÷∕⁄−–[]{}", "********///--()()")
LATEX_COMMANDS = {
    "times": "*", "cdot": "*", "ast": "*", "div": "/", "left": "", "right": "",
    "displaystyle": "",
    "(": "", ")": "", "[": "", "]": "", ",": "", ";": "", ":": "", "!": "", " ": "",
}  # fmt: skip
LATEX_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
LEADING_MARKUP = re.compile(r"(?:\*\*|[`$\s])+")
TRAILING_MARKUP = re.compile(r"(?:\*\*|[`$.\s])+\Z")
EXPRESSION_TOKEN = re.compile(r"\s*(?:([0-9]+)|([-+*/=()]))")
PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}
OPERATORS: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class Expression(NamedTuple):
    value: Fraction
    numbers: tuple[int, ...]  # as written, in their order


def read_equation(text: str) -> tuple[Expression, ...]:
    r"""The sides of "a = b = …"; one side where there is no "=".

    A side has whole numbers, + - * / (also × · ÷ −, "x", \times, \cdot, \div, \frac{a}{b}) and
    parentheses of any kind. Bold type, dollar signs and a full stop around the text are ignored.
    A sign before a number ("-3") is refused, and so are 2(3), 2**3, 1.5 and 1,000.

    Raises ValueError with the reason, or ZeroDivisionError. Text over MAX_EXPRESSION_CHARS is
    refused at once, so time is bounded.
    """
    sides: list[list[str]] = [[]]
    for token in read_tokens(text):
        if token == "=":
            sides.append([])
        else:
            sides[-1].append(token)
    return tuple(evaluate_side(side) for side in sides)


def read_tokens(text: str) -> list[str]:
    """Numbers, operators, "(", ")" and "="."""
    if len(text) > MAX_EXPRESSION_CHARS:
        raise ValueError(f"longer than {MAX_EXPRESSION_CHARS} characters")
    text = remove_latex(text)
    tokens = []
    end = 0
    while end < len(text):
        match = EXPRESSION_TOKEN.match(text, end)
        if match is None:
            raise ValueError(f"not an expression at {text[end : end + 20]!r}")
        token = match[0].strip()
        if len(token) > MAX_DIGITS:
            raise ValueError(f"a number of more than {MAX_DIGITS} digits")
        tokens.append(token)
        end = match.end()
    return tokens


def remove_latex(text: str) -> str:
    """Removes LaTeX and markup. An unknown command stays, and `read_tokens` refuses it."""
    if match := LEADING_MARKUP.match(text):
        text = text[match.end() :]
    text = TRAILING_MARKUP.sub("", text)
    while LATEX_FRACTION.search(text):
        text = LATEX_FRACTION.sub(r"((\1)/(\2))", text)  # from the inside out
    text = LATEX_COMMAND.sub(lambda match: LATEX_COMMANDS.get(match[1], match[0]), text)
    return text.translate(ASCII_SIGNS).strip()


def evaluate_side(side: list[str]) -> Expression:
    """Dijkstra's shunting yard: two stacks give precedence, and nesting needs no recursion."""
    values: list[Fraction] = []
    pending: list[str] = []  # operators and "("
    numbers: list[int] = []
    expects_operand = True  # a number or "("
    for token in side:
        if expects_operand and token.isdigit():
            numbers.append(int(token))
            values.append(Fraction(numbers[-1]))
            expects_operand = False
        elif expects_operand and token == "(":
            pending.append(token)
        elif not expects_operand and token in PRECEDENCE:
            apply_operators(values, pending, PRECEDENCE[token])
            pending.append(token)
            expects_operand = True
        elif not expects_operand and token == ")":
            apply_operators(values, pending, 0)
            if not pending:
                raise ValueError("a ')' without its '('")
            pending.pop()
        else:
            expected = "a number" if expects_operand else "an operator"
            raise ValueError(f"{token!r} where {expected} is due")

    if expects_operand:
        raise ValueError("it ends where a number is due")
    apply_operators(values, pending, 0)
    if pending:
        raise ValueError("a '(' without its ')'")
    return Expression(values.pop(), tuple(numbers))


def apply_operators(
    values: list[Fraction],
    pending: list[str],
    min_precedence: int,
) -> None:
    """Applies the pending operators of at least this precedence, back to the last "("."""
    while pending and PRECEDENCE.get(pending[-1], -1) >= min_precedence:
        right = values.pop()
        left = values.pop()
        apply = OPERATORS[pending.pop()]
        values.append(apply(left, right))
