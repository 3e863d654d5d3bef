"""What a comparison found: curves, paired differences, findings, wins, carry-over."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from .curves import Curve, ArmResult
from .findings import MIN_REPEATS_TO_TEST, Finding, make_findings
from .stats import Interval, carry_over_interval, paired_t_interval, pairwise_wins

DEFAULT_REFERENCE = "random"


@dataclass(frozen=True)
class Difference:
    """Accuracy of an arm minus the reference's after a round (0: untuned), over repeats; None with one repeat."""

    arm: str
    round: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class TeacherSpend:
    """Of a teacher, judge, referee or verifier; usd None: of unknown price."""

    tokens: int
    usd: float | None


@dataclass(frozen=True)
class Comparison:
    """reference: `random`, or the first arm if it is not there. split: what accuracy is measured on. findings: of each
    arm against the reference. wins: the share of the rounds after which the row's arm is above the column's (`wins` of
    stats.py). carry_over: rho of the medians of seeds and of the rows made from them, over all sets. charged: to all
    arms, each as if it had bought alone; sent: what was really bought."""

    arms: tuple[str, ...]
    reference: str
    repeats: int
    split: str
    curves: tuple[Curve, ...]
    differences: tuple[Difference, ...]
    findings: tuple[Finding, ...]
    wins: tuple[tuple[float, ...], ...]
    carry_over: Interval | None
    charged: TeacherSpend
    sent: TeacherSpend
    notes: tuple[str, ...]


def summarise_comparison(
    measured: Sequence[ArmResult], arms: Sequence[str], primary: str, sent: TeacherSpend
) -> Comparison:
    curves, split = [one.curve for one in measured], measured[0].split
    reference = DEFAULT_REFERENCE if DEFAULT_REFERENCE in arms else arms[0]
    repeats = len({c.repeat for c in curves})
    sets = [medians for one in measured for medians in one.sets]
    return Comparison(
        tuple(arms),
        reference,
        repeats,
        split,
        tuple(curves),
        differences=tuple(
            d
            for arm in arms
            if arm != reference
            for d in round_differences(curves, reference, arm)
        ),
        findings=tuple(make_findings(measured, arms, reference, primary)),
        wins=win_matrix(curves, arms),
        carry_over=carry_over_interval([seed for seed, _ in sets], [row for _, row in sets]),
        charged=total_charged(curves),
        sent=sent,
        notes=tuple(comparison_notes(curves, repeats, split)),
    )


def total_charged(curves: Sequence[Curve]) -> TeacherSpend:
    usd = [None if c.usd is None else c.usd[-1] for c in curves]
    known = [one for one in usd if one is not None]
    return TeacherSpend(
        sum(c.tokens[-1] for c in curves),
        sum(known) if len(known) == len(usd) else None,
    )


def win_matrix(
    curves: Sequence[Curve], arms: Sequence[str]
) -> tuple[tuple[float, ...], ...]:
    """Over the rounds that all arms have; empty with one repeat."""
    points = min(len(c.accuracy) for c in curves)
    accuracy = [[c.accuracy[:points] for c in curves if c.arm == arm] for arm in arms]
    return tuple(map(tuple, pairwise_wins(accuracy).tolist())) if len(accuracy[0]) > 1 else ()


def round_differences(curves: Sequence[Curve], first: str, arm: str) -> list[Difference]:
    """By round, over the repeats in which both arms got that far."""
    accuracy = {(c.arm, c.repeat): c.accuracy for c in curves}
    pairs = [(accuracy[first, c.repeat], c.accuracy) for c in curves if c.arm == arm]
    rounds = min(len(a) for pair in pairs for a in pair)
    found = []
    for r in range(rounds):
        differences = [theirs[r] - base[r] for base, theirs in pairs]
        interval = paired_t_interval(differences)
        low, high = (interval.low, interval.high) if interval else (None, None)
        found.append(Difference(arm, r, fmean(differences), low, high))
    return found


def comparison_notes(curves: Sequence[Curve], repeats: int, split: str) -> list[str]:
    found = (
        []
        if split == "test"
        else [
            "the task has no test set: this is accuracy on dev, which some criteria read"
        ]
    )
    if repeats < MIN_REPEATS_TO_TEST:
        found.append(
            f"{repeats} repeats are too few to test: {MIN_REPEATS_TO_TEST} or more would do"
        )
    if len({len(c.accuracy) for c in curves}) > 1:
        found.append(
            "the arms have other numbers of rounds: areas go up to what all of them spent"
        )
    return found
