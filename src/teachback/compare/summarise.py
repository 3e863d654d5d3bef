"""The results of a comparison as plain data: curves, differences, findings, wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from .findings import MIN_REPEATS_TO_TEST, Finding, make_findings
from .paired_tests import (
    Interval,
    carry_over_interval,
    paired_t_interval,
    pairwise_wins,
)

if TYPE_CHECKING:
    from .arm_results import ArmResult, Curve

DEFAULT_REFERENCE = "random"  # the arm that selects seeds at random


@dataclass(frozen=True)
class Difference:
    """An arm's accuracy minus the reference's after a round, over the repeats."""

    arm: str
    round: int  # 0: the untuned student
    mean: float
    low: float | None  # the 95 % interval; None with one repeat
    high: float | None


@dataclass(frozen=True)
class TeacherSpend:
    """What the calls of teachers, judges, referees and verifiers cost."""

    tokens: int
    usd: float | None  # None: a price is unknown


@dataclass(frozen=True)
class Comparison:
    arms: tuple[str, ...]
    reference: str  # `random`; the first arm if `random` is not compared
    repeats: int
    split: str  # what accuracy is measured on: test, or dev if there is no test set
    curves: tuple[Curve, ...]
    differences: tuple[Difference, ...]
    findings: tuple[Finding, ...]
    # The share of the rounds after which the row's arm is above the column's
    wins: tuple[tuple[float, ...], ...]
    carry_over: Interval | None  # rho of the medians of seeds and of their rows
    charged: TeacherSpend  # the sum over arms, each as if it had bought alone
    sent: TeacherSpend  # what was really bought: arms share answers
    notes: tuple[str, ...]


def summarise_comparison(
    results: Sequence[ArmResult],
    arms: Sequence[str],
    primary: str,
    sent: TeacherSpend,
) -> Comparison:
    """primary: the arm whose difference from the reference is tested alone.

    sent: what was bought in the whole comparison.
    """
    curves = [result.curve for result in results]
    split = results[0].split
    reference = DEFAULT_REFERENCE if DEFAULT_REFERENCE in arms else arms[0]
    repeats = len({curve.repeat for curve in curves})

    differences = list[Difference]()
    for arm in arms:
        if arm != reference:
            differences += compute_round_differences(curves, reference, arm)
    medians = [pair for result in results for pair in result.loss_medians]
    return Comparison(
        tuple(arms),
        reference,
        repeats,
        split,
        tuple(curves),
        differences=tuple(differences),
        findings=tuple(make_findings(results, arms, reference, primary)),
        wins=make_win_matrix(curves, arms),
        carry_over=carry_over_interval(
            [seed for seed, _ in medians], [row for _, row in medians]
        ),
        charged=sum_charges(curves),
        sent=sent,
        notes=tuple(list_comparison_notes(curves, repeats, split)),
    )


def sum_charges(curves: Sequence[Curve]) -> TeacherSpend:
    """What the arms spent in all; money only if every arm's is known."""
    tokens = sum(curve.tokens[-1] for curve in curves)
    usd = [curve.usd[-1] for curve in curves if curve.usd is not None]
    if len(usd) < len(curves):
        return TeacherSpend(tokens, None)
    return TeacherSpend(tokens, sum(usd))


def make_win_matrix(
    curves: Sequence[Curve], arms: Sequence[str]
) -> tuple[tuple[float, ...], ...]:
    """Over the rounds that all arms have; empty with one repeat."""
    n_points = min(len(curve.accuracy) for curve in curves)
    accuracy_A_R_P = []
    for arm in arms:
        accuracy_R_P = [
            curve.accuracy[:n_points] for curve in select_curves(curves, arm)
        ]
        accuracy_A_R_P.append(accuracy_R_P)
    if len(accuracy_A_R_P[0]) < 2:
        return ()
    return tuple(map(tuple, pairwise_wins(accuracy_A_R_P).tolist()))


def select_curves(curves: Sequence[Curve], arm: str) -> list[Curve]:
    return [curve for curve in curves if curve.arm == arm]


def compute_round_differences(
    curves: Sequence[Curve], reference: str, arm: str
) -> list[Difference]:
    """Up to the round that both arms reached in every repeat."""
    reference_by_repeat = {
        curve.repeat: curve.accuracy for curve in select_curves(curves, reference)
    }
    pairs = [
        (curve.accuracy, reference_by_repeat[curve.repeat])
        for curve in select_curves(curves, arm)
    ]
    n_points = min(min(map(len, pair)) for pair in pairs)
    differences = []
    for p in range(n_points):
        difference_R = [ours[p] - theirs[p] for ours, theirs in pairs]
        interval = paired_t_interval(difference_R)
        differences.append(
            Difference(
                arm,
                p,
                fmean(difference_R),
                low=interval.low if interval else None,
                high=interval.high if interval else None,
            )
        )
    return differences


def list_comparison_notes(
    curves: Sequence[Curve], repeats: int, split: str
) -> list[str]:
    notes = []
    if split != "test":
        notes.append(
            "the task has no test set: this is accuracy on dev, "
            "which some criteria read"
        )
    if repeats < MIN_REPEATS_TO_TEST:
        notes.append(
            f"{repeats} repeats are too few to test: "
            f"{MIN_REPEATS_TO_TEST} or more would do"
        )
    if len({len(curve.accuracy) for curve in curves}) > 1:
        notes.append(
            "the arms have other numbers of rounds: "
            "areas go up to what all of them spent"
        )
    return notes
