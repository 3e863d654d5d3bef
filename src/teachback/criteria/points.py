"""The seeds as points, known by their inner products only.

k-means++ seeding and farthest-first need no more than that. Sums and products are in float64: a
squared distance is a small difference of large numbers, above all between hidden states, which
have most of their length in common.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CriterionError
from ..types import Example

Float64Array = np.ndarray[Any, np.dtype[np.float64]]
PositionArray = np.ndarray[Any, np.dtype[np.intp]]
RowIndex = PositionArray | slice

# A squared distance below this share of the row's squared length is rounding. (float64 leaves
# 1e-15.)
ROUNDING_TOLERANCE = 1e-12
# One product makes distances for so many rows, which then stay in the cache.
CHUNK_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Points:
    """N points, which are called rows."""

    squared_length_N: Float64Array
    # inner_products(rows, others) → product_B_O, of B rows with O other rows
    inner_products: Callable[[PositionArray, RowIndex], Float64Array]

    def squared_distances(self, rows: PositionArray, others: RowIndex) -> Float64Array:
        """squared_distance_B_O; 0 for rows that differ by no more than rounding."""
        # |a − b|² = −2ab + |a|² + |b|², in place: the array can be large.
        squared_distance_B_O = self.inner_products(rows, others)
        squared_distance_B_O *= -2
        squared_distance_B_O += self.squared_length_N[rows, None]
        squared_distance_B_O += self.squared_length_N[others]
        rounding_O = ROUNDING_TOLERANCE * self.squared_length_N[others]
        squared_distance_B_O[squared_distance_B_O <= rounding_O] = 0
        return squared_distance_B_O

    def squared_distances_to_nearest(self, rows: Sequence[int]) -> Float64Array:
        """nearest_N: each row's squared distance to the nearest of `rows`; infinite without any."""
        row_S = np.asarray(rows, np.intp)
        nearest_N = np.empty(len(self.squared_length_N))
        for start in range(0, len(nearest_N), CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            squared_distance_S_B = self.squared_distances(row_S, chunk)
            squared_distance_S_B.min(axis=0, initial=np.inf, out=nearest_N[chunk])
        return nearest_N


def make_vector_points(x_N_D: np.ndarray[Any, Any]) -> Points:
    """The rows of an array. Takes 8 N D bytes, unless the array is float64 already."""
    x_N_D = np.asarray(x_N_D, np.float64)
    return Points(
        np.einsum("nd,nd->n", x_N_D, x_N_D),
        lambda rows, others: x_N_D[rows] @ x_N_D[others].T,
    )


def make_gradient_points(
    delta_N_K: np.ndarray[Any, Any], hidden_N_D: np.ndarray[Any, Any]
) -> Points:
    """The gradients δ ⊗ h of a classifier's last layer (arXiv 1906.03671).

    Their K × D numbers a row are never made: an inner product of two gradients is the product of
    the inner products of their factors. That holds for one prediction a row, not for the sum over
    the tokens of a text. delta_N_K: p − onehot(predicted class).
    """
    delta = make_vector_points(delta_N_K)
    hidden = make_vector_points(hidden_N_D)

    def inner_products(rows: PositionArray, others: RowIndex) -> Float64Array:
        product_B_O = delta.inner_products(rows, others)
        product_B_O *= hidden.inner_products(rows, others)
        return product_B_O

    return Points(delta.squared_length_N * hidden.squared_length_N, inner_products)


def require_finite_rows(
    array_N_D: np.ndarray[Any, Any] | None, seeds: Sequence[Example], noun: str
) -> np.ndarray[Any, Any]:
    """The array, if it has a row of finite numbers for each seed.

    Raises CriterionError otherwise, with the ids of the seeds. noun: what a row is, as in
    "embedding".
    """
    if array_N_D is None or len(array_N_D) != len(seeds):
        raise CriterionError(
            f"there are no {noun}s to choose by",
            allowed=f"a row for each of {len(seeds)} seeds",
        )
    bad_rows = np.flatnonzero(~np.isfinite(array_N_D).all(axis=1)).tolist()
    bad_ids = [seeds[row].id for row in bad_rows]
    if bad_ids:
        raise CriterionError(
            f"the {noun}s of {len(bad_ids)} seeds have entries that are no numbers",
            got=", ".join(bad_ids[:10]),
            allowed="finite numbers",
            fix="look at these seeds' attempts; nothing ever stands in for a bad value",
        )
    return array_N_D
