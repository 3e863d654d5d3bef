"""What an arm did in a repeat, read from its unit's files: accuracy by round, item by item, and what it had spent."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..costs import PICO
from ..ledger import Ledger
from ..report import history
from ..types import Report
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
    """A curve, and which questions of `split` (their ids) were right at each of its points."""

    curve: Curve
    split: str
    items: tuple[str, ...]
    right_P_I: Any


def measure(unit: Unit) -> Measured:
    first, rounds = unit.folder / "round-00", history.read(unit.folder).rounds
    reports: list[Report] = [history.step(first, "test-baseline") or history.step(first, "baseline")]
    for r, done in enumerate(rounds):
        reports.append(history.step(unit.folder / f"round-{r:02d}", "test") or done.report)
    with Ledger.look(unit.root / LEDGER, arm=unit.arm, repeat=unit.config.repeat) as ledger:
        spent = [ledger.spend(before_round=r) for r in range(len(rounds) + 1)]
    rows = [0, *(len(done.fresh.rows) for done in rounds)]
    curve = Curve(
        unit.arm,
        unit.config.repeat,
        tuple(report.accuracy for report in reports),
        tuple(one.pairs for one in spent),
        tuple(sum(rows[: i + 1]) for i in range(len(rows))),
        tuple(one.input_tokens + one.output_tokens for one in spent),
        None if any(one.unpriced_calls for one in spent) else tuple(one.usd / PICO for one in spent),
    )
    right_P_I = np.array([[item.outcome == "right" for item in report.items] for report in reports])
    return Measured(curve, reports[0].split, tuple(item.id for item in reports[0].items), right_P_I)
