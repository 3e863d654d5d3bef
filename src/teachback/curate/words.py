"""Splits texts into words and runs of words (n-grams), the units in which texts are compared."""

import re
from collections.abc import Iterator, Sequence
from unicodedata import normalize

WORD_PATTERN = re.compile(r"[^\W_]+")
WORD_OR_SIGN_PATTERN = re.compile(r"[^\W_]+|[-+*/=<>^]")
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


def casefold_text(text: str) -> str:
    folded = text if text.isascii() else normalize("NFKC", text)
    return DRAWING_PATTERN.sub(" ", folded).casefold()


def strip_punctuation(text: str) -> str:
    """Drop white space and punctuation marks. Signs stay, so that 2 - 3 differs from 2 + 3."""
    return re.sub(r"[\s.,;:!?'\"$]+", "", casefold_text(text))


def mask_numbers(words: Sequence[str]) -> list[str]:
    """Replace every number, in digits or as a word, by "#"."""
    return ["#" if NUMBER_WORD_PATTERN.fullmatch(word) else word for word in words]


def masked_words(text: str) -> list[str]:
    return mask_numbers(split_words(text))


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
