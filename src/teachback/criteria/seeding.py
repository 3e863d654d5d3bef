"""k-means++ seeding (Arthur & Vassilvitskii 2007) by exact rejection in blocks.

The law: each pick is drawn with chances in proportion to D², the squared distance to the nearest
pick before it. Drawn one by one, every pick costs a pass over all rows. Here a block of rows is
proposed by the D² that the rows had at the last refresh, which can only have shrunk since, and a
proposal is accepted with probability now / then, where "now" counts what was accepted before it.
What is accepted has the very same law. Only once most proposals fail are all rows refreshed, by
one matrix product for all that was accepted meanwhile.
"""

from collections.abc import Sequence

import numpy as np

from .points import Floats, Points, Positions

BLOCK = 256  # proposals
STALE = 0.25  # all rows are refreshed where a smaller share of a block is accepted


def seeding(points: Points, m: int, generator: np.random.Generator) -> list[int]:
    """m distinct rows, m ≤ N. The first is drawn by D² from the origin.

    Where fewer than m points are distinct, the rest are uniform among the rows that were not
    picked.
    """
    picks: list[int] = []
    since: list[int] = []
    nearest_N = points.squared_N
    if nearest_N.any():
        picks = drawn(nearest_N, 1, generator).tolist()
        nearest_N = points.nearest(picks)
    while len(picks) < m and nearest_N.any():
        proposed_B = drawn(nearest_N, BLOCK, generator)
        new = accepted(points, proposed_B, nearest_N[proposed_B], since, generator)
        picks, since = picks + new, since + new
        if len(new) < STALE * BLOCK:
            nearest_N, since = np.minimum(nearest_N, points.nearest(since)), []
    rest = generator.permutation(np.setdiff1d(np.arange(len(nearest_N)), picks))
    return [*picks, *rest.tolist()][:m]


def drawn(weight_N: Floats, count: int, generator: np.random.Generator) -> Positions:
    """Rows with chances in proportion to their weights, with replacement; none of weight 0."""
    sum_N = np.cumsum(weight_N)
    rows: Positions = np.searchsorted(
        sum_N, generator.random(count) * sum_N[-1], side="right"
    )
    return rows


def accepted(
    points: Points,
    proposed_B: Positions,
    then_B: Floats,
    since: Sequence[int],
    generator: np.random.Generator,
) -> list[int]:
    """Those of the proposals that are picked. since: what was picked since the last refresh.

    Right after a refresh the first proposal is always accepted, so that picking goes on until all
    distances are 0.
    """
    apart_B_B = points.apart(proposed_B, proposed_B)
    apart_S_B = points.apart(np.asarray(since, np.intp), proposed_B)
    bar_B, now_B = (
        generator.random(len(proposed_B)) * then_B,
        apart_S_B.min(axis=0, initial=np.inf),
    )
    now_B = np.minimum(now_B, then_B)
    new = []
    for i, row in enumerate(proposed_B.tolist()):
        if bar_B[i] < now_B[i]:
            new.append(row)
            np.minimum(now_B, apart_B_B[i], out=now_B)
    return new
