"""The final answer of a text, and when two of them are the same."""

import re
from decimal import Decimal, InvalidOperation

MARK = re.compile(r"^\s*(?:\**\s*(?:final\s+)?answer\s*\**\s*:\s*\**|####)\s*(\S.*?)\s*\**\s*$", re.IGNORECASE)


def final_answer(text: str) -> str | None:
    """What follows "Answer:" or "####" on the last line that has either; None without one."""
    for line in reversed(text.rstrip().split("\n")):
        if len(line) < 2000 and (found := MARK.match(line)):
            return found[1]
    return None


NUMBER = re.compile(
    r"(?P<sign>[-+\u2212]?)\s*(?:[$€£]\s*)?"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:\s*%|\s*[A-Za-z][A-Za-z .]{0,40})?\.?",
    re.ASCII,
)


def number(text: str) -> Decimal | None:
    """The number that the text is, exactly: 1,000 = 1000.0, $5 = 5, -5 ≠ 5.

    A trailing % or unit in letters is passed over. None when the text is anything but one number.
    """
    found = NUMBER.fullmatch(text.strip()) if len(text) < 200 else None
    if found is None:
        return None
    try:
        value = Decimal(found["digits"].replace(",", ""))
    except InvalidOperation:
        return None
    return -value if found["sign"] in ("-", "\u2212") else value


def same_number(given: str, gold: str) -> bool:
    a, b = number(given), number(gold)
    return a is not None and a == b


def same_text(given: str, gold: str) -> bool:
    """Equal up to white space, case and a final full stop."""
    return squeeze(given) == squeeze(gold)


def squeeze(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".").rstrip()
