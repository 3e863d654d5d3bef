"""The runs below a folder, as plain values: what `teachback runs --json` prints."""

from dataclasses import dataclass
from typing import Literal

from ...types import GroupAccuracy

# comparison: all runs of one. evaluation, ranking: what `evaluate` and `select` keep beside a run.
# foreign: a folder without a run in it.
FolderKind = Literal["run", "comparison", "evaluation", "ranking", "foreign"]
# What the files tell. at work: a process holds the lock. ended early: no round is open, and fewer
# are finished than planned. stopped: in the middle, by a kill or an error.
RunState = Literal["at work", "finished", "ended early", "stopped", "unreadable"]


@dataclass(frozen=True)
class TeacherBill:
    """What the calls of a run came to."""

    pairs: int
    tokens: int
    usd: float | None  # None: a price is unknown


@dataclass(frozen=True)
class ListedRun:
    """A line of the table. None: it is not known, or the folder is of another kind."""

    folder: str
    kind: FolderKind
    state: RunState
    task: str | None = None
    student: str | None = None
    criterion: str | None = None  # of a comparison: its arms, with commas
    rounds: int | None = None  # finished
    rounds_asked: int | None = None  # None, too: until the budget is spent
    next_step: str | None = None  # "round 1, select", where it stopped or is at work
    accepted: int | None = None  # rows
    split: str = "dev"  # of both accuracies
    # Of the untuned student, and of the student that the run hands over by now.
    before: GroupAccuracy | None = None
    after: GroupAccuracy | None = None
    bill: TeacherBill | None = None
    changed: str | None = None  # UTC, as 2026-01-31T12:00:00Z
    runs_done: int | None = None  # of a comparison: arms × repeats
    runs_begun: int | None = None
    problem: str | None = None  # what can't be read, and why
