"""What the command line shows of a run: a finished call of `run`, or where the run stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..ledger.costs import Budget, RoleSpend, Spend
from ..run.history import RunHistory
from ..run.steps import ROUND_STEPS
from ..types import Report, Round
from .diagnosis.diagnosis import Diagnosis


@dataclass(frozen=True)
class RunSummary:
    """What a call of `teachback run` came to."""

    run_dir: Path
    student: Path  # the folder of the finetuned student
    baseline: Report
    rounds: Sequence[Round]
    spend: Spend
    # Whether the budget ended the run before the rounds that the config wants.
    closed_early: bool
    # The call that used more than its worst case. Nothing was sent after it.
    overrun_reason: str | None = None
    diagnosis: Diagnosis | None = None  # None: the run gained
    page: Path | None = None  # None: it could not be written


@dataclass(frozen=True)
class RunStatus:
    """Where a run stands."""

    folder: Path
    history: RunHistory
    max_rounds: int | None  # None: until the budget is spent
    spend: Spend
    committed: Budget  # what counts against the limits
    limits: Budget
    max_accepted: int | None  # accepted rows
    role_costs: Sequence[RoleSpend] | None  # None: they are not shown
    diagnosis: Diagnosis | None = None  # None: the run gained, or is at work


def is_round_open(history: RunHistory) -> bool:
    """Whether a round has begun and is not finished."""
    return history.next_step != ROUND_STEPS[0]
