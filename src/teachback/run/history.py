"""A run's finished steps, read back from its directory."""

from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from ..types import KEPT, Curated, Report, Round, Selection, Student, Transfer
from .files import load


class Finished(NamedTuple):
    """baseline: None before the untuned student was measured. next: the step that comes next."""

    baseline: Report | None
    rounds: tuple[Round, ...]
    next: str


ORDER = (
    "open",
    "attempt",
    "gather",
    "select",
    "generate",
    "verify",
    "curate",
    "transfer",
    "finetune",
    "evaluate",
)


def read(folder: Path) -> Finished:
    rounds: list[Round] = []
    for r in count():
        here = folder / f"round-{r:02d}"
        if not (here / "evaluate.json").exists():
            done = [name for name in ORDER if (here / f"{name}.json").exists()]
            return Finished(
                step(folder / "round-00", "baseline"), tuple(rounds), ORDER[len(done)]
            )
        rounds.append(round_(here))
    raise AssertionError("unreachable")


def round_(here: Path) -> Round:
    chosen: Selection = step(here, "select")
    fresh: Curated = step(here, "curate")
    transfer: Transfer = step(here, "transfer")
    student: Student = step(here, "finetune")
    report: Report = step(here, "evaluate")
    return Round(chosen, fresh, transfer, student, report)


def step(here: Path, name: str) -> Any:
    """What a step kept, or None."""
    path = here / f"{name}.json"
    return load(path, KEPT[name]) if path.exists() else None
