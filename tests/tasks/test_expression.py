"""Expressions: what is read, its value against Python's own parser, and hostile text."""

import ast
import operator
import re
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.tasks.expression import read_equation

SIGNS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def reference(node: ast.AST) -> Fraction:
    if isinstance(node, ast.BinOp):
        return SIGNS[type(node.op)](reference(node.left), reference(node.right))
    assert isinstance(node, ast.Constant)
    return Fraction(node.value)


def value(text: str) -> Fraction:
    (side,) = read_equation(text)
    return side.value


def join(parts: tuple[str, str, str, bool]) -> str:
    left, sign, right, brackets = parts
    return f"({left}{sign}{right})" if brackets else f"{left} {sign} {right}"


EXPRESSIONS = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner, st.booleans()).map(
        join
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_values_are_those_of_pythons_parser(text: str) -> None:
    try:
        expected = reference(ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            read_equation(text)
        return
    (side,) = read_equation(text)
    assert side.value == expected
    assert side.numbers == tuple(map(int, re.findall("[0-9]+", text)))


@given(
    st.one_of(
        st.text(max_size=400),
        st.text("0123456789+-*/()=[]{} \\frac$.x×÷−", max_size=400),
    )
)
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    try:
        sides = read_equation(text)
    except (ValueError, ZeroDivisionError) as error:
        reason = str(error)
    else:
        assert len(sides) == text.count("=") + 1
        return
    assert reason


@given(st.text("0123456789+-*/() ", min_size=1, max_size=12))
def test_what_is_read_is_an_expression_for_python_too(text: str) -> None:
    try:
        (side,) = read_equation(text)
    except (ValueError, ZeroDivisionError):
        return
    bare = re.sub(
        r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"^[\s*]+", "", text)
    )  # Python refuses 007, and bold type
    assert reference(ast.parse(bare.strip(), mode="eval").body) == side.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3 * 4", 14), ("20 - 5 - 3", 12), ("24 / 4 / 2", 3), ("8 / (3 - 8 / 3)", 24),
        ("((((7))))", 7), ("4 × 5 + (10 − 6)", 24), ("4·5 – 6÷3", 18), ("[4 x 5] + {10 - 6}", 24),
        ("4X5", 20), ("4\u22c55", 20), (r"4 \times 5 + \left(10 - 6\right)", 24),
        (r"$8 \div 2 \cdot 3$", 12), (r"\(4 \cdot 5\)", 20), (r"\frac{8}{3 - \frac{8}{3}}", 24),
        (r"\dfrac{1}{2} * 4", 2), (r"2 * \frac{6}{3} / 4", 1), (r"\[ 4 * 5 \]", 20),
        ("**4 * 5**", 20), ("`4 * 5`.", 20), ("  4*5 \t", 20), ("004 * 5", 20),
        ("1/3", Fraction(1, 3)),
    ],
)  # fmt: skip
def test_wordings(text: str, expected: int | Fraction) -> None:
    assert value(text) == expected


def test_sides_of_an_equation() -> None:
    sides = read_equation("(4 * 5) + (10 - 6) = 20 + 4 = 24")
    assert [side.value for side in sides] == [24, 24, 24]
    assert [side.numbers for side in sides] == [(4, 5, 10, 6), (20, 4), (24,)]


@pytest.mark.parametrize(
    "text",
    [
        "", "=", "4 =", "= 24", "4 5", "4 +", "+ 4", "-4", "4 - -5", "4 + (-5)", "(4", "4)", ")(",
        "()", "(4)(5)", "2(3)", "2 ** 3", "6 // 2", "2 ^ 3", "4!", "1.5", "1,000", "1e3", "0b1",
        "4 * five", "4 * 5 apples",
        "__import__", "٤ * 5", "４ * 5", "²",
        "4 % 2", r"\sqrt{4}", r"\text{4}", r"\frac12", r"\frac{4}", "4 = = 4", "1_0", "4\x00",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_equation(text)


MILLION = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "(" * MILLION, "(" * 150 + "4" + ")" * 149, "9" * MILLION, "9" * 299, "-" * MILLION + "4",
        "-" * 299 + "4", "4+" * MILLION, "(4" * 150, " " * MILLION, "$" * MILLION + "4",
        "*" * MILLION, "\\" * MILLION, "\\frac{" * 49, "\\frac" * MILLION, "{}" * 150,
        "=" * MILLION, "9/" * 149 + "x", ("9" * 9 + "*") * 29, "\u0300" * MILLION,
    ],
)  # fmt: skip
def test_hostile_text_is_refused_at_once(text: str) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match=r"."):
        read_equation(text)
    assert time.process_time() - start < 0.2


def test_depth_and_size_up_to_the_limit_are_fine() -> None:
    assert value("(" * 149 + "4" + ")" * 149) == 4
    assert value("*".join(["9" * 9] * 30)) == Fraction(10**9 - 1) ** 30
    assert value("4" + "+(4" * 70 + ")" * 70) == 4 * 71
