"""Near-duplicates: MinHash finds candidates, the true Jaccard similarity of their shingles decides.

A shingle is a run of three words. The sketch has 120 values in 20 bands of 6: two texts of similarity s are candidates
with probability 1 - (1 - s^6)^20, which is 0.998 at 0.8 and 0.27 at 0.5. What is not alike is never taken for it.
Kept of each text: its bands' hashes, its name and the text itself, of which at most 5,000 words are read.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .words import jaccard, shingles, words_and_signs

SHINGLE, VALUES, BANDS, SEED = 3, 120, 20, 42
THRESHOLD = 0.8


class Sketch(NamedTuple):
    """hashes: rensa's MinHash of the shingles; None for a text without words, which is like nothing."""

    text: str
    hashes: Any


class Alike(NamedTuple):
    name: str
    jaccard: float


class Near:
    """An index that grows. Not thread-safe."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        import rensa

        self.threshold = threshold
        self._minhash = rensa.RMinHash
        self._bands = rensa.RMinHashLSH(threshold, VALUES, BANDS)
        self._names: list[str] = []
        self._texts: list[str] = []

    def sketch(self, texts: Sequence[str]) -> list[Sketch]:
        sets = [sorted(cut(text)) for text in texts]
        hashes = self._minhash.from_token_sets(sets, VALUES, SEED)
        return [
            Sketch(text, h if s else None)
            for text, s, h in zip(texts, sets, hashes, strict=True)
        ]

    def alike(self, sketch: Sketch) -> list[Alike]:
        """What is in and as like the text as the threshold or more: the likest first, of equals the earliest."""
        if sketch.hashes is None or not (found := self._bands.query(sketch.hashes)):
            return []
        mine = cut(sketch.text)
        alike = [
            Alike(self._names[at], jaccard(mine, cut(self._texts[at])))
            for at in sorted(found)
        ]
        return sorted(
            (a for a in alike if a.jaccard >= self.threshold), key=lambda a: -a.jaccard
        )

    def add(self, name: str, sketch: Sketch) -> None:
        if sketch.hashes is not None:
            self._bands.insert(len(self._names), sketch.hashes)
            self._names.append(name)
            self._texts.append(sketch.text)

    def fresh(
        self, names: Sequence[str], texts: Sequence[str]
    ) -> Iterator[list[Alike]]:
        """For each text in order what it is like; one that is like nothing is added, so that the first stays."""
        for name, sketch in zip(names, self.sketch(texts), strict=True):
            alike = self.alike(sketch)
            if not alike:
                self.add(name, sketch)
            yield alike


def cut(text: str) -> set[str]:
    return shingles(words_and_signs(text), SHINGLE)
