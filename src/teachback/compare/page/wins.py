"""Which arm beats which, repeat by repeat."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..arm_results import Curve
from ..curve_statistics import area_under_curve
from ..findings import get_axis_values
from ..summarise import Comparison
from ..tables import describe_wins


@dataclass(frozen=True)
class RepeatWins:
    """In how many repeats the row's arm is above the column's."""

    wins: int
    ties: int
    n: int  # repeats


@dataclass(frozen=True)
class WinMatrix:
    title: str
    rows: tuple[tuple[str, tuple[RepeatWins | None, ...]], ...]  # None: with itself


@dataclass(frozen=True)
class Wins:
    arms: tuple[str, ...]
    matrices: tuple[WinMatrix, ...]
    note: str | None


def collect_wins(comparison: Comparison) -> Wins:
    arms, curves = comparison.arms, comparison.curves
    ends = score_curves(curves, lambda curve: curve.accuracy[-1])
    matrices = [WinMatrix("at the end", count_wins(arms, ends))]
    upto = float(min(curve.generated[-1] for curve in curves))
    if upto > 0:
        areas = score_curves(
            curves,
            lambda curve: area_under_curve(
                get_axis_values(curve, "generated"), curve.accuracy, upto
            ),
        )
        title = f"by area, against generated pairs up to {upto:g}"
        matrices.append(WinMatrix(title, count_wins(arms, areas)))
    return Wins(arms, tuple(matrices), describe_wins(comparison))


def score_curves(
    curves: Sequence[Curve], score: Callable[[Curve], float]
) -> dict[str, list[float]]:
    """By arm, a score for each repeat, in the order of the repeats."""
    scores: dict[str, list[float]] = {}
    for curve in sorted(curves, key=lambda curve: curve.repeat):
        # So that the same area, summed up in another order, is a tie
        scores.setdefault(curve.arm, []).append(round(score(curve), 9))
    return scores


def count_wins(
    arms: Sequence[str], scores: dict[str, list[float]]
) -> tuple[tuple[str, tuple[RepeatWins | None, ...]], ...]:
    def compare_arms(row: str, column: str) -> RepeatWins | None:
        if row == column:
            return None
        pairs = [*zip(scores[row], scores[column], strict=True)]
        wins = sum(ours > theirs for ours, theirs in pairs)
        ties = sum(ours == theirs for ours, theirs in pairs)
        return RepeatWins(wins, ties, len(pairs))

    rows = []
    for row in arms:
        cells = tuple(compare_arms(row, column) for column in arms)
        rows.append((row, cells))
    return tuple(rows)
