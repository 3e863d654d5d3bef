"""Splits texts into words and runs of words (n-grams), the units in which texts are compared."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from unicodedata import normalize

from .lookalikes import fold_lookalikes

WORD_PATTERN = re.compile(r"[^\W_]+")
WORD_OR_SIGN_PATTERN = re.compile(r"[^\W_]+|[-+*/=<>^]")
# A number with its decimals is one token: 2 + 3 is not in 2 + 3.5.
EXACT_TOKEN_PATTERN = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+|[-+*/=<>^]")
# Marks on letters that have no such mark in any language: a̲.
COMBINING_PATTERN = re.compile("[\u0300-\u036f]+")
SIGN_TABLE = str.maketrans("‐‑−×⋅·÷", "---***/")
# LaTeX that sets words as text: \\text{ap}ples. A text in braces may itself have such a command.
TEXT_COMMANDS = (
    r"\\(?:text(?:bf|it|rm|sf|tt|sc|up|md|sl|normal)?|math(?:rm|bf|it|sf|tt|normal)|mbox|hbox"
    r"|emph|operatorname\*?|bf|it|rm|em)(?![A-Za-z])\s*"
)
TEXT_GROUP_PATTERN = re.compile(rf"(\d?){TEXT_COMMANDS}\{{([^{{}}]*)\}}")
TEXT_COMMAND_PATTERN = re.compile(TEXT_COMMANDS)
MAX_NESTED_GROUPS = 3
LATEX_COMMAND_PATTERN = re.compile(r"\\[a-z]+|\\\\")
DRAWING_PATTERN = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
NUMBER_WORD_PATTERN = re.compile(
    r"\d.*"
    r"|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(thir|four|fif|six|seven|eigh|nine)teen"
    r"|(twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|hundred|thousand|million"
)
# A longer text is compared by its first words only.
MAX_WORDS = 5000

NGram = tuple[str, ...]


def split_words(text: str) -> list[str]:
    """Return the runs of letters and digits, casefolded. Drawings ([asy] in MATH) are left out."""
    return WORD_PATTERN.findall(casefold_text(text))[:MAX_WORDS]


def split_words_and_signs(text: str) -> list[str]:
    """Like split_words, with arithmetic signs: 3 - 2 + 5 is not the exercise 3 + 2 - 5."""
    return WORD_OR_SIGN_PATTERN.findall(casefold_text(text))[:MAX_WORDS]


def split_exact_tokens(text: str) -> list[str]:
    """Like split_words_and_signs, with the decimals of a number in its token."""
    return EXACT_TOKEN_PATTERN.findall(casefold_text(text))[:MAX_WORDS]


# Each check of a row asks for its text again.
@lru_cache(maxsize=256)
def casefold_text(text: str) -> str:
    """The text as it is compared: what can't be seen on paper makes no difference."""
    folded = fold_lookalikes(text)
    if not folded.isascii():
        folded = COMBINING_PATTERN.sub("", normalize("NFKC", folded))
        folded = folded.translate(SIGN_TABLE)
    if "\\" in folded:
        folded = strip_text_commands(folded)
    if "[asy]" in folded:
        folded = DRAWING_PATTERN.sub(" ", folded)
    return folded.casefold()


def strip_text_commands(text: str) -> str:
    r"""Drop \text and the like: \text{ap}ples and \textbf{apples} are apples."""
    for _ in range(MAX_NESTED_GROUPS):
        text, n_groups = TEXT_GROUP_PATTERN.subn(_unwrap_group, text)
        if not n_groups:
            break
    return TEXT_COMMAND_PATTERN.sub("", text)


def _unwrap_group(match: re.Match[str]) -> str:
    digit, text = match.groups()
    # 5\text{cm} is 5 cm.
    return f"{digit} {text}" if digit else str(text)


def strip_punctuation(text: str) -> str:
    """Drop white space and punctuation marks. Signs stay, so that 2 - 3 differs from 2 + 3."""
    return re.sub(r"[\s.,;:!?'\"$]+", "", casefold_text(text))


def mask_numbers(words: Sequence[str]) -> list[str]:
    """Replace every number, in digits or as a word, by "#"."""
    return [mask_number(word) for word in words]


@lru_cache(maxsize=2**16)
def mask_number(word: str) -> str:
    return "#" if NUMBER_WORD_PATTERN.fullmatch(word) else word


def masked_words(text: str) -> list[str]:
    return mask_numbers(split_words(text))


def prose_words(text: str) -> list[str]:
    """The words of three letters or more, without numbers and LaTeX commands."""
    prose = LATEX_COMMAND_PATTERN.sub(" ", casefold_text(text))
    words = mask_numbers(WORD_PATTERN.findall(prose)[:MAX_WORDS])
    return [word for word in words if len(word) > 2 and word.isalpha()]


def ngrams(words: Sequence[str], n: int) -> Iterator[NGram]:
    """Return the runs of n words, in order."""
    return zip(*(words[start:] for start in range(n)), strict=False)


def is_distinctive(ngram: NGram) -> bool:
    """True if at least half of the words have three letters or more.

    Formulas share shorter words by chance.
    """
    long_words = sum(len(word) > 2 and word.isalpha() for word in ngram)
    return 2 * long_words >= len(ngram)


def shingles(words: Sequence[str], n: int) -> set[str]:
    """Return the runs of n words as a set of strings; a shorter text is one shingle."""
    if len(words) < n:
        return {" ".join(words)} if words else set()
    return {" ".join(ngram) for ngram in ngrams(words, n)}


def jaccard(a: set[str], b: set[str]) -> float:
    """Jaccard similarity, 0 to 1. An empty set is similar to nothing."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else 0.0
