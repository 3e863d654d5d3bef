"""The parts of a diagnosis, as plain values."""

from dataclasses import dataclass
from typing import Any, Literal

CauseKind = Literal[
    "solved already",
    "a later round undid it",
    "training diverged",
    "student collapsed",
    "answers cut off",
    "wrong form",
    "not graded",
    "rows rejected",
    "too few rows",
    "barely changed",
    "right form, wrong content",
    "too few questions to tell",
]


@dataclass(frozen=True)
class NextStep:
    """Something to try."""

    reason: str
    # A key of the config and its value; None: words say it better.
    key: str | None = None
    value: Any = None


@dataclass(frozen=True)
class Cause:
    """A link that failed, as far as the run's files say so."""

    kind: CauseKind
    # 0 to 1: for a kind of failure, its share of the failed answers.
    strength: float
    # A sentence with the numbers.
    finding: str
    next_steps: tuple[NextStep, ...] = ()


@dataclass(frozen=True)
class FailedAnswer:
    """A dev question that the run's student fails, before and after."""

    id: str
    question: str | None  # None: the run was begun by a version that didn't keep it
    gold: str | None
    before: str  # the untuned student's answer
    after: str
    reason: str | None  # why the answer after is not right
