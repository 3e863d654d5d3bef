r"""One value of an answer in LaTeX: its number, unit, base and percent sign."""

import re
from typing import NamedTuple

from .math_text import drop_thousands_commas
from .unit_words import MIN_ATTACHED_LETTERS, are_unit_words

TEXT_UNIT = re.compile(
    r"(?P<value>.*\S)\s*\\text\{(?P<unit>[^{}]*)\}\s*(?P<power>\^\{?[23]\}?)?"
)
PLAIN_UNIT = re.compile(
    r"(?P<value>-?(?:[\d.]+|\\frac\{\d+\}\{\d+\}|\d+/\d+))(?P<space> ?)"
    r"(?P<unit>[A-Za-z][A-Za-z. ]+)(?P<power>\^\{?[23]\}?)?"
)
NUMBER_IN_BASE = re.compile(
    r"(?:\\text\{)?(?P<digits>-?[0-9A-F]+)\}?\s*_\s*(?:\{(?P<braced>\d+)\}|(?P<bare>\d+))"
)
PERCENT_SIGN = re.compile(r"\s*\\?%$|\s*\\text\{ ?percent\}$|(?<=\d)\s*percent$")
# Units that measure: two different ones are two values. Other words count things (ways, boxes,
# students) and are ignored. Words that change the value are no units (`unit_words`).
UNITS = {
    name: measure
    for measure, names in {
        "cm": "cm centimeter centimetre",
        "mm": "mm millimeter millimetre",
        "m": "m meter metre",
        "km": "km kilometer kilometre",
        "inch": "in inch inche",
        "foot": "ft foot feet",
        "yard": "yd yard",
        "mile": "mi mile",
        "second": "s sec second",
        "minute": "min minute",
        "hour": "h hr hour",
        "day": "day",
        "week": "week",
        "month": "month",
        "year": "yr year",
        "dollar": "dollar usd buck",
        "cent": "cent",
        "degree": "degree deg",
        "gram": "g gram",
        "kg": "kg kilogram",
        "pound": "lb pound",
        "ounce": "oz ounce",
        "liter": "l liter litre",
        "gallon": "gal gallon",
        "am": "am",
        "pm": "pm",
    }.items()
    for name in names.split()
}


class Quantity(NamedTuple):
    # Without unit, base and percent sign.
    value: str
    # As in "cm^2" or "dollar". None: it has none that is in UNITS.
    unit: str | None = None
    # Of 52_8 it is 8.
    base: int | None = None
    # Whether it has a percent sign.
    percent: bool = False


def read_quantity(text: str) -> Quantity:
    """text: a normalized answer, or an entry of one."""
    text, unit = split_unit(text)
    if match := NUMBER_IN_BASE.fullmatch(text):
        return Quantity(match["digits"], unit, int(match["braced"] or match["bare"]))
    number = PERCENT_SIGN.sub("", text)
    return Quantity(drop_thousands_commas(number), unit, percent=number != text)


def split_unit(text: str) -> tuple[str, str | None]:
    """The value, and its unit if that is in UNITS."""
    if text.startswith(("$", "-$")):
        sign = "-" if text.startswith("-") else ""
        value, unit = split_unit(text.lstrip("-$ "))
        return (
            (text, None) if unit not in (None, "dollar") else (sign + value, "dollar")
        )
    if text.endswith(r"^\circ"):
        return text.removesuffix(r"^\circ").rstrip(), "degree"
    match = TEXT_UNIT.fullmatch(text)
    min_letters = 1
    if match is None:
        match = PLAIN_UNIT.fullmatch(text)
        min_letters = MIN_ATTACHED_LETTERS
    if match is None or match["unit"].strip() == "percent":
        return text, None
    unit = read_unit(match["unit"], match["power"] or "")
    space = match["space"] if min_letters > 1 else " "
    if unit is None and not are_unit_words(
        space + match["unit"], min_letters=min_letters
    ):
        return text, None  # a factor, as in 2ab, or another answer
    return match["value"], unit


def read_unit(unit: str, power: str) -> str | None:
    """ "square cm", "sq. cm" and "cm^2" are one unit; None for any that is not in UNITS."""
    names = unit.replace(".", "").casefold().split()
    exponent = power.strip("^{}")
    if names and names[0] in ("square", "sq", "cubic", "cu"):
        exponent = "2" if names[0].startswith("s") else "3"
        names = names[1:]
    if len(names) != 1:
        return None
    name = UNITS.get(names[0]) or UNITS.get(names[0].removesuffix("s"))
    if name is None or not exponent:
        return name
    return f"{name}^{exponent}"
