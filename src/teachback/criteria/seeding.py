"""k-means++ seeding (Arthur & Vassilvitskii 2007) by exact rejection in blocks.

The law: each pick is drawn with chances in proportion to D², the squared distance to the nearest pick before it. Drawn
one by one, every pick costs a pass over all rows. Here a block of rows is proposed by the D² of the last refresh, which
can only have shrunk since, and a proposal is accepted with probability now / then, where "now" counts what was accepted
before it. What is accepted has the very same law, and one matrix product refreshes all rows for a whole block.
"""

import numpy as np

from .points import Floats, Points, Positions

BLOCK = 128  # proposals; more would save little: products are as fast as they get, and more of the proposals fail


def seeding(points: Points, m: int, generator: np.random.Generator) -> list[int]:
    """m distinct rows, m ≤ N. The first is drawn by D² from the origin.

    Where fewer than m points are distinct, the rest are uniform among the rows that were not picked.
    """
    picks: list[int] = []
    nearest_N = points.squared_N
    if nearest_N.any():
        picks = [int(drawn(nearest_N, 1, generator)[0])]
        nearest_N = points.nearest(picks)
    while len(picks) < m and nearest_N.any():
        proposed_B = drawn(nearest_N, BLOCK, generator)
        new = accepted(points, proposed_B, nearest_N[proposed_B], generator)[: m - len(picks)]
        picks += new
        nearest_N = np.minimum(nearest_N, points.nearest(new))
    rest = np.setdiff1d(np.arange(len(nearest_N)), picks)
    return picks + [int(row) for row in generator.permutation(rest)[: m - len(picks)]]


def drawn(weight_N: Floats, count: int, generator: np.random.Generator) -> Positions:
    """Rows with chances in proportion to their weights, with replacement; none of weight 0."""
    sum_N = np.cumsum(weight_N)
    rows: Positions = np.searchsorted(sum_N, generator.random(count) * sum_N[-1], side="right")
    return rows


def accepted(points: Points, proposed_B: Positions, then_B: Floats, generator: np.random.Generator) -> list[int]:
    """The first is always accepted: nothing has changed before it. So every block makes a pick."""
    apart_B_B = points.among(proposed_B)
    bar_B, now_B = generator.random(len(proposed_B)) * then_B, then_B.copy()
    new = []
    for i, row in enumerate(proposed_B):
        if bar_B[i] < now_B[i]:
            new.append(int(row))
            np.minimum(now_B, apart_B_B[i], out=now_B)
    return new
