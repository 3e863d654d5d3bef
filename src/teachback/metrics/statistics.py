"""The few statistics that a run needs. scipy loads slowly, so each function imports it itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Rank correlation; None where it is undefined (fewer than 3 pairs, or a constant side)."""
    if len(x) < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic)


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a proportion (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(right, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class PairedChange:
    """A change of a share, measured on the same n things, with its 95 % interval."""

    change: float
    low: float
    high: float


def paired_change(n: int, gained: int, lost: int) -> PairedChange:
    """How the share of right answers to the same n questions changed.

    gained: questions that became right. lost: those that became wrong. The interval is Wald's
    with half a question added to each of the four cells (Agresti & Min 2005): it has a width,
    too, where nothing changed.
    """
    total = n + 2
    more, less = gained + 0.5, lost + 0.5
    centre = (more - less) / total
    spread = sqrt(more + less - (more - less) ** 2 / total) / total
    margin = NormalDist().inv_cdf(0.975) * spread
    return PairedChange(
        (gained - lost) / n, max(centre - margin, -1.0), min(centre + margin, 1.0)
    )


def questions_to_show(gain: float, changing: float) -> int:
    """How many questions show a gain at the 5 % level, with a chance of 80 % (Connor 1987).

    gain: of the share of right answers. changing: the share of the questions that become right or
    wrong. At least the gain itself must change.
    """
    changing = max(changing, gain)
    sure, likely = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.8)
    root = sure * sqrt(changing) + likely * sqrt(changing - gain**2)
    return ceil((root / gain) ** 2)
