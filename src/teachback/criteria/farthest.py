"""Greedy k-center, farthest-first (Gonzalez 1985; core-set selection in Sener & Savarese, arXiv
1708.00489), in blocks.

Each pick is the row farthest from all picks before it. Distances to the nearest pick only shrink,
so the rows that were farthest at the last refresh can be picked from on their own, for as long as
the best of them is farther than any other row was then. The picks are those of the sequential
algorithm; one matrix product refreshes all rows for a whole block.
"""

import numpy as np

from .points import Floats, Points, Positions

AHEAD = 256  # rows that a block picks from
PICKED = -1.0  # nearer than any row can be


def farthest(points: Points, m: int, used: int = 0) -> list[int]:
    """m distinct rows, m ≤ N − used.

    The first `used` rows of the points are picked already: m others, far from them.

    Of rows equally far the first in order is picked; with nothing used, the first row of all.
    """
    nearest_N = np.full(len(points.squared_N), np.inf)
    for start in range(0, used, AHEAD):
        nearest_N = np.minimum(
            nearest_N, points.nearest(range(start, min(start + AHEAD, used)))
        )
    nearest_N[:used] = PICKED
    picks: list[int] = []
    while True:
        new = ahead(points, nearest_N, m - len(picks))
        picks += new
        if len(picks) == m:
            return picks
        nearest_N = np.minimum(nearest_N, points.nearest(new))
        nearest_N[new] = PICKED


def ahead(points: Points, nearest_N: Floats, m: int) -> list[int]:
    """The next picks, at least one and at most m, until a row that isn't looked at might be the
    farthest.
    """
    order_N = np.argsort(-nearest_N, kind="stable")
    rows_L: Positions = np.sort(
        order_N[:AHEAD]
    )  # in order: argmax gives the first of equals
    limit = max(
        ((nearest_N[row], -row) for row in order_N[AHEAD : AHEAD + 1]),
        default=(PICKED, 0),
    )
    apart_L_L, now_L = points.apart(rows_L, rows_L), nearest_N[rows_L]
    new: list[int] = []
    while len(new) < m:
        best = int(np.argmax(now_L))
        if (now_L[best], -rows_L[best]) < limit:
            break
        new.append(int(rows_L[best]))
        np.minimum(now_L, apart_L_L[best], out=now_L)
        now_L[best] = PICKED
    return new
