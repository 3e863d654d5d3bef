"""Grader `number`: answers that are one number, compared exactly.

A text is read in two steps. `plain_text` rewrites LaTeX into plain characters. Then the whole
rest must be one number, perhaps with a name before it ("x = 18"), a currency and a unit.
Anything else is not read as a number: the grader never guesses.
"""

import re
from fractions import Fraction

from ..types import Example, Grade, Grader
from .final import (
    find_final_answer,
    gold_answer,
    grade_comparison,
    no_final_answer,
    unreadable_gold_error,
)
from .text import strip_markup
from .unit_words import LETTERS, are_unit_words, is_unit_word

# Also the most digits, with those that an exponent stands for.
MAX_NUMBER_CHARS = 400

# LaTeX → plain text, in this order. Spaces stay where characters would grow together:
# 5\text{0} isn't 50.
NUMBER_REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        ("\u2212", "-"),
        (r"^([`\"'])(.*)\1$", r"\2"),
        (r"\\[!]|\\left\b|\\right\b|\\displaystyle\b", ""),
        (r"(?<=\d)(?:\{,\}|\\,|[\u2009\u202f])(?=\d{3}(?!\d))", ","),
        (r"\\[,;: ]|(?<=[\w}])~|[\u00a0\u2009\u202f]", " "),
        (
            r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|boxed)\s?\{([^{}]*)\}",
            r" \1 ",
        ),
        (r"\\[dt]?frac\s?\{\s?([^{}\s]*)\s?\}\s?\{\s?([^{}\s]*)\s?\}", r" \1/\2 "),
        (r"\\[dt]?frac\s?(\d)\s?(\d)(?!\d)", r" \1/\2 "),
        (r"\s?\^\s?(?:\\circ|\{\\circ\})", "°"),
        (
            r"\s?(?:\\times|×|\*)\s?10\s?\^\s?(?:\{([-+]?\d{1,4})\}|([-+]?\d{1,4})(?!\d))",
            r"e\1\2",
        ),
        (
            r"(?<!\\)\$\$?([^$]*(?:\\\$[^$]*)?)(?<!\\)\$\$?|\\[(\[](.*?)\\[)\]]",
            r" \1\2 ",
        ),
        (r"\\([$%&])", r"\1"),
        ("½", " 1/2 "),
        ("¼", " 1/4 "),
        ("¾", " 3/4 "),
    )
]

# One letter ("x", "x_1", "f(3)"), or words ("Total cost"). Not "2x", "double x" or "x^2".
VARIABLE_NAME = (
    r"(?:(?:(?:the\s)?value\sof\s)?[A-Za-z]|[A-Za-z]{2,}(?:\s[A-Za-z]{2,}){0,9})"
    r"(?:_(?:\w|\{\w{1,9}\}))?(?:\([A-Za-z0-9]{1,9}\))?\s{0,9}="
)
CURRENCY = r"(?:US\$|[$€£¥₹]|(?:USD|EUR|GBP|Rs\.?)\s?)"
DECIMAL = r"(?:[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
UNIT_POWER = r"\s?\^(?:-?[1-9]|\{-?[1-9]\})|[²³]"
UNIT_WORD = rf"[A-Za-z°µ][A-Za-z'’]*\.?(?:{UNIT_POWER})?"
NUMBER_PATTERN = re.compile(
    rf"(?:(?P<name>{VARIABLE_NAME}))?\s*"
    rf"(?P<sign>[-+]?)\s*(?:{CURRENCY}\s*)?(?P<sign2>[-+]?)"
    rf"(?:(?:(?P<whole>\d+)\s+)?(?P<top>{DECIMAL})\s?/\s?(?P<bottom>{DECIMAL})"
    rf"|(?P<value>{DECIMAL})(?:[eE](?P<power>[-+]?\d+))?)"
    r"(?:\s*[%$€£¥₹¢])?"
    rf"(?P<unit>(?:\s*/\s*|\s*){UNIT_WORD}(?:(?:\s*/\s*|-|\s+){UNIT_WORD})*)?\s*\.?",
    re.ASCII,
)


def grade_number(example: Example, text: str) -> Grade:
    """Raises DataError if the gold answer is not a number."""
    parsed = parse_number(example.question, text)
    if parsed.outcome != "right" or parsed.answer is None:
        return parsed
    expected = read_number(gold_answer(example))
    if expected is None:
        raise unreadable_gold_error(example, "one number")
    is_same = read_number(parsed.answer, example.question) == expected
    return grade_comparison(parsed.answer, example.answer, is_same)


def parse_number(question: str, text: str) -> Grade:
    answer, reason = find_final_answer(text)
    if answer is None:
        return no_final_answer(reason)
    if read_number(answer, question) is None:
        return Grade("unparsed", answer, reason=f"not one number: {answer[:80]}")
    return Grade("right", answer)


def same_number(a: str, b: str) -> bool:
    value = read_number(a)
    return value is not None and value == read_number(b)


def read_number(text: str, question: str = "") -> Fraction | None:
    """The text's exact value: 1,000 = 1000.0, $5 = 5, 50% = 50, 3 1/2 = 7/2, -5 ≠ 5.

    A unit is ignored. None for any text that is not one number, or has more than
    MAX_NUMBER_CHARS digits. question: "3 dozen" is 3 where it asks how many dozens.
    """
    if len(text) > MAX_NUMBER_CHARS:
        return None
    match = NUMBER_PATTERN.fullmatch(plain_text(text))
    if match is None or (match["sign"] and match["sign2"]):
        return None
    if not are_unit_words(match["unit"] or "", question) or not is_name(match["name"]):
        return None

    if match["top"]:
        value = read_fraction(match)
    else:
        value = read_decimal(match["value"], match["power"])
    is_negative = "-" in (match["sign"], match["sign2"])
    return -value if value is not None and is_negative else value


def plain_text(text: str) -> str:
    text = strip_markup(text)
    for pattern, replacement in NUMBER_REWRITES:
        text = pattern.sub(replacement, text)
    return text.strip()


def is_name(text: str | None) -> bool:
    """Whether what stands before "=" is a name: "AB" or "Total cost", not "half of it" or "xy"."""
    words = [word for word in LETTERS.findall(text or "") if len(word) > 1]
    return all(word.isupper() or is_unit_word(word) for word in words)


def read_fraction(match: re.Match[str]) -> Fraction | None:
    """top/bottom, or a mixed number, whose fraction must be below 1."""
    top = read_decimal(match["top"])
    bottom = read_decimal(match["bottom"])
    if top is None or not bottom:
        return None
    if match["whole"] is None:
        return top / bottom
    is_proper = match["top"].isdigit() and match["bottom"].isdigit() and top < bottom
    return int(match["whole"]) + top / bottom if is_proper else None


def read_decimal(digits: str, power: str | None = None) -> Fraction | None:
    """digits · 10^power; None if that has too many digits."""
    if power is not None and (len(power) > 4 or abs(int(power)) > MAX_NUMBER_CHARS):
        return None
    return Fraction(digits.replace(",", "")) * Fraction(10) ** int(power or 0)


NUMBER_GRADER = Grader(grade_number, parse_number)
