"""How unlike each other the questions of a round are, beside the seeds."""

from collections.abc import Sequence
from hashlib import sha256
from statistics import fmean

from .words import jaccard, shingles, words

MOST = 200  # questions that are compared, each with each
FEWEST = 10  # fewer say nothing about a collapse
COLLAPSED = 0.75


def diversity(texts: Sequence[str], most: int = MOST) -> float | None:
    """1 minus the mean, over the texts, of the Jaccard similarity to the likest other; None for fewer than two.

    In runs of two words. Of more than `most` texts, those with the smallest hash. It falls with their number, so only
    sets of one size can be compared. (The mean over all pairs hardly moves when a round repeats five questions.)
    """
    sets = [shingles(words(text), 2) for text in sorted(texts, key=by_hash)[:most]]
    if len(sets) < 2:
        return None
    likest = [0.0] * len(sets)
    for i, one in enumerate(sets):
        for j in range(i):
            alike = jaccard(one, sets[j])
            likest[i], likest[j] = max(likest[i], alike), max(likest[j], alike)
    return 1 - fmean(likest)


def collapse(texts: Sequence[str], seeds: Sequence[str]) -> str | None:
    """A note where the rows are far less diverse than as many seeds."""
    n = min(len(texts), len(seeds), MOST)
    if n < FEWEST:
        return None
    mine, theirs = diversity(texts, n), diversity(seeds, n)
    if mine is None or not theirs or mine >= COLLAPSED * theirs:
        return None
    return (
        f"diversity collapsed to {mine / theirs:.0%} of the seeds': a question differs from the likest other one in "
        f"{mine:.0%} of its two-word runs, a seed in {theirs:.0%}"
    )


def by_hash(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()
