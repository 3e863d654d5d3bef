"""What an arm did in a repeat, read from its unit's files: accuracy by round, item by item, and what it had spent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ledger.costs import PICODOLLARS_PER_USD
from ..ledger.queries import open_read_only
from ..run import history
from ..types import Item, Report
from .units import SHARED_LEDGER, Unit


@dataclass(frozen=True)
class Curve:
    """accuracy: on test, or on dev where there is none, of the untuned student, then after each round. What was spent
    by then: generated pairs, accepted rows, tokens and USD (None: no price) of every call that was made for the arm,
    a judge's too."""

    arm: str
    repeat: int
    accuracy: tuple[float, ...]
    generated: tuple[int, ...]
    accepted: tuple[int, ...]
    tokens: tuple[int, ...]
    usd: tuple[float, ...] | None


@dataclass(frozen=True)
class ArmResult:
    """A curve, and what it is the mean of: each question of `split` (their ids) at each of its points.

    sets: of each round the median loss of the seeds that were selected and of the rows made from them.
    """

    curve: Curve
    split: str
    items: tuple[str, ...]
    right_P_I: Any
    sets: tuple[tuple[float, float], ...]


def score_right(item: Item) -> float:
    return float(item.outcome == "right")


def read_arm_result(unit: Unit, score: Callable[[Item], float] = score_right) -> ArmResult:
    """score: what a question counts."""
    first, rounds = unit.folder / "round-00", history.read_history(unit.folder).rounds
    reports: list[Report] = [
        history.read_step(first, "test-baseline") or history.read_step(first, "baseline")
    ]
    for r, done in enumerate(rounds):
        reports.append(
            history.read_step(unit.folder / f"round-{r:02d}", "test") or done.report
        )
    with open_read_only(
        unit.root / SHARED_LEDGER, arm=unit.arm, repeat=unit.config.repeat
    ) as ledger:
        spent = [ledger.spend(before_round=r) for r in range(len(rounds) + 1)]
    rows = [0, *(len(done.fresh.rows) for done in rounds)]
    right_P_I = np.array([[score(item) for item in report.items] for report in reports])
    curve = Curve(
        unit.arm,
        unit.config.repeat,
        tuple(map(float, right_P_I.mean(1))),
        tuple(one.pairs for one in spent),
        tuple(sum(rows[: i + 1]) for i in range(len(rows))),
        tuple(one.input_tokens + one.output_tokens for one in spent),
        None
        if any(one.unpriced_calls for one in spent)
        else tuple(one.usd / PICODOLLARS_PER_USD for one in spent),
    )
    medians = [(done.transfer.seed_median, done.transfer.row_median) for done in rounds]
    sets = tuple(
        (seed, row) for seed, row in medians if seed is not None and row is not None
    )
    return ArmResult(
        curve,
        reports[0].split,
        tuple(item.id for item in reports[0].items),
        right_P_I,
        sets,
    )
