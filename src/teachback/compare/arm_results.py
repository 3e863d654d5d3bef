"""What an arm did in a repeat, read from its run's files."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from ..ledger.costs import PICODOLLARS_PER_USD
from ..ledger.queries import open_read_only
from ..run.history import read_history, read_step
from ..types import Report, ReportItem, Round
from .places import RunPlace


@dataclass(frozen=True)
class Curve:
    """An arm's learning curve: point 0 is the untuned student, then one for each round.

    What is spent until a point counts every call for the arm, a judge's too.
    """

    arm: str
    repeat: int
    accuracy: tuple[float, ...]  # on test, or on dev where there is no test set
    generated: tuple[int, ...]  # pairs
    accepted: tuple[int, ...]  # rows
    tokens: tuple[int, ...]
    usd: tuple[float, ...] | None  # None: a price is unknown


@dataclass(frozen=True)
class ArmResult:
    """A curve, and the questions that it is the mean of."""

    curve: Curve
    split: str  # test, or dev where there is no test set
    item_ids: tuple[str, ...]  # of the split's questions
    score_P_I: Any  # each question's score at each point of the curve
    # By round: the median loss of the selected seeds, and of the rows made from them
    loss_medians: tuple[tuple[float, float], ...]


def score_accuracy(item: ReportItem) -> float:
    return float(item.outcome == "right")


def read_arm_result(
    place: RunPlace, score: Callable[[ReportItem], float] = score_accuracy
) -> ArmResult:
    """score(item): what a question counts for accuracy, 0 or 1 by default."""
    rounds = read_history(place.folder).rounds
    reports = read_reports(place, rounds)
    rounds = rounds[: len(reports) - 1]
    score_P_I = np.array([list(map(score, report.items)) for report in reports])
    accuracy = tuple(map(float, score_P_I.mean(1)))

    # A round without accepted rows has no medians
    transfers = [finished.transfer for finished in rounds]
    loss_medians = tuple(
        (transfer.seed_median, transfer.row_median)
        for transfer in transfers
        if transfer.seed_median is not None and transfer.row_median is not None
    )
    return ArmResult(
        read_curve(place, rounds, accuracy),
        split=reports[0].split,
        item_ids=tuple(item.id for item in reports[0].items),
        score_P_I=score_P_I,
        loss_medians=loss_medians,
    )


def read_reports(place: RunPlace, rounds: tuple[Round, ...]) -> list[Report]:
    """The report of each point: on test, or on dev where there is no test set.

    While an arm is at work, its last round may not be measured on test yet: it has no point.
    """
    # The two reports of the untuned student lie in the folder of the first round
    first_round = place.folder / "round-00"
    test_baseline = read_step(first_round, "test-baseline")
    reports = [test_baseline or read_step(first_round, "baseline")]
    for r, finished in enumerate(rounds):
        test_report = read_step(place.folder / f"round-{r:02d}", "test")
        if test_baseline and test_report is None:
            break
        reports.append(test_report or finished.report)
    return reports


def read_curve(
    place: RunPlace, rounds: tuple[Round, ...], accuracy: tuple[float, ...]
) -> Curve:
    # Point r of the curve is what was spent before round r began
    with open_read_only(place.ledger, arm=place.arm, repeat=place.repeat) as ledger:
        spends = [ledger.spend(before_round=r) for r in range(len(rounds) + 1)]

    usd = None
    if not any(spend.unpriced_calls for spend in spends):
        usd = tuple(spend.usd / PICODOLLARS_PER_USD for spend in spends)
    accepted = accumulate((len(finished.fresh.rows) for finished in rounds), initial=0)
    return Curve(
        place.arm,
        place.repeat,
        accuracy,
        generated=tuple(spend.pairs for spend in spends),
        accepted=tuple(accepted),
        tokens=tuple(spend.input_tokens + spend.output_tokens for spend in spends),
        usd=usd,
    )
