"""The few statistics that a run needs. scipy is imported when one is asked for."""

from collections.abc import Sequence
from statistics import quantiles


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Rank correlation; None where it is undefined (fewer than 3 pairs, or one side constant)."""
    if len(x) < 3 or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic)


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of a proportion (Wilson 1927)."""
    from scipy.stats import binomtest

    interval = binomtest(right, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def median_and_p95(values: Sequence[float]) -> tuple[float, float] | None:
    """None without any."""
    if len(values) < 2:
        return (values[0], values[0]) if values else None
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[9], cuts[18]
