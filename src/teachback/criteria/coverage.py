"""Facility location by lazy greedy selection (Minoux 1978), re-evaluated in blocks.

Picks S to maximise Σ_i w_i max(0, max_{j∈S} cos(i, j)) over all rows i. Each pick is the
candidate that adds most; what a candidate adds only shrinks as others are picked, so that its
last known gain bounds it, and only the candidates with the largest bounds are looked at again, a
block by one matrix product. The picks are those of plain greedy selection, in float32: gains that
differ by less than a millionth count as equal.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .points import Positions

Floats32 = np.ndarray[Any, np.dtype[np.float32]]

# Candidates that are looked at again first; twice as many each time that the best is not yet
# known.
BLOCK = 32
BLOCK_BYTES = 2**23  # of a block's similarities, at most: what caches hold
BLOCK_FEWEST = 64  # but so many candidates in any case, for the product's sake
MATRIX_BYTES = (
    2**31
)  # all similarities are kept where they fit in this: 23,000 rows and as many candidates


def coverage(
    unit_N_D: Floats32,
    offered_C: Positions,
    weight_N: Floats32,
    m: int,
    *,
    matrix_bytes: int = MATRIX_BYTES,
) -> list[int]:
    """m of the offered rows, m ≤ C, best first; of equal ones the first in offered_C.

    unit_N_D: rows of length 1. A similarity below 0 counts as 0, as no pick at all does: a row
    isn't worse off for a pick that points away from it. Weights are positive.
    """
    similar = similarities(unit_N_D, offered_C, matrix_bytes)
    most = max(BLOCK_FEWEST, BLOCK_BYTES // (4 * len(unit_N_D)))
    cover_N, gain_C = (
        np.zeros(len(unit_N_D), np.float32),
        np.empty(len(offered_C), np.float32),
    )
    for start in range(0, len(offered_C), most):
        rows = np.arange(start, min(start + most, len(offered_C)))
        gain_C[rows] = added(similar(rows), cover_N) @ weight_N
    picks: list[int] = []
    while len(picks) < m:
        best, added_N = next_pick(similar, cover_N, weight_N, gain_C, most)
        picks.append(int(offered_C[best]))
        cover_N += added_N
        gain_C[best] = -np.inf
    return picks


def similarities(
    unit_N_D: Floats32, offered_C: Positions, matrix_bytes: int
) -> Callable[[Positions], Floats32]:
    """similar(rows of offered_C) → cosine_B_N, a copy: out of the matrix of all, if that is small
    enough.
    """
    if 4 * len(offered_C) * len(unit_N_D) > matrix_bytes:
        return lambda rows: unit_N_D[offered_C[rows]] @ unit_N_D.T
    cosine_C_N = unit_N_D[offered_C] @ unit_N_D.T
    return lambda rows: cosine_C_N[rows]


def added(cosine_B_N: Floats32, cover_N: Floats32) -> Floats32:
    """By how much each of B picks would raise each row's cover."""
    cosine_B_N -= cover_N
    return np.maximum(cosine_B_N, 0, out=cosine_B_N)


def next_pick(
    similar: Callable[[Positions], Floats32],
    cover_N: Floats32,
    weight_N: Floats32,
    gain_C: Floats32,
    most: int,
) -> tuple[int, Floats32]:
    """The best candidate, and what it adds to each row. gain_C holds upper bounds, and is brought
    up to date.
    """
    fresh_C, size = np.zeros(len(gain_C), bool), BLOCK
    leaders: dict[int, Floats32] = {}
    while not fresh_C[best := int(np.argmax(gain_C))]:
        bound_C = np.where(fresh_C, -np.inf, gain_C)
        count = min(size, most, int(np.isfinite(bound_C).sum()))
        rows_B = np.sort(
            np.argpartition(-bound_C, count - 1)[:count]
        )  # in order: argmax gives the first of equals
        added_B_N = added(similar(rows_B), cover_N)
        gain_C[rows_B] = added_B_N @ weight_N
        fresh_C[rows_B] = True
        lead = int(np.argmax(gain_C[rows_B]))
        leaders[int(rows_B[lead])] = added_B_N[lead].copy()
        size *= 2
    return best, leaders[best]
