"""k-means++ seeding (Arthur & Vassilvitskii 2007) by exact rejection in blocks.

Each pick is drawn in proportion to D², the squared distance to the nearest earlier pick. Drawn one
by one, every pick costs a pass over all rows. Here a block of rows is proposed by D² as of the last
pass, and each proposal is accepted with probability D² now / D² then. D² can only have shrunk, so
that is a probability, and the accepted rows have exactly the distribution of k-means++. Once most
proposals fail, one pass brings D² up to date for all rows.
"""

from collections.abc import Sequence

import numpy as np

from .points import Float64Array, Points, PositionArray

PROPOSALS_PER_BLOCK = 256
# Below this share of accepted proposals, a pass over all rows is cheaper than the next block.
MIN_ACCEPTED_SHARE = 0.25


def draw_kmeans_centers(
    points: Points, m: int, generator: np.random.Generator
) -> list[int]:
    """m distinct rows, m ≤ N. The first is drawn in proportion to its squared length.

    If fewer than m points are distinct, the rest are uniform among the rows that are left.
    """
    picks: list[int] = []
    # The picks since nearest_N, D² of each row, was up to date.
    recent_picks: list[int] = []
    nearest_N = points.squared_length_N
    if nearest_N.any():
        picks = draw_weighted_rows(nearest_N, 1, generator).tolist()
        nearest_N = points.squared_distances_to_nearest(picks)
    while len(picks) < m and nearest_N.any():
        proposed_B = draw_weighted_rows(nearest_N, PROPOSALS_PER_BLOCK, generator)
        accepted = accept_proposals(
            points, proposed_B, nearest_N[proposed_B], recent_picks, generator
        )
        picks += accepted
        recent_picks += accepted
        if len(accepted) < MIN_ACCEPTED_SHARE * PROPOSALS_PER_BLOCK:
            nearest_N = np.minimum(
                nearest_N, points.squared_distances_to_nearest(recent_picks)
            )
            recent_picks = []
    unpicked = np.setdiff1d(np.arange(len(nearest_N)), picks)
    return [*picks, *generator.permutation(unpicked).tolist()][:m]


def draw_weighted_rows(
    weight_N: Float64Array, count: int, generator: np.random.Generator
) -> PositionArray:
    """Rows in proportion to their weights, with replacement; none of weight 0."""
    sum_N = np.cumsum(weight_N)
    row_B: PositionArray = np.searchsorted(
        sum_N, generator.random(count) * sum_N[-1], side="right"
    )
    return row_B


def accept_proposals(
    points: Points,
    proposed_B: PositionArray,
    stale_B: Float64Array,
    recent_picks: Sequence[int],
    generator: np.random.Generator,
) -> list[int]:
    """The proposals that become picks.

    stale_B: D² of the proposed rows as of the last pass. recent_picks: the picks since then.
    Right after a pass the first proposal is always accepted. So picking goes on until all
    distances are 0.
    """
    squared_distance_B_B = points.squared_distances(proposed_B, proposed_B)
    squared_distance_S_B = points.squared_distances(
        np.asarray(recent_picks, np.intp), proposed_B
    )
    threshold_B = generator.random(len(proposed_B)) * stale_B
    nearest_B = squared_distance_S_B.min(axis=0, initial=np.inf)
    nearest_B = np.minimum(nearest_B, stale_B)
    accepted = []
    for i, row in enumerate(proposed_B.tolist()):
        if threshold_B[i] < nearest_B[i]:
            accepted.append(row)
            # The rest of the block counts this pick too.
            np.minimum(nearest_B, squared_distance_B_B[i], out=nearest_B)
    return accepted
