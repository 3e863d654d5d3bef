r"""Final answers in LaTeX as text: every answer in one spelling."""

import re
from fractions import Fraction

BOX_OPENING = re.compile(r"\\(?:boxed|fbox)\s*\{")
LATEX_SIGNS = str.maketrans(
    {
        "\u2212": "-",
        "\u2013": "-",
        "×": r"\times ",
        "·": r"\cdot ",
        "÷": r"\div ",
        "π": r"\pi ",
        "∞": r"\infty ",
        "°": r"^\circ ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "±": r"\pm ",
        "∪": r"\cup ",
        "\xa0": " ",
        "\t": " ",
        "\n": " ",
    }
)
# In this order. Sizes and spacing go, words for "and" become commas, and each command gets one
# spelling.
LATEX_REWRITES = [
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
MAX_REPEATING_DIGITS = 60
STAR_POWER = re.compile(r"\*\*\s*(-?[\w.]+(?:\^\{.*\})?|\([^()]*\))")
THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
# 1,00,000 or 12,34,567; also 1,0000: no thousands, and no list of numbers.
ODD_DIGIT_GROUPS = re.compile(r"\d,0\d|^-?\d{1,2}(?:,\d{2})+,\d{3}$")
REPEATING_DECIMAL = re.compile(
    r"(?<![\d.])(\d*)\.(\d*)\s*\\(?:(?:overline|bar)\s*(?:\{\s*(\d+)\s*\}|(\d))"
    r"|dot\s*\{?(\d)\}?)(?![\d_\\])"
)
TEXT_WORDS = re.compile(r"[\s(]*(?:\\text\{[^{}]*\}[\s,().]*)+")
MATH_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))


def normalize_latex(text: str) -> str:
    """The same answer in one spelling, without dollars, sizes, spacing and a final full stop."""
    text = text.translate(LATEX_SIGNS).strip()
    for left, right in MATH_DELIMITERS:
        is_longer = len(text) > len(left + right)
        if text.startswith(left) and text.endswith(right) and is_longer:
            text = text[len(left) : -len(right)]
    text = remove_boxes(text)
    for pattern, replacement in LATEX_REWRITES:
        text = pattern.sub(replacement, text.strip())
    text = text.strip().rstrip(",;").removesuffix(".").replace(r"\$", "$").strip()
    return rewrite_powers(REPEATING_DECIMAL.sub(repeating_fraction, text))


def repeating_fraction(match: re.Match[str]) -> str:
    r"""0.1\overline{6} becomes \frac{1}{6}."""
    whole, start, *repeats = match.groups()
    repeat = next(digits for digits in repeats if digits)
    if len(start + repeat) > MAX_REPEATING_DIGITS:
        return match[0]
    value = Fraction(f"{whole or 0}.{start or 0}")
    value += Fraction(int(repeat), 10 ** len(start) * (10 ** len(repeat) - 1))
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def has_odd_digit_groups(text: str) -> bool:
    return ODD_DIGIT_GROUPS.search(THOUSANDS.sub("", text)) is not None


def math_key(text: str) -> str:
    """Equal for answers that are equal as text. White space counts only between digits."""
    text = drop_thousands_commas(normalize_latex(text))
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", text)


def remove_boxes(text: str) -> str:
    """Removes the boxes and keeps what is in them: a line of several boxes can be an answer."""
    while match := BOX_OPENING.search(text):
        depth = 1
        end = match.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        content_end = (
            end - 1 if depth == 0 else end
        )  # an unclosed box has no brace to drop
        text = text[: match.start()] + text[match.end() : content_end] + text[end:]
    return text


def rewrite_powers(text: str) -> str:
    """a**b**c becomes a^{b^{c}}: ** binds to the right."""
    while "**" in text and (match := STAR_POWER.match(text, text.rfind("**"))):
        text = f"{text[: match.start()]}^{{{match[1]}}}{text[match.end() :]}"
    return text


def drop_thousands_commas(text: str) -> str:
    """58,500 becomes 58500; not with brackets, where a comma separates two values."""
    if re.search(r"[(\[]", text):
        return text
    return THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)


def words_only(text: str) -> tuple[str, ...] | None:
    r"""The words of an answer that is all \text{…}; None for any other answer."""
    return text_words(text) if TEXT_WORDS.fullmatch(text) else None


def text_words(text: str) -> tuple[str, ...]:
    """The entries of a comma list of words, sorted: their order doesn't matter."""
    plain = re.sub(r"\\text\{([^{}]*)\}", r"\1", text).casefold()
    entries = [re.sub(r"[\s().{}]", "", entry) for entry in plain.split(",")]
    return tuple(sorted(entry for entry in entries if entry))
