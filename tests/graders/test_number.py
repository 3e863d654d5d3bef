"""Exact numbers: every usual way to write one is read, what is not one number is none, and there
is no wrong yes.
"""

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import DataError
from teachback.graders.number import (
    MAX_NUMBER_CHARS,
    NUMBER_GRADER,
    read_number,
    same_number,
)
from teachback.types import Example

READ = {
    "18": "18 18. +18 018 18.0 $18 $18$ \\$18 $\\$18$ €18 £18.00 18€ 18$ US$18 18% 18\\% 18° "
    "\\(18\\) \\[18\\] **18**"
    ' `18` "18" 36/2 1.8e1 0.18E+2 180e-1 \\boxed{18} 18km 18/1 $18/hour \\frac{36}{2}',
    "-18": "-18 \u221218 -$18 $-18 $-18$ -\\$18 -36/2 -1.8e1 -\\frac{36}{2} \\frac{-36}{2} -18%",
    "1000": "1000 1,000 1,000.00 $1,000 1{,}000 1,\\!000 1\\,000 1e3 1\u202f000 2000/2 2,000/2",
    "1234567.5": "1234567.5 1,234,567.50 $1,234,567.5",
    "0.5": "0.5 .5 1/2 \\frac{1}{2} \\frac12 \\dfrac{1}{2} \\tfrac12 ½ 50e-2",
}
READ_LINES = {
    "18": "18 dollars|18 cm^2|18 cm²|18 m^{2}|18\\text{ cm}^2|18 km/h|18 m/s^2|18 hours.|18 %|"
    "18 €|x = 18|$x = 18$"
    "|x_1 = 18|f(3) = 18|Total cost = $18|18\\text{ dollars}|18\\ \\mathrm{km}|USD 18|Rs. 18"
    "|18 dollars per day|$18 a day|18^\\circ|18 °C|18 dollars every day at the farmers' "
    "market.|$18$ apples|18 times"
    "|18 m s^{-1}|  18  |18 fl. oz.",
    "3.5": "3 1/2|7/2|3\\frac{1}{2}|$3\\frac12$|3½|3½ cups|3 1/2 cups|x = 3 1/2|3$\\frac{1}{2}$",
    "-3.5": "-3 1/2|-3\\frac{1}{2}|- 3.5",
    "1500": "1.5 × 10^3|1.5 \\times 10^{3}|1.5*10^3",
}
NO_NUMBER = (
    "|five|5-6|5 - 6|5 or 6|5, 6|5 and 6|5:30|1.000,5|1,00|12,34|1,0000|0,500|1 000|1,000,00|5 "
    "6|5..|1.2.3|5?"
    "|5!|--5|-$-5|5^2|5²|2**3|10^3|5x|5 x 6|5xy^2 + 1|5pi|5\\pi|\\sqrt{5}|5 \\pm 1|5 ± 1|~5|≈ "
    "5|>5|5+3=8"
    "|x+5 = 18|x - 5 = 18|2x = 18|half of x = 5|x = y = 5|x = 5 or 6|x = 5, y = 6|5 feet 6 "
    "inches|5 million"
    "|5 thousand|5k|3 dozen|5 squared|5 or more|5 and a half|½7|½/3|5 a|5a"
    "|\\frac12 3|3-1/2|3 3/2|3 1.5/2|1/0|1/2/3|\\frac{3 1}{2}"
    "|\\frac{1}{0}|$5$ and $6$|$5$6|$5-$6|5\\text{0}|\\boxed{3}\\boxed{4}|٥|５|12a3|5e|0x10|"
    "1_000|nan|Infinity"
    "|1e999|1e-999|1e9999999999|(5)|[5]|5'|He has 5|-\\frac{-1}{2}"
)


@pytest.mark.parametrize(
    ("text", "value"),
    [(t, v) for v, texts in READ.items() for t in texts.split(" ")]
    + [(t, v) for v, texts in READ_LINES.items() for t in texts.split("|")],
)
def test_read(text: str, value: str) -> None:
    assert read_number(text) == Fraction(value)


@pytest.mark.parametrize("text", NO_NUMBER.split("|"))
def test_no_number(text: str) -> None:
    assert read_number(text) is None


