"""Greedy k-center, farthest-first (Gonzalez 1985; core-set selection in Sener & Savarese, arXiv
1708.00489), in blocks.

Each pick is the row farthest from all earlier picks. The sequential algorithm passes over all rows
for every pick. Here a pass over all rows gives a block: the rows that are farthest now. Distances
to the nearest pick only shrink, so picks come from the block alone, for as long as its best row is
farther than any other row was at the pass. The picks are those of the sequential algorithm.
"""

import numpy as np

from .points import Float64Array, Points, PositionArray

BLOCK_ROWS = 256
# Stands for the squared distance of a picked row: less than any other row's.
PICKED_DISTANCE = -1.0


def pick_farthest(points: Points, m: int, n_picked: int = 0) -> list[int]:
    """m distinct rows, m ≤ N − n_picked, far from each other and from the first n_picked rows.

    Of rows that are equally far, the first is picked. With n_picked = 0, that is the first row of
    all.
    """
    # Squared distance of each row to the nearest pick.
    nearest_N = np.full(len(points.squared_length_N), np.inf)
    for start in range(0, n_picked, BLOCK_ROWS):
        block = range(start, min(start + BLOCK_ROWS, n_picked))
        nearest_N = np.minimum(nearest_N, points.squared_distances_to_nearest(block))
    nearest_N[:n_picked] = PICKED_DISTANCE

    picks: list[int] = []
    while True:
        new_picks = pick_from_block(points, nearest_N, m - len(picks))
        picks += new_picks
        if len(picks) == m:
            return picks
        nearest_N = np.minimum(
            nearest_N, points.squared_distances_to_nearest(new_picks)
        )
        nearest_N[new_picks] = PICKED_DISTANCE


def pick_from_block(points: Points, nearest_N: Float64Array, m: int) -> list[int]:
    """The next picks: at least one, at most m.

    Stops before a pick if a row outside of the block might be farther.
    """
    order_N = np.argsort(-nearest_N, kind="stable")
    # In the order of the rows, because argmax gives the first of equals.
    row_B: PositionArray = np.sort(order_N[:BLOCK_ROWS])
    # The best row outside of the block. Of equal distances the lower row comes first, so rows are
    # compared as (distance, −row).
    limit = max(
        ((nearest_N[row], -row) for row in order_N[BLOCK_ROWS : BLOCK_ROWS + 1]),
        default=(PICKED_DISTANCE, 0),
    )

    squared_distance_B_B = points.squared_distances(row_B, row_B)
    nearest_B = nearest_N[row_B]
    picks: list[int] = []
    while len(picks) < m:
        best = int(np.argmax(nearest_B))
        if (nearest_B[best], -row_B[best]) < limit:
            break
        picks.append(int(row_B[best]))
        np.minimum(nearest_B, squared_distance_B_B[best], out=nearest_B)
        nearest_B[best] = PICKED_DISTANCE
    return picks
