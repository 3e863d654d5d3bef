"""Letters of an answer in LaTeX: names before "=", products of variables, and words."""

import re
from string import ascii_lowercase

from .unit_words import CHANGING, MAGNITUDE

LETTER_RUN = re.compile(r"(?<![a-zA-Z])[a-zA-Z]{2,}(?![a-zA-Z])")
LATEX_TOKEN = re.compile(
    r"\\(?:begin|end)\s*\{[a-z*]+\}|\\[a-zA-Z]+|\\.|(?<![a-zA-Z])sqrt(?=[({])"
)
# math-verify takes these for a product: 5C2 is 5·C·2 to it, x2 is 2x.
DIGIT_BEHIND_LETTER = re.compile(r"(?<![a-zA-Z\\_^])[a-zA-Z]\d")
FUNCTION_NAME = re.compile(
    r"pi|sqrt|sin|cos|tan|sec|csc|cot|log|exp|mod|inf|theta|alpha|beta|lim|gcd|lcm"
)
MAX_PRODUCT_LETTERS = 3
# Of two letters, unlike "ab" and "xy".
TWO_LETTER_WORDS = re.compile(
    "no|on|up|so|if|is|it|us|we|me|he|my|by|in|to|at|as|an|am|or|of|do|go|be|ok"
)
PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z'’]*(?:[ -][A-Za-z'’]+)*\.?")

GREEK = (
    r"\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|phi|varphi|omega|rho|sigma|tau|psi"
    r"|Delta|Omega)"
)
SUBSCRIPT = r"(?:\s*_\s*(?:\w|\{[^{}]{1,20}\}))?'{0,3}"
TEXT_NAME = r"\\text\{(?:[^{}0-9]*)\}"
POINTS = r"(?:\\(?:angle|overline|triangle|widehat|overarc|measuredangle)\s*\{?\s*)?[A-Z]{1,5}\}?"
# What an answer may call its value: x, a_1, f(3), \theta, AB, \angle ABC, [ABC], \text{Area}.
VALUE_NAME = re.compile(
    rf"(?:m\s*)?(?:[a-zA-Z]|{GREEK}|{TEXT_NAME}|\\mathbf\{{[a-zA-Z]\}}|\\vec\s*\{{?[a-zA-Z]\}}?"
    rf"|{POINTS}|\[{POINTS}\])"
    rf"{SUBSCRIPT}(?:\s*\^\s*\{{-1\}})?(?:\s*\([^()=]{{1,20}}\)|{TEXT_NAME})?"
    r"|\([a-zA-Z](?:\s*,\s*[a-zA-Z])+\)"
    r"|(?:[A-Za-z]{3,} ?)+"
)
ASKS_FOR = (
    r"(?:find|whatis|compute|evaluate|determine|calculate|valueof|simplify)"
    r"(?:the)?(?:valueof)?"
)


def is_value_name(left: str) -> bool:
    """Whether what stands left of "=" only names a value: "x", not "2x", "x^2" or "|x|"."""
    name = left.strip()
    words = re.findall("[A-Za-z]{3,}", name) if re.fullmatch("[A-Za-z ]+", name) else []
    if any(CHANGING.fullmatch(word) or MAGNITUDE.fullmatch(word) for word in words):
        return False
    return VALUE_NAME.fullmatch(name) is not None


def is_asked_value(left: str, question: str) -> bool:
    """Whether the question asks for this very expression: "Find $a + b$"."""
    asked = re.sub(r"[\s$]|\\[,;!]|\\(?:left|right)", "", question)
    wanted = re.escape(re.sub(r"\s", "", left))
    return (
        re.search(rf"{ASKS_FOR}\\?\(?{wanted}(?![\w^=+*/-])", asked, re.IGNORECASE)
        is not None
    )


def has_letters(text: str) -> bool:
    return re.search("[a-zA-Z]", LATEX_TOKEN.sub(" ", text)) is not None


def bare_words(text: str) -> str | None:
    """The words of an answer that is one word or several, in small letters; None for others.

    Two or three small letters are a product of variables, but for "no", "cat" and the like.
    """
    if PLAIN_WORDS.fullmatch(text) is None or len(text) < 2:
        return None
    if text.isalpha() and text.islower() and len(text) <= MAX_PRODUCT_LETTERS:
        is_word = re.search("[aeiou]", text) is not None and text not in ascii_lowercase
        if not (TWO_LETTER_WORDS.fullmatch(text) or (len(text) > 2 and is_word)):
            return None
    return text.casefold().rstrip(".")


def letters_flaw(value: str) -> str | None:
    """Why the letters of an expression can't be read as variables, or None."""
    bare = LATEX_TOKEN.sub(" ", value)
    if match := DIGIT_BEHIND_LETTER.search(bare):
        return f"a digit behind a letter: {match[0]}"
    for match in LETTER_RUN.finditer(bare):
        run = match[0]
        is_known = (
            CHANGING.fullmatch(run)
            or MAGNITUDE.fullmatch(run)
            or FUNCTION_NAME.search(run)
        )
        if is_known or len(run) > MAX_PRODUCT_LETTERS + 1:
            return f"letters that are no product: {run}"
    return None
