"""Texts as words: what two of them share is counted in runs of words, not in characters."""

import re
from collections.abc import Iterator, Sequence
from unicodedata import normalize

WORD = re.compile(r"[^\W_]+")
WORD_OR_SIGN = re.compile(r"[^\W_]+|[-+*/=<>^]")
DRAWING = re.compile(r"\[asy\].*?\[/asy\]", re.DOTALL)
MOST = 5000  # words of a text that are read: a longer one is compared by its beginning
NUMBERS = re.compile(
    r"\d.*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(thir|four|fif|six|seven|eigh|nine)teen|"
    r"(twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|thousand|million"
)
Gram = tuple[str, ...]


def words(text: str) -> list[str]:
    """Runs of letters and digits, casefolded. The program of a drawing, as in MATH, is no words."""
    return WORD.findall(plain(text))[:MOST]


def words_and_signs(text: str) -> list[str]:
    """As `words`, and arithmetic signs: 3 - 2 + 5 is another exercise than 3 + 2 - 5."""
    return WORD_OR_SIGN.findall(plain(text))[:MOST]


def plain(text: str) -> str:
    folded = text if text.isascii() else normalize("NFKC", text)
    return DRAWING.sub(" ", folded).casefold()


def bare(text: str) -> str:
    """All but white space and the marks of a sentence: signs count, so that 2 - 3 is not 2 + 3."""
    return re.sub(r"[\s.,;:!?'\"$]+", "", plain(text))


def masked(words: Sequence[str]) -> list[str]:
    """Every number, in digits or as a word, becomes "#"."""
    return ["#" if NUMBERS.fullmatch(word) else word for word in words]


def grams(words: Sequence[str], n: int) -> Iterator[Gram]:
    """Its runs of n words, in order."""
    return zip(*(words[at:] for at in range(n)), strict=False)


def telling(gram: Gram) -> bool:
    """At least half of its words have three letters: formulas share shorter ones by chance."""
    return 2 * sum(len(word) > 2 and word.isalpha() for word in gram) >= len(gram)


def shingles(words: Sequence[str], n: int) -> set[str]:
    """The runs of n words as a set of strings; of a shorter text, the whole of it."""
    if len(words) < n:
        return {" ".join(words)} if words else set()
    return {" ".join(gram) for gram in grams(words, n)}


def jaccard(a: set[str], b: set[str]) -> float:
    """Of two sets, 0 to 1; nothing is like an empty one."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if shared else 0.0
