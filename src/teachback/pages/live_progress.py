"""Where a run stands at this moment, from the names and times of its files and little else."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from ..ledger.costs import Spend
from ..report.formatting import format_count
from ..report.run_table.progress_files import (
    ListedSettings,
    RunProgress,
    find_state,
    read_progress,
    read_report_head,
)
from ..run.files import read_json
from ..run.steps import STEPS
from .gains import format_spent_usd

# The page of a run that has not begun, and one that can't be read: it is asked for again soon.
WAITING_VERSION, UNREADABLE_VERSION = "waiting", ""


@dataclass(frozen=True)
class LiveProgress:
    """What an open page is told."""

    version: str  # of the page: a step that finishes makes another one
    state: str  # one of RunState, or "waiting"
    doing: str
    counts: str = ""


@dataclass(frozen=True)
class OpenStep:
    """The step that is at work, or that comes next."""

    round: int
    name: str
    folder: Path

    def describe(self) -> str:
        """Such as ", round 1: the teacher writes"."""
        step = STEPS[self.name]
        return f"{f', round {self.round}' if step.in_round else ''}: {step.doing}"


def read_live_progress(
    folder: Path, n_seeds: int | None, read_spend: Callable[[], Spend]
) -> LiveProgress:
    """Of a run that has begun. n_seeds: None if they are not known. Raises TeachbackError."""
    rounds_asked = read_json(folder / "settings.json", ListedSettings).rounds
    progress = read_progress(folder)
    state = find_state(progress, rounds_asked)
    step = find_open_step(folder, progress)
    counts = [describe_spend(read_spend())]
    if state == "finished":
        doing = "Finished."
    elif state == "ended early":
        doing = "Ended before all of its rounds: no further one was begun."
    elif state == "stopped":
        doing = (
            f"Stopped before the end{step.describe()}. No process is at work here; "
            "the same command goes on."
        )
    elif is_past_last_round(progress, rounds_asked):
        doing = "At work: the last round is finished"
    else:
        doing = f"At work{step.describe()}"
        counts.insert(0, describe_shards(step, count_questions(folder, step, n_seeds)))
    line = " · ".join(filter(None, counts))
    return LiveProgress(hash_step_files(folder), state, doing, line)


def is_past_last_round(progress: RunProgress, rounds_asked: int | None) -> bool:
    if rounds_asked is None or progress.is_open:
        return False
    return progress.n_rounds >= max(1, rounds_asked)


def find_open_step(folder: Path, progress: RunProgress) -> OpenStep:
    """A step at work has a folder, mostly; without one it is the next of the round."""
    round_folder = folder / f"round-{progress.n_rounds:02d}"
    name = progress.next_step.rpartition(" ")[2]
    for begun in STEPS:
        is_done = (round_folder / f"{begun}.json").exists()
        if not is_done and (round_folder / begun).is_dir():
            name = begun
            break
    return OpenStep(progress.n_rounds, name, round_folder / name)


def count_questions(folder: Path, step: OpenStep, n_seeds: int | None) -> int | None:
    """How many rows the step's shards hold in all; None where no file tells."""
    if step.name == "attempt":
        return n_seeds
    baseline = folder / "round-00/baseline.json"
    if step.name == "evaluate" and baseline.exists():
        return read_report_head(baseline).n
    return None


def describe_shards(step: OpenStep, n_rows: int | None) -> str:
    """Such as "3 of 8 shards done"."""
    shards = sorted(step.folder.glob("[0-9]*-*.json"))
    shards = shards or sorted(step.folder.glob("[0-9]*-all.npy"))
    if not shards:
        return ""
    # Several things are measured one after the other: the last one has the fewest.
    n_done = min(Counter(path.name.partition("-")[2] for path in shards).values())
    done = f"{n_done} shard{'' if n_done == 1 else 's'} done"
    if n_rows is None or shards[0].suffix != ".json":
        return done
    try:
        # All but the last have as many rows as the first.
        n_first = len(read_json(shards[0], tuple[Any, ...]))
    except FileNotFoundError:  # the step has just finished
        return ""
    return f"{n_done} of {ceil(n_rows / max(1, n_first))} shards done"


def describe_spend(spend: Spend) -> str:
    return (
        f"{spend.calls:,} calls answered, {format_count(spend.tokens)} tokens, "
        f"{format_spent_usd(spend)}"
    )


def hash_step_files(folder: Path) -> str:
    """Another text when a step has finished, or when what was asked for has changed."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("round-*/*.json")]):
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
        digest.update(f"{path.relative_to(folder)} {changed}\n".encode())
    return digest.hexdigest()[:16]
