"""What an arm did in a repeat, read from its unit's files: accuracy by round, item by item, and what it had spent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ledger.costs import PICO
from ..ledger.ledger import Ledger
from ..run import history
from ..types import Item, Report
from .units import LEDGER, Unit


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
class Measured:
    """A curve, and what it is the mean of: each question of `split` (their ids) at each of its points.

    sets: of each round the median loss of the seeds that were selected and of the rows made from them.
    """

    curve: Curve
    split: str
    items: tuple[str, ...]
    right_P_I: Any
    sets: tuple[tuple[float, float], ...]


def right(item: Item) -> float:
    return float(item.outcome == "right")


def measure(unit: Unit, score: Callable[[Item], float] = right) -> Measured:
    """score: what a question counts."""
    first, rounds = unit.folder / "round-00", history.read(unit.folder).rounds
    reports: list[Report] = [
        history.step(first, "test-baseline") or history.step(first, "baseline")
    ]
    for r, done in enumerate(rounds):
        reports.append(
            history.step(unit.folder / f"round-{r:02d}", "test") or done.report
        )
    with Ledger.look(
        unit.root / LEDGER, arm=unit.arm, repeat=unit.config.repeat
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
        else tuple(one.usd / PICO for one in spent),
    )
    medians = [(done.transfer.seed_median, done.transfer.row_median) for done in rounds]
    sets = tuple(
        (seed, row) for seed, row in medians if seed is not None and row is not None
    )
    return Measured(
        curve,
        reports[0].split,
        tuple(item.id for item in reports[0].items),
        right_P_I,
        sets,
    )
