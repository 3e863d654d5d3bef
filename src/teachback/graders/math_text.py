r"""Final answers in LaTeX as text: one way to write each, their units and bases, the parts of tuples and lists."""

import re
from typing import NamedTuple

BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
SAME_SIGNS = str.maketrans(
    {
        "\u2212": "-",
        "\u2013": "-",
        "×": r"\times ",
        "·": r"\cdot ",
        "π": r"\pi ",
        "∞": r"\infty ",
        "°": r"^\circ ",
    }
    | {
        "≤": r"\le ",
        "≥": r"\ge ",
        "±": r"\pm ",
        "∪": r"\cup ",
        "÷": r"\div ",
        "\xa0": " ",
        "\t": " ",
        "\n": " ",
    }
)
# In order. Sizes and spaces of the printed page go; words for "and" become commas; each command in one spelling
REWRITES = [
    (re.compile(pattern), new)
    for pattern, new in (
        (r"\\left\s*\.|\\right\s*\.|\\(?:left|right|[bB]igg?[lr]?)(?![a-zA-Z])", ""),
        (r"\\(?:displaystyle|limits|quad|qquad)(?![a-zA-Z])|~|(?<!\\)\\[:;> ]", " "),
        (r"\s*(?<!\\)\\!\s*|\{(,)\}", r"\1"),
        (r"(?<=\d)\\,(?=\d{3}(?!\d))", ""),
        (r"(?<!\\)\\,", " "),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"(\\frac\s*\{[^{}]*\})\s*(\d)", r"\1{\2}"),
        (r"\\frac\s*(\\pi)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\sqrt\s*(\d)", r"\\sqrt{\1}"),
        (r"\\h?phantom\s*(?:\{[^{}]*\}|\S)", " "),
        (
            r"\\(?:mbox|mathrm|textrm|textbf|textit|textnormal|mathbf|mathit|textsf|bf|rm)\s*\{",
            r"\\text{",
        ),
        (
            r"\\text\s*\{([,;\s]*(?:and|or)\s*)\}|(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])",
            " , ",
        ),
        (r"[,;]\s*,", ","),
        (r"\\(?:degrees?|deg)(?![a-zA-Z])|\^\s*\{\s*\\circ\s*\}", r"^\\circ"),
        (r"\\leq?(?:slant)?(?![a-zA-Z])|<=", r"\\le "),
        (r"\\geq?(?:slant)?(?![a-zA-Z])|>=", r"\\ge "),
        (r"\\l[t](?![a-zA-Z])", "<"),
        (r"\\gt(?![a-zA-Z])", ">"),
        (r"\\lbrace(?![a-zA-Z])", r"\\{"),
        (r"\\rbrace(?![a-zA-Z])", r"\\}"),
        (r"^\\approx\s*", ""),
        (r"^(-?)(\d+)\s+(\d+)/(\d+)$", r"\1\2\\frac{\3}{\4}"),
        (r"\s+", " "),
    )
]
POWER = re.compile(r"\*\*\s*(-?[\w.]+(?:\^\{.*\})?|\([^()]*\))")
THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
TEXT_UNIT = re.compile(
    r"(?P<value>.*\S)\s*\\text\{(?P<unit>[^{}]*)\}\s*(?P<power>\^\{?[23]\}?)?"
)
PLAIN_UNIT = re.compile(
    r"(?P<value>-?(?:[\d.]+|\\frac\{\d+\}\{\d+\}|\d+/\d+)) ?(?P<unit>[A-Za-z][A-Za-z. ]+)(?P<power>\^\{?[23]\}?)?"
)
IN_BASE = re.compile(r"(?P<digits>-?[0-9A-F]+)\s*_\s*(?:\{(?P<b>\d+)\}|(?P<c>\d+))")
WORDS = re.compile(r"(?:\\text\{[^{}]*\}[\s,().]*)+")
NAMED = re.compile(
    r"(?:[a-zA-Z](?:_\{?\w\}?)?|\([a-zA-Z](?:\s*,\s*[a-zA-Z])+\))\s*(?:\\in(?![a-zA-Z])|=)\s*(?=[\[({\\])"
)
BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
# Units that say how much: two that differ are two values. Other words (ways, boxes, students) say nothing
MEASURES = {
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


class Reading(NamedTuple):
    """value: what is left of an answer without its unit ("cm^2", "dollar"; None: none that is known), its base
    (52_8: 8) and its percent sign."""

    value: str
    unit: str | None = None
    base: int | None = None
    percent: bool = False


def tidy(text: str) -> str:
    """The same answer in one spelling: LaTeX without the dollars around it, sizes, spacing or a full stop."""
    text = text.translate(SAME_SIGNS).strip()
    for left, right in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if (
            text.startswith(left)
            and text.endswith(right)
            and len(text) > len(left + right)
        ):
            text = text[len(left) : -len(right)]
    text = unboxed(text)
    for pattern, new in REWRITES:
        text = pattern.sub(new, text.strip())
    return powers(
        text.strip().rstrip(",;").removesuffix(".").replace(r"\$", "$").strip()
    )


def unboxed(text: str) -> str:
    """Without the boxes themselves, where a line of several is the answer."""
    while found := BOX.search(text):
        depth, end = 1, found.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = (
            text[: found.start()] + text[found.end() : end - (depth == 0)] + text[end:]
        )
    return text


def powers(text: str) -> str:
    """a**b**c as a^{b^{c}}: it binds to the right."""
    while "**" in text and (found := POWER.match(text, text.rfind("**"))):
        text = f"{text[: found.start()]}^{{{found[1]}}}{text[found.end() :]}"
    return text


def key(text: str) -> str:
    """Equal for answers that are equal as text: without white space, except where it keeps digits apart."""
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", grouped(tidy(text)))


def grouped(text: str) -> str:
    """58,500 as 58500; not within brackets, where the comma keeps two values apart."""
    return (
        text
        if re.search(r"[(\[]", text)
        else THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    )


def words(text: str) -> tuple[str, ...] | None:
    r"""The words of an answer that is \text{…} alone, a comma list of them in any order; None for any other."""
    return plain_words(text) if WORDS.fullmatch(text) else None


def plain_words(text: str) -> tuple[str, ...]:
    bare = re.sub(r"\\text\{([^{}]*)\}", r"\1", text).casefold()
    parts = [re.sub(r"[\s().{}]", "", part) for part in bare.split(",")]
    return tuple(sorted(part for part in parts if part))


def read(text: str) -> Reading:
    """Of a tidied answer, or of a part of one."""
    text, unit = without_unit(text)
    if found := IN_BASE.fullmatch(text):
        return Reading(found["digits"], unit, int(found["b"] or found["c"]))
    bare = re.sub(r"\s*\\?%$|\s*\\text\{ ?percent\}$|(?<=\d)\s*percent$", "", text)
    return Reading(grouped(bare), unit, percent=bare != text)


def without_unit(text: str) -> tuple[str, str | None]:
    if text.startswith("$"):
        return text.lstrip("$ "), "dollar"
    if text.startswith("-$"):
        return "-" + text.lstrip("-$ "), "dollar"
    if text.endswith(r"^\circ"):
        return text.removesuffix(r"^\circ").rstrip(), "degree"
    found = TEXT_UNIT.fullmatch(text) or PLAIN_UNIT.fullmatch(text)
    if found is None or found["unit"].strip() == "percent":
        return text, None
    return found["value"], measure(found["unit"], found["power"] or "")


def measure(unit: str, power: str) -> str | None:
    """ "square cm", "sq. cm" and "cm^2" are one."""
    names = unit.replace(".", "").casefold().split()
    exponent = power.strip("^{}")
    if names and names[0] in ("square", "sq", "cubic", "cu"):
        exponent = "2" if names[0].startswith("s") else "3"
        names = names[1:]
    if len(names) != 1:
        return None
    known = MEASURES.get(names[0]) or MEASURES.get(names[0].removesuffix("s"))
    return known and (f"{known}^{exponent}" if exponent else known)


def parts(value: str) -> tuple[str, list[str]]:
    r"""The brackets around a value, and its parts: "(1,2]" is "(]" and 1, 2. "1,2" and "\{1,2\}" are sets: "{}".

    A value of one part has no brackets (""): it is for the parser, and so is a union of intervals.
    """
    value = NAMED.sub("", value, count=1)
    for left, right in ((r"\{", r"\}"), (r"\langle", r"\rangle")):
        if (
            value.startswith(left)
            and value.endswith(right)
            and right not in value[len(left) : -len(right)]
        ):
            inside = expanded(split(value[len(left) : -len(right)]))
            return ("{}" if left == r"\{" else "<>"), inside
    if value[:1] in "([" and value[-1:] in ")]" and value and closes_at_end(value):
        inside = split(value[1:-1])
        return ("", [value]) if len(inside) == 1 else (value[0] + value[-1], inside)
    listed = expanded(split(value))
    return ("", [value]) if len(listed) == 1 else ("{}", listed)


def closes_at_end(value: str) -> bool:
    depth = 0
    for at, sign in enumerate(value):
        depth += BRACKETS.get(sign, 0)
        if depth == 0:
            return at == len(value) - 1
    return False


def split(value: str) -> list[str]:
    """At the commas and semicolons that are in no brackets."""
    depth, found = 0, [""]
    for sign in value:
        depth += BRACKETS.get(sign, 0)
        if sign in ",;" and depth <= 0:
            found.append("")
        else:
            found[-1] += sign
    return [part.strip() for part in found]


def expanded(listed: list[str]) -> list[str]:
    r"""a \pm b is two values."""
    both = [
        [part.replace(r"\pm", sign, 1) for sign in "+-"]
        if part.count(r"\pm") == 1
        else [part]
        for part in listed
    ]
    return [part.strip().removeprefix("+").strip() for pair in both for part in pair]
