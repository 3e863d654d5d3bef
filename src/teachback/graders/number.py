"""Answers that are one number, compared exactly.

A text is read in two steps: `plain` rewrites LaTeX into plain characters, then the whole of what remains must be one
number with, perhaps, a name before it ("x = 18"), a currency and a unit. Anything else is no number: never a guess.
"""

import re
from fractions import Fraction

from ..types import Example, Grade, Grader
from .exact import bare
from .final import compared, final_answer, gold, missing, unreadable

LONGEST = 400  # characters; digits too, with those that an exponent stands for

# LaTeX, in this order. Spaces stay between what would otherwise grow together: 5\text{0} isn't 50.
REWRITES = [
    (re.compile("\u2212"), "-"),
    (re.compile(r"^([`\"'])(.*)\1$"), r"\2"),
    (re.compile(r"\\[!]|\\left\b|\\right\b|\\displaystyle\b"), ""),
    (re.compile(r"(?<=\d)(?:\{,\}|\\,|[\u2009\u202f])(?=\d{3}(?!\d))"), ","),
    (re.compile(r"\\[,;: ]|(?<=[\w}])~|[\u00a0\u2009\u202f]"), " "),
    (
        re.compile(
            r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|boxed)\s?\{([^{}]*)\}"
        ),
        r" \1 ",
    ),
    (
        re.compile(r"\\[dt]?frac\s?\{\s?([^{}\s]*)\s?\}\s?\{\s?([^{}\s]*)\s?\}"),
        r" \1/\2 ",
    ),
    (re.compile(r"\\[dt]?frac\s?(\d)\s?(\d)(?!\d)"), r" \1/\2 "),
    (re.compile(r"\s?\^\s?(?:\\circ|\{\\circ\})"), "°"),
    (
        re.compile(
            r"\s?(?:\\times|×|\*)\s?10\s?\^\s?(?:\{([-+]?\d{1,4})\}|([-+]?\d{1,4})(?!\d))"
        ),
        r"e\1\2",
    ),
    (
        re.compile(
            r"(?<!\\)\$\$?([^$]*(?:\\\$[^$]*)?)(?<!\\)\$\$?|\\[(\[](.*?)\\[)\]]"
        ),
        r" \1\2 ",
    ),
    (re.compile(r"\\([$%&])"), r"\1"),
    (re.compile("½"), " 1/2 "),
    (re.compile("¼"), " 1/4 "),
    (re.compile("¾"), " 3/4 "),
]

NAME = (
    r"[A-Za-z][A-Za-z ]{0,60}(?:_(?:\w|\{\w{1,9}\}))?(?:\([A-Za-z0-9]{1,9}\))?\s{0,9}="
)
MONEY = r"(?:US\$|[$€£¥₹]|(?:USD|EUR|GBP|Rs\.?)\s?)"
DECIMAL = r"(?:[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
POWER = r"\s?\^(?:-?[1-9]|\{-?[1-9]\})|[²³]"
WORD = rf"[A-Za-z°µ][A-Za-z'’]*\.?(?:{POWER})?"
NUMBER = re.compile(
    rf"(?:(?P<name>{NAME}))?\s*(?P<sign>[-+]?)\s*(?:{MONEY}\s*)?(?P<sign2>[-+]?)"
    rf"(?:(?:(?P<whole>\d+)\s+)?(?P<top>{DECIMAL})\s?/\s?(?P<bottom>{DECIMAL})|(?P<value>{DECIMAL})(?:[eE](?P<power>[-+]?\d+))?)"
    rf"(?:\s*[%$€£¥₹¢])?(?P<unit>(?:\s*/\s*|\s*){WORD}(?:(?:\s*/\s*|-|\s+){WORD})*)?\s*\.?",
    re.ASCII,
)
# A word that changes the number, or makes a second one of it. "3 dozen" and "5 million" are 36 and 5000000, or 3 and 5
# where the question asks for dozens or millions.
NO_UNIT = re.compile(
    r"or|not|to|through|and|minus|plus|negative|half|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:hundred|thousand|million|billion|trillion|dozen)s?|score|k|bn|mn|mil|pi|sqrt|root|log|ln|exp|sin|cos|tan|mod"
    r"|choose|factorial|squared|cubed|(?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth)s?",
    re.IGNORECASE,
)
ONE_LETTER = re.compile(
    "[mshglLJNWVCFpc]"
)  # units; any other single letter is a variable: 5x isn't 5


def number(text: str) -> Fraction | None:
    """The number that the text is, exactly: 1,000 = 1000.0, $5 = 5, 50% = 50, 3 1/2 = 7/2, -5 ≠ 5.

    A unit is passed over. None when the text is anything but one number, or has more than LONGEST digits.
    """
    found = NUMBER.fullmatch(plain(text)) if len(text) <= LONGEST else None
    if found is None or (found["sign"] and found["sign2"]):
        return None
    if not is_unit(found["unit"]) or any(map(NO_UNIT.fullmatch, words(found["name"]))):
        return None
    value = fraction(found) if found["top"] else decimal(found["value"], found["power"])
    return (
        -value
        if value is not None and "-" in (found["sign"], found["sign2"])
        else value
    )


def plain(text: str) -> str:
    text = bare(text)
    for pattern, replacement in REWRITES:
        text = pattern.sub(replacement, text)
    return text.strip()


def is_unit(text: str | None) -> bool:
    """Words that say what is counted and nothing about how many, and no variables. "$5 a day" has an article."""
    named = words(re.sub(r"(?<=\s)a(?=\s\w)", "", text or ""))
    return all(
        ONE_LETTER.fullmatch(w) if len(w) == 1 else not NO_UNIT.fullmatch(w)
        for w in named
    )


def words(text: str | None) -> list[str]:
    return re.findall("[A-Za-z]+", text or "")


def fraction(found: re.Match[str]) -> Fraction | None:
    """top/bottom; with a whole number before it, a mixed number: then the fraction must be below 1."""
    top, bottom = decimal(found["top"]), decimal(found["bottom"])
    if top is None or not bottom:
        return None
    if found["whole"] is None:
        return top / bottom
    proper = found["top"].isdigit() and found["bottom"].isdigit() and top < bottom
    return int(found["whole"]) + top / bottom if proper else None


def decimal(digits: str, power: str | None = None) -> Fraction | None:
    if power is not None and (len(power) > 4 or abs(int(power)) > LONGEST):
        return None
    return Fraction(digits.replace(",", "")) * Fraction(10) ** int(power or 0)


def same_number(given: str, gold: str) -> bool:
    a, b = number(given), number(gold)
    return a is not None and a == b


def grade(example: Example, text: str) -> Grade:
    """Raises DataError where the example's own answer is no number."""
    found = parse(example.question, text)
    if found.outcome != "right" or found.answer is None:
        return found
    expected = number(gold(example))
    if expected is None:
        raise unreadable(example, "one number")
    return compared(found.answer, example.answer, number(found.answer) == expected)


def parse(question: str, text: str) -> Grade:
    answer = final_answer(text)
    if answer is None:
        return missing()
    if number(answer) is None:
        return Grade("unparsed", answer, reason=f"not one number: {answer[:80]}")
    return Grade("right", answer)


GRADER = Grader(grade, parse)
