"""Where the seeds lie, as inner products: all that seeding and farthest-first need to know.

Sums and products are in float64: a squared distance is a difference of much larger numbers, all
the more between hidden states, which have most of their length in common.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CriterionError
from ..types import Example

Floats = np.ndarray[Any, np.dtype[np.float64]]
Positions = np.ndarray[Any, np.dtype[np.intp]]
Rows = Positions | slice

# Of a row's squared length: a squared distance below it is rounding (float64 leaves 1e-15).
SAME = 1e-12
CHUNK = 2048  # rows at a time: what is made of them stays in the cache


@dataclass(frozen=True, eq=False)
class Points:
    """N rows. squared_N: their squared lengths. inner(rows, others) → products_B_O, of B rows
    with O others.
    """

    squared_N: Floats
    inner: Callable[[Positions, Rows], Floats]

    def apart(self, rows: Positions, others: Rows) -> Floats:
        """Squared distances apart_B_O; rows that differ by no more than rounding are 0 apart."""
        apart_B_O = self.inner(rows, others)
        apart_B_O *= -2
        apart_B_O += self.squared_N[rows, None]
        apart_B_O += self.squared_N[others]
        apart_B_O[apart_B_O <= SAME * self.squared_N[others]] = 0
        return apart_B_O

    def nearest(self, rows: Sequence[int]) -> Floats:
        """Every row's squared distance to the nearest of `rows`, one product for all; infinite
        where there are none.
        """
        picked, nearest_N = np.asarray(rows, np.intp), np.empty(len(self.squared_N))
        for start in range(0, len(nearest_N), CHUNK):
            chunk = slice(start, start + CHUNK)
            self.apart(picked, chunk).min(axis=0, initial=np.inf, out=nearest_N[chunk])
        return nearest_N


def vectors(x_N_D: np.ndarray[Any, Any]) -> Points:
    """8 N D bytes, beside the array given."""
    x_N_D = np.asarray(x_N_D, np.float64)
    return Points(
        np.einsum("nd,nd->n", x_N_D, x_N_D),
        lambda rows, others: x_N_D[rows] @ x_N_D[others].T,
    )


def gradients(
    delta_N_K: np.ndarray[Any, Any], hidden_N_D: np.ndarray[Any, Any]
) -> Points:
    """The gradients δ ⊗ h of a classifier's last layer, K × D numbers a row that are never made
    (arXiv 1906.03671).

    delta_N_K: p − onehot(predicted class). An inner product of two gradients is the product of
    those of their factors: so for one prediction a row, not for the sum over the tokens of a
    text.
    """
    delta, hidden = vectors(delta_N_K), vectors(hidden_N_D)

    def inner(rows: Positions, others: Rows) -> Floats:
        product_B_O = delta.inner(rows, others)
        product_B_O *= hidden.inner(rows, others)
        return product_B_O

    return Points(delta.squared_N * hidden.squared_N, inner)


def usable(
    array_N_D: np.ndarray[Any, Any] | None, seeds: Sequence[Example], what: str
) -> np.ndarray[Any, Any]:
    """The array, if there is one and all of it are numbers.

    Raises CriterionError, with the seeds where it isn't so.
    """
    if array_N_D is None or len(array_N_D) != len(seeds):
        raise CriterionError(
            f"there are no {what}s to choose by",
            allowed=f"a row for each of {len(seeds)} seeds",
        )
    bad = [
        seeds[i].id
        for i in np.flatnonzero(~np.isfinite(array_N_D).all(axis=1)).tolist()
    ]
    if bad:
        raise CriterionError(
            f"the {what}s of {len(bad)} seeds have entries that are no numbers",
            got=", ".join(bad[:10]),
            allowed="finite numbers",
            fix="look at these seeds' attempts; nothing ever stands in for a bad value",
        )
    return array_N_D
