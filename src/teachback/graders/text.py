"""Compares short texts, up to white space, case, a final full stop and markup."""

import re
import unicodedata

# **$\text{yes}$** is the deepest that models write.
MAX_MARKUP_DEPTH = 3
MARKUP = re.compile(
    r"\*\*([^*]+)\*\*"
    r"|\$\$?([^$]+)\$?\$"
    r"|\\\(((?:[^\\]|\\[^()])+)\\\)"
    r"|“([^“”]+)”"
    r"|\\(?:text|textbf|mathrm|mathbf|mbox)\{([^{}]+)\}"
)


FINAL_STOP = re.compile(r"(?:\s*[.。．｡]|(?<=[^\W\d_])!)$")
SPACE_AT_BRACKET = re.compile(r"(?<=[(\[{,;])\s+|\s+(?=[)\]},;])")
UNIT_BEHIND_NUMBER = re.compile(r"(?<=\d )[A-Za-z]{2,4}\b|(?<=\d)[A-Za-z]{2,4}\b")
# Full-width characters and minus signs. Not NFKC: it makes 102 of 10².
ASCII_FORMS = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x2212: 0x2D,
    0x3000: 0x20,
}
# Invisible, but they change words in some scripts.
JOINERS = "\u200c\u200d"


def same_text(a: str, b: str) -> bool:
    return answer_key(a) == answer_key(b)


def strip_markup(text: str) -> str:
    """Removes bold type, dollar signs and typographic quotes around the whole text.

    Straight quotes stay: in questions about programs, '5' and 5 are different answers.
    """
    text = text.strip()
    for _ in range(MAX_MARKUP_DEPTH):
        match = MARKUP.fullmatch(text.removesuffix("."))
        if match is None:
            break
        inner = next(group for group in match.groups() if group is not None)
        text = inner.strip()
    return text


def normalize_text(text: str) -> str:
    """Folds case, squeezes white space and drops a final full stop."""
    return " ".join(text.casefold().split()).removesuffix(".").rstrip()


def answer_key(text: str) -> str:
    """One spelling for answers that differ only in white space, case or characters.

    Full-width and composed characters, minus signs and invisible characters are levelled. White
    space beside brackets and commas doesn't count, nor does a final full stop, in any script, or
    an exclamation mark behind a word. Case counts in a unit that mixes it: "10 mW" isn't "10 Mw".
    """
    text = unicodedata.normalize("NFC", strip_markup(text)).translate(ASCII_FORMS)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf" or c in JOINERS)
    text = FINAL_STOP.sub("", text.strip())
    text = re.sub(r"\s+", " ", SPACE_AT_BRACKET.sub("", text))
    units = [unit for unit in UNIT_BEHIND_NUMBER.findall(text) if is_mixed_case(unit)]
    return " ".join([text.casefold().strip(), *units])


def is_mixed_case(word: str) -> bool:
    return word not in (word.lower(), word.upper(), word.capitalize())
