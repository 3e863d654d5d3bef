"""Arithmetic expressions, read by a parser of our own and computed exactly: no eval, no floats, no recursion."""

import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

LONGEST = 300  # characters, so that nothing that is read can be slow or large
DIGITS = 9  # of one number
SIGNS = str.maketrans("×✕·⋅∙∗xX÷∕⁄−–[]{}", "********///--()()")
LATEX = {
    "times": "*", "cdot": "*", "ast": "*", "div": "/", "left": "", "right": "", "displaystyle": "",
    "(": "", ")": "", "[": "", "]": "", ",": "", ";": "", ":": "", "!": "", " ": "",
}  # fmt: skip
COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
BEFORE = re.compile(r"(?:\*\*|[`$\s])+")
BEHIND = re.compile(r"(?:\*\*|[`$.\s])+\Z")
TOKEN = re.compile(r"\s*(?:([0-9]+)|([-+*/=()]))")
PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}
APPLY: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class Expression(NamedTuple):
    """The value, and the numbers it is made from in the order they are written."""

    value: Fraction
    numbers: tuple[int, ...]


def read_equation(text: str) -> tuple[Expression, ...]:
    r"""The sides of "a = b = …"; one side where there is no "=".

    A side has whole numbers, + - * / (also × · ÷ −, "x", \times, \cdot, \div, \frac{a}{b}) and parentheses of any kind;
    bold type, dollar signs and a full stop around the whole are passed over. A sign before a number ("-3") is refused,
    and so is everything else that isn't plain: 2(3), 2**3, 1.5, 1,000. Raises ValueError that says why, and
    ZeroDivisionError; in time linear in the text, as nothing longer than LONGEST is looked at.
    """
    sides: list[list[str]] = [[]]
    for token in tokens(text):
        if token == "=":
            sides.append([])
        else:
            sides[-1].append(token)
    return tuple(compute(side) for side in sides)


def tokens(text: str) -> list[str]:
    """Numbers, operators, "(", ")" and "="."""
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    text = plain(text)
    found, end = [], 0
    while end < len(text):
        token = TOKEN.match(text, end)
        if token is None:
            raise ValueError(f"not an expression at {text[end : end + 20]!r}")
        if len(token[0].strip()) > DIGITS:
            raise ValueError(f"a number of more than {DIGITS} digits")
        found.append(token[0].strip())
        end = token.end()
    return found


def plain(text: str) -> str:
    """Without what typesetting adds; an unknown command of LaTeX stays, and is refused later."""
    start = BEFORE.match(text)
    text = BEHIND.sub("", text[start.end() :] if start else text)
    while FRACTION.search(text):
        text = FRACTION.sub(r"((\1)/(\2))", text)  # from the inside out
    return (
        COMMAND.sub(lambda found: LATEX.get(found[1], found[0]), text)
        .translate(SIGNS)
        .strip()
    )


def compute(side: list[str]) -> Expression:
    """Precedence by two stacks (Dijkstra's shunting yard): depth costs no call, and an operator waits for its turn."""
    values: list[Fraction] = []
    waiting: list[str] = []
    numbers: list[int] = []
    operand = True  # is a number or "(" due next?
    for token in side:
        if operand and token.isdigit():
            numbers.append(int(token))
            values.append(Fraction(numbers[-1]))
            operand = False
        elif operand and token == "(":
            waiting.append(token)
        elif not operand and token in PRECEDENCE:
            apply(values, waiting, PRECEDENCE[token])
            waiting.append(token)
            operand = True
        elif not operand and token == ")":
            apply(values, waiting, 0)
            if not waiting:
                raise ValueError("a ')' without its '('")
            waiting.pop()
        else:
            raise ValueError(
                f"{token!r} where {'a number' if operand else 'an operator'} is due"
            )
    if operand:
        raise ValueError("it ends where a number is due")
    apply(values, waiting, 0)
    if waiting:
        raise ValueError("a '(' without its ')'")
    return Expression(values.pop(), tuple(numbers))


def apply(values: list[Fraction], waiting: list[str], least: int) -> None:
    """Applies the waiting operators of at least this precedence, back to the last "("."""
    while waiting and PRECEDENCE.get(waiting[-1], -1) >= least:
        b, a = values.pop(), values.pop()
        values.append(APPLY[waiting.pop()](a, b))
