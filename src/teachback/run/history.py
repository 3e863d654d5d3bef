"""A run's finished steps, read back from its directory."""

from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any, NamedTuple

from ..types import Report, Round
from .digests import read_committed
from .identity import check_format
from .steps import ROUND_STEPS, STEPS


class RunHistory(NamedTuple):
    """How far a run has come."""

    baseline: Report | None  # of the untuned student; None before it was measured
    rounds: tuple[Round, ...]  # the finished ones
    next_step: str  # the step of the round under way that comes next


def read_history(folder: Path) -> RunHistory:
    """Read a run's directory without locking it. An empty one has no round.

    Raises InputsChanged if the directory has another format.
    """
    check_format(folder)
    baseline = read_step(folder / "round-00", "baseline")
    rounds: list[Round] = []
    for r in count():
        round_folder = folder / f"round-{r:02d}"
        if not (round_folder / "evaluate.json").exists():
            break
        rounds.append(read_round(round_folder))
    return RunHistory(baseline, tuple(rounds), _find_next_step(round_folder))


def read_round(round_folder: Path) -> Round:
    return Round(
        chosen=read_step(round_folder, "select"),
        fresh=read_step(round_folder, "curate"),
        transfer=read_step(round_folder, "transfer"),
        student=read_step(round_folder, "finetune"),
        report=read_step(round_folder, "evaluate"),
    )


def read_step(round_folder: Path, name: str) -> Any:
    """What the step returned, or None if it has not finished."""
    path = round_folder / f"{name}.json"
    if not path.exists():
        return None
    return read_committed(path, STEPS[name].value_type)


def read_steps(folder: Path, names: Sequence[str]) -> dict[str, object]:
    """What those steps have returned in every round, by names such as round-00/select.json."""
    values: dict[str, object] = {}
    for round_folder in list_round_folders(folder):
        for name in names:
            value = read_step(round_folder, name)
            if value is not None:
                values[f"{round_folder.name}/{name}.json"] = value
    return values


def list_round_folders(folder: Path) -> list[Path]:
    """From round 0 on, as far as there are any."""
    folders = (folder / f"round-{r:02d}" for r in count())
    return [*takewhile(Path.is_dir, folders)]


def _find_next_step(round_folder: Path) -> str:
    finished = [
        name for name in ROUND_STEPS if (round_folder / f"{name}.json").exists()
    ]
    return ROUND_STEPS[len(finished)]
