"""Measures how different a round's questions are from each other, compared with the seeds."""

from collections.abc import Sequence
from hashlib import sha256
from statistics import fmean
from typing import Any

import numpy as np

from .words import shingles, split_words

# Each question is compared with each other one, so time grows with the square.
MAX_COMPARED = 200
# Fewer questions can't show a collapse.
MIN_QUESTIONS = 10
# Below this share of the seeds' diversity, a note tells of a collapse.
COLLAPSE_RATIO = 0.75


def diversity(texts: Sequence[str], limit: int = MAX_COMPARED) -> float | None:
    """1 minus the mean Jaccard similarity of each text to its most similar other text.

    Similarity is measured on runs of two words. Returns None for fewer than two texts. Of more than
    `limit` texts, those with the smallest hashes are compared. Diversity falls with the number of
    texts, so only sets of equal size are comparable. The mean over all pairs would be no
    alternative: it hardly moves when a round repeats five questions.
    """
    compared = sorted(texts, key=_text_hash)[:limit]
    sets = [shingles(split_words(text), 2) for text in compared]
    if len(sets) < 2:
        return None
    jaccard_N_N = pairwise_jaccard(sets)
    np.fill_diagonal(jaccard_N_N, 0.0)
    return 1 - fmean(jaccard_N_N.max(axis=1).tolist())


def pairwise_jaccard(sets: Sequence[set[str]]) -> np.ndarray[Any, Any]:
    """The Jaccard similarity of each set with each one. An empty set is similar to nothing."""
    from scipy.sparse import csr_matrix

    columns: dict[str, int] = {}
    indices = [columns.setdefault(item, len(columns)) for one in sets for item in one]
    size_N = np.array([len(one) for one in sets])
    starts = np.concatenate([[0], np.cumsum(size_N)])
    shape = (len(sets), max(1, len(columns)))
    # float64 counts these exactly.
    member_N_V = csr_matrix((np.ones(len(indices)), indices, starts), shape=shape)
    shared_N_N = (member_N_V @ member_N_V.T).toarray()
    union_N_N = size_N[:, None] + size_N[None, :] - shared_N_N
    jaccard_N_N: np.ndarray[Any, Any] = shared_N_N / np.maximum(union_N_N, 1)
    return jaccard_N_N


def collapse_note(texts: Sequence[str], seeds: Sequence[str]) -> str | None:
    """A note for the reader if the rows are far less diverse than as many seeds."""
    # The same number of both, because diversity falls with the number.
    n = min(len(texts), len(seeds), MAX_COMPARED)
    if n < MIN_QUESTIONS:
        return None
    of_rows = diversity(texts, n)
    of_seeds = diversity(seeds, n)
    if of_rows is None or not of_seeds or of_rows >= COLLAPSE_RATIO * of_seeds:
        return None
    return (
        f"diversity collapsed to {of_rows / of_seeds:.0%} of the seeds': a question differs from "
        f"the likest other one in {of_rows:.0%} of its two-word runs, a seed in {of_seeds:.0%}"
    )


def _text_hash(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()
