"""Compares short texts, up to white space, case, a final full stop and markup."""

import re

# **$\text{yes}$** is the deepest that models write.
MAX_MARKUP_DEPTH = 3
MARKUP = re.compile(
    r"\*\*([^*]+)\*\*"
    r"|\$\$?([^$]+)\$?\$"
    r"|\\\(((?:[^\\]|\\[^()])+)\\\)"
    r"|“([^“”]+)”"
    r"|\\(?:text|textbf|mathrm|mathbf|mbox)\{([^{}]+)\}"
)


def same_text(a: str, b: str) -> bool:
    return normalize_text(strip_markup(a)) == normalize_text(strip_markup(b))


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
