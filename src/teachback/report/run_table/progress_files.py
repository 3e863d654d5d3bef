"""What a run's files tell without reading what the steps have returned."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from ...run.files import parse_kept_json, read_json
from ...run.locks import is_locked
from ...run.steps import ROUND_STEPS
from ...types import GroupAccuracy
from .values import RunState

# A report's items are by far the most of it, and come after what is needed here. The newline can't
# stand in a JSON text, so this is a key of the report itself.
BEFORE_ITEMS = b'\n "items": ['
HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class NamedSection:
    name: str


@dataclass(frozen=True)
class StudentSection:
    model: str


@dataclass(frozen=True)
class ListedConfig:
    """Of config.json, what the table shows."""

    task: NamedSection
    student: StudentSection
    criterion: NamedSection
    repeat: int


@dataclass(frozen=True)
class ListedSettings:
    """Of settings.json, what the table needs."""

    rounds: Annotated[int, Field(ge=0)] | None = None
    keep: Literal["last", "best", "all"] = "last"


@dataclass(frozen=True)
class ReportHead:
    """The first fields of a report."""

    split: str
    n: int
    right: int
    accuracy: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat

    @property
    def share(self) -> GroupAccuracy:
        return GroupAccuracy(self.n, self.right, self.low, self.high)


@dataclass(frozen=True)
class ListedCuration:
    """Of curate.json, the rows."""

    rows: tuple[Any, ...]


@dataclass(frozen=True)
class RunProgress:
    """How far a run has come."""

    n_rounds: int  # finished
    is_open: bool  # a round has begun, and is not finished
    next_step: str  # "round 1, select"
    is_at_work: bool


def read_progress(folder: Path) -> RunProgress:
    round_folder = folder / "round-00"
    for r in count():
        round_folder = folder / f"round-{r:02d}"
        if not (round_folder / "evaluate.json").exists():
            break
    left = [
        name for name in ROUND_STEPS if not (round_folder / f"{name}.json").exists()
    ]
    is_measured = (folder / "round-00/baseline.json").exists()
    next_step = left[0] if is_measured else "baseline"
    return RunProgress(
        n_rounds=r,
        is_open=(round_folder / "open.json").exists(),
        next_step=f"round {r}, {next_step}",
        is_at_work=is_at_work(folder),
    )


def find_state(progress: RunProgress, rounds_asked: int | None) -> RunState:
    if progress.is_at_work:
        return "at work"
    if progress.is_open or progress.next_step.endswith("baseline"):
        return "stopped"
    n = progress.n_rounds
    is_done = n > 0 if rounds_asked is None else n >= rounds_asked
    return "finished" if is_done else "ended early"


def is_at_work(folder: Path) -> bool:
    """Whether a process holds the run's lock."""
    lock = folder / "lock"
    try:
        return is_locked(lock)
    except OSError:
        # A lock that can't be opened for writing can't be tried. It names its holder while held.
        return lock.stat().st_size > 0


def read_report_head(path: Path) -> ReportHead:
    """The report without its items. Raises DataError."""
    with open(path, "rb") as file:
        head, found, _ = file.read(HEAD_BYTES).partition(BEFORE_ITEMS)
    if found:
        content = head.rstrip().removesuffix(b",") + b"}"
        head_read: ReportHead = parse_kept_json(content, ReportHead, path)
        return head_read
    report: ReportHead = read_json(path, ReportHead)
    return report


def count_accepted(folder: Path) -> int:
    n = 0
    for path in sorted(folder.glob("round-*/curate.json")):
        n += len(read_json(path, ListedCuration).rows)
    return n


def find_last_change(folders: Iterable[Path]) -> float | None:
    """The newest time of a file, or of a folder, directly in these; None: nothing is there."""
    times: list[float] = []
    for folder in folders:
        with os.scandir(folder) as scan:
            # SQLite writes to -shm when a log is read.
            times += [
                entry.stat(follow_symlinks=False).st_mtime
                for entry in scan
                if not entry.name.endswith("-shm")
            ]
    return max(times, default=None)