PLAIN = [
    lambda s: s,
    lambda s: f" {s} ",
    lambda s: f"{s} km",
    lambda s: f"**{s}**",
    lambda s: f"${s}$",
    lambda s: f"${s}",
    lambda s: f"\\({s}\\)",
    lambda s: f"{s}\\text{{ dollars}}",
    lambda s: f"x = {s}",
    lambda s: f"{s}%",
    lambda s: f"{s} apples.",
    lambda s: f"{s}/1",
    lambda s: s.replace("-", "\u2212"),
]
decimals = st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9
)
dress = st.sampled_from(PLAIN)
written = st.sampled_from(["{}", "{:,}", "{:f}", "{:.6f}"])


@given(decimals, written, dress)
def test_every_way_to_write_a_number_is_read_back(
    value: Decimal, form: str, dress: object
) -> None:
    assert callable(dress)
    assert read_number(dress(form.format(value))) == Fraction(value)


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4))
def test_fractions_are_read_back(top: int, bottom: int) -> None:
    value = Fraction(top, bottom)
    sign, whole, rest = "-" if top < 0 else "", abs(top) // bottom, abs(top) % bottom
    assert read_number(f"{top}/{bottom}") == value
    assert read_number(f"{sign}\\frac{{{abs(top)}}}{{{bottom}}}") == value
    assert read_number(f"{sign}{whole} {rest}/{bottom}") == value
    assert read_number(f"${sign}{whole}\\frac{{{rest}}}{{{bottom}}}$") == value


@given(decimals, decimals, written, written, dress, dress)
def test_different_values_are_never_equal(
    a: Decimal, b: Decimal, f: str, g: str, d: object, e: object
) -> None:
    assert callable(d)
    assert callable(e)
    assert same_number(d(f.format(a)), e(g.format(b))) == (a == b)


pieces = st.sampled_from(
    [
        "5",
        "12",
        "000",
        ",",
        ".",
        "-",
        "+",
        "$",
        "/",
        "%",
        "e",
        " ",
        "\\frac",
        "{1}",
        "x",
        "=",
        "^",
        "km",
    ]
)


@given(st.one_of(st.text(max_size=40), st.lists(pieces, max_size=7).map("".join)))
def test_one_number_and_its_sign(text: str) -> None:
    """Whatever is read as a number: a minus before it turns it round or spoils it, and a second
    number spoils it.
    """
    value = read_number(text)
    if value is None:
        return
    assert read_number(f"-{text}") in (None, -value)
    for second in (
        f"{text} 7",
        f"7, {text}",
        f"{text} or 7",
        f"{text} - 7",
        f"7 {text} 7",
    ):
        assert read_number(second) is None


def test_bounded_work() -> None:
    started = time.monotonic()
    for hostile in (
        "9" * 10**6,
        "1," * 10**6,
        "5" + " a" * 10**6,
        "1" + ",111" * 90 + "!",
        "1e" + "9" * 300,
    ):
        assert read_number(hostile) is None
    for near in (
        "$" * 400,
        "5" + " a" * 199,
        "5" + "a/" * 199,
        "5 " + "a b" * 130,
        "\\frac{" * 60,
        "x " * 199 + "=",
    ):
        assert read_number(near) is None
    assert read_number("9" * MAX_NUMBER_CHARS) == 10**MAX_NUMBER_CHARS - 1
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("answer", "question", "value"),
    [
        ("3 dozen", "How many dozen eggs are there?", 3),
        ("3 dozen", "How many eggs are in 3 dozen?", None),
        ("5 million", "Give the population in millions.", 5),
        ("5 million", "How many people are there?", None),
        ("3 quarters", "How many quarters has she?", 3),
        ("3 quarters", "What part is left?", None),
        ("5 or 6", "How many or what?", None),
    ],
)
def test_a_word_that_multiplies_counts_if_the_question_asks_for_it(
    answer: str, question: str, value: int | None
) -> None:
    assert read_number(answer, question) == value


def test_outcomes() -> None:
    e = Example("e", "?", "1000")
    assert NUMBER_GRADER.grade(e, "Answer: $1,000.00 a year").outcome == "right"
    assert NUMBER_GRADER.grade(e, "Answer: -1000").outcome == "wrong"
    assert NUMBER_GRADER.grade(e, "Answer: 1000 or 2000").outcome == "unparsed"
    assert NUMBER_GRADER.grade(e, "there are 1000").outcome == "unparsed"
    assert NUMBER_GRADER.parse("?", "Answer: 5 or 6").outcome == "unparsed"


@pytest.mark.parametrize("answer", ["five", None])
def test_gold_that_is_no_number_is_named(answer: str | None) -> None:
    with pytest.raises(DataError, match="'e'"):
        NUMBER_GRADER.grade(Example("e", "?", answer), "Answer: 5")
