"""The few statistics that a run needs. scipy loads slowly, so each function imports it itself."""

from collections.abc import Sequence


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
