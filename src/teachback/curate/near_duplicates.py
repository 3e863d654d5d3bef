"""Finds near-duplicates: MinHash proposes candidates, and their true Jaccard similarity decides.

Texts are compared by their shingles, runs of three words. A sketch has 120 values in 20 bands of 6,
so two texts of similarity s become candidates with probability 1 - (1 - s^6)^20: 0.998 at 0.8 and
0.27 at 0.5. Candidates that are no duplicates are sorted out by their true similarity.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .words import jaccard, shingles, split_words_and_signs

SHINGLE_WORDS = 3
MINHASH_VALUES = 120
MINHASH_BANDS = 20
MINHASH_SEED = 42
JACCARD_THRESHOLD = 0.8


class MinHashSketch(NamedTuple):
    text: str
    hashes: Any  # rensa's MinHash of the shingles; None for a text without words


class NearDuplicate(NamedTuple):
    """An indexed text that is similar to the one in question."""

    label: str
    jaccard: float


class NearDuplicateIndex:
    """An index of texts that grows. Not thread-safe."""

    def __init__(self, threshold: float = JACCARD_THRESHOLD) -> None:
        import rensa

        self.threshold = threshold
        self._minhash = rensa.RMinHash
        self._bands = rensa.RMinHashLSH(threshold, MINHASH_VALUES, MINHASH_BANDS)
        self._labels: list[str] = []
        self._texts: list[str] = []

    def sketch(self, texts: Sequence[str]) -> list[MinHashSketch]:
        """Sketch many texts in one call, which is faster than one at a time."""
        sets = [sorted(word_shingles(text)) for text in texts]
        hashes = self._minhash.from_token_sets(sets, MINHASH_VALUES, MINHASH_SEED)
        return [
            MinHashSketch(text, text_hashes if tokens else None)
            for text, tokens, text_hashes in zip(texts, sets, hashes, strict=True)
        ]

    def find_duplicates(self, sketch: MinHashSketch) -> list[NearDuplicate]:
        """Return the indexed texts at or above the threshold: most similar first, then earliest."""
        if sketch.hashes is None:
            return []
        candidates = self._bands.query(sketch.hashes)
        if not candidates:
            return []

        text_shingles = word_shingles(sketch.text)
        duplicates = []
        for position in sorted(candidates):
            similarity = jaccard(text_shingles, word_shingles(self._texts[position]))
            if similarity >= self.threshold:
                duplicates.append(NearDuplicate(self._labels[position], similarity))
        return sorted(duplicates, key=lambda duplicate: -duplicate.jaccard)

    def add(self, label: str, sketch: MinHashSketch) -> None:
        if sketch.hashes is not None:
            self._bands.insert(len(self._labels), sketch.hashes)
            self._labels.append(label)
            self._texts.append(sketch.text)


def word_shingles(text: str) -> set[str]:
    return shingles(split_words_and_signs(text), SHINGLE_WORDS)
