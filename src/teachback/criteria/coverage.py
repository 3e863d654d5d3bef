"""Facility location by lazy greedy selection (Minoux 1978), evaluated in blocks.

Picks S to maximise Σ_i w_i max(0, max_{j∈S} cos(i, j)) over all rows i. Each pick is the candidate
with the largest gain. Gains only shrink as others are picked, so the last known gain of a candidate
is an upper bound. Only the candidates with the largest bounds are evaluated again, a block of them
by one matrix product. The picks are those of plain greedy selection in float32: gains that differ
by less than a millionth count as equal.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .points import PositionArray

Float32Array = np.ndarray[Any, np.dtype[np.float32]]

# The first block for each pick. Blocks double until the best candidate is known.
FIRST_BLOCK_CANDIDATES = 32
# A block's similarities take no more than this, so that they fit into caches.
MAX_BLOCK_BYTES = 2**23
# With very many rows a block may be larger: products of fewer candidates are slow.
MIN_BLOCK_CANDIDATES = 64
# All similarities are kept if they fit: 23,000 rows with as many candidates.
MAX_MATRIX_BYTES = 2**31


def pick_by_coverage(
    unit_N_D: Float32Array,
    candidate_C: PositionArray,
    weight_N: Float32Array,
    m: int,
    *,
    max_matrix_bytes: int = MAX_MATRIX_BYTES,
) -> list[int]:
    """m of the candidate rows, m ≤ C, best first; of equals the first in candidate_C.

    unit_N_D: rows of length 1. weight_N: positive. A cosine below 0 counts as 0, like having no
    pick at all: a pick that points away from a row leaves it no worse off.
    """
    read_cosines = make_cosine_reader(unit_N_D, candidate_C, max_matrix_bytes)
    max_block = max(MIN_BLOCK_CANDIDATES, MAX_BLOCK_BYTES // (4 * len(unit_N_D)))
    # Each row's cosine with the pick that is most similar to it.
    cover_N = np.zeros(len(unit_N_D), np.float32)
    gain_C = np.empty(len(candidate_C), np.float32)
    for start in range(0, len(candidate_C), max_block):
        block_B = np.arange(start, min(start + max_block, len(candidate_C)))
        gain_C[block_B] = compute_cover_gains(read_cosines(block_B), cover_N) @ weight_N

    picks: list[int] = []
    while len(picks) < m:
        best, cover_gain_N = find_best_candidate(
            read_cosines, cover_N, weight_N, gain_C, max_block
        )
        picks.append(int(candidate_C[best]))
        cover_N += cover_gain_N
        gain_C[best] = -np.inf
    return picks


def make_cosine_reader(
    unit_N_D: Float32Array, candidate_C: PositionArray, max_matrix_bytes: int
) -> Callable[[PositionArray], Float32Array]:
    """read_cosines(block_B) → cosine_B_N, a copy that may be changed.

    block_B: positions in candidate_C.
    """
    if 4 * len(candidate_C) * len(unit_N_D) > max_matrix_bytes:
        return lambda block_B: unit_N_D[candidate_C[block_B]] @ unit_N_D.T
    cosine_C_N = unit_N_D[candidate_C] @ unit_N_D.T
    return lambda block_B: cosine_C_N[block_B]


def compute_cover_gains(
    cosine_B_N: Float32Array, cover_N: Float32Array
) -> Float32Array:
    """cover_gain_B_N: by how much each of B picks would raise each row's cover. In place."""
    cosine_B_N -= cover_N
    return np.maximum(cosine_B_N, 0, out=cosine_B_N)


def find_best_candidate(
    read_cosines: Callable[[PositionArray], Float32Array],
    cover_N: Float32Array,
    weight_N: Float32Array,
    gain_C: Float32Array,
    max_block: int,
) -> tuple[int, Float32Array]:
    """The best candidate, as a position in gain_C, and cover_gain_N, what it adds to each row.

    gain_C: upper bounds. Those of the evaluated candidates are replaced by their gains.
    """
    is_exact_C = np.zeros(len(gain_C), bool)
    block_size = FIRST_BLOCK_CANDIDATES
    # The best candidate of each block, with what it adds. Of all others only gain_C is kept.
    cover_gain_by_leader: dict[int, Float32Array] = {}
    while not is_exact_C[best := int(np.argmax(gain_C))]:
        bound_C = np.where(is_exact_C, -np.inf, gain_C)
        count = min(block_size, max_block, int(np.isfinite(bound_C).sum()))
        # In the order of the candidates, because argmax gives the first of equals.
        block_B = np.sort(np.argpartition(-bound_C, count - 1)[:count])
        cover_gain_B_N = compute_cover_gains(read_cosines(block_B), cover_N)
        gain_C[block_B] = cover_gain_B_N @ weight_N
        is_exact_C[block_B] = True
        leader = int(np.argmax(gain_C[block_B]))
        # A copy, because a view would keep the whole block in memory.
        cover_gain_by_leader[int(block_B[leader])] = cover_gain_B_N[leader].copy()
        block_size *= 2
    return best, cover_gain_by_leader[best]
