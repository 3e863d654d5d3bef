"""What leaves a run's directory: leftovers of a crash (R1) and weights of old rounds (R10)."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..types import ArrayFile, Round, Student
from .files import iterate_values, read_json
from .steps import STEPS

KeepWeights = Literal["last", "best", "all"]


def path_of(run_folder: Path, value: Student | ArrayFile) -> Path:
    """The folder or file that a kept value names."""
    relative = value.folder if isinstance(value, Student) else value.file
    return run_folder / relative


# -- leftovers ---------------------------------------------------------------------------


def remove_leftovers(run_folder: Path) -> None:
    """Remove what no commit names. Shards and checkpoints of the open step are commits."""
    for path in list(run_folder.glob("**/*.tmp")):
        if path.exists():  # unless it went with its folder
            _remove(path)
    for step_folder in list(run_folder.glob("round-*/*/")):
        committed = step_folder.with_suffix(".json")
        if committed.exists():
            value = read_json(committed, STEPS[committed.stem].value_type)
            remove_unnamed(run_folder, step_folder, value)
            continue
        for path in step_folder.iterdir():
            if not _is_shard(path) and path.name != "checkpoints":
                _remove(path)


def remove_unnamed(run_folder: Path, step_folder: Path, value: object) -> None:
    """Remove what a finished step's folder holds and its value doesn't name."""
    if not step_folder.is_dir():
        return
    named = {
        path_of(run_folder, inner)
        for inner in iterate_values(value)
        if isinstance(inner, Student | ArrayFile)
    }
    for path in step_folder.iterdir():
        if path not in named:
            _remove(path)
    if not any(step_folder.iterdir()):
        step_folder.rmdir()


def _is_shard(path: Path) -> bool:
    numbered_array = path.suffix == ".npy" and path.stem[:3].isdigit()
    return path.suffix == ".json" or numbered_array


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


# -- weights -----------------------------------------------------------------------------


def remove_old_weights(
    run_folder: Path, past: Sequence[Round], keep: KeepWeights
) -> None:
    """Remove the weights of finished rounds that `keep` doesn't ask for."""
    if keep == "all" or not past:
        return
    last = past[-1].student
    needed = {last.folder, select_final_student(past, last, keep).folder}
    trained = {finished.student.folder for finished in past}
    trained.add("round-00/start/student")  # trained on the rows that were given
    for folder in trained - needed:
        if not Path(folder).is_absolute():
            shutil.rmtree(run_folder / folder, ignore_errors=True)


def select_final_student(
    past: Sequence[Round], last: Student, keep: KeepWeights
) -> Student:
    """The last student; with "best", the earliest of those with the best dev accuracy."""
    if keep != "best" or not past:
        return last
    return max(past, key=lambda finished: finished.report.accuracy).student
