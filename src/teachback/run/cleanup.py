"""What leaves a run's directory: leftovers of a crash (R1) and weights of old rounds (R10)."""

import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from ..errors import DataError
from ..types import ArrayFile, Round, Student
from .digests import read_committed
from .files import iterate_values, refuse_link
from .steps import STEPS

KeepWeights = Literal["last", "best", "all"]

# The names that a run gives, and that it may remove.
ROUND_FOLDER = re.compile(r"round-\d{2,}")
WEIGHTS_FOLDER = re.compile(rf"{ROUND_FOLDER.pattern}/(finetune|start)/student")
RUN_ASIDE = re.compile(
    r"(run|config|inputs|settings|asked|config\.json|inputs\.json|probe-\w+)\.tmp"
)
STEP_ASIDE = re.compile(rf"({'|'.join(STEPS)})\.tmp")
SHARD = re.compile(r"\d{3,}-[a-z-]+\.(json|npy)(\.sha256)?")
# The arrays of a whole step, of which its value may name none.
ARRAY_NAMES = ("all", "dev", "dev-rows", "embedding", "gold", "gradient")
STEP_ENTRY = re.compile(
    rf"{SHARD.pattern}|(\d{{3,}}-[a-z-]+|{'|'.join(ARRAY_NAMES)}|student)\.tmp"
    rf"|({'|'.join(ARRAY_NAMES)})\.npy|student|checkpoints"
)


def path_of(run_folder: Path, value: Student | ArrayFile) -> Path:
    """The folder or file that a kept value names.

    It lies below the run, or it is a student elsewhere, by its absolute path. Raises DataError
    for another one: a run may come from somebody else.
    """
    name = value.folder if isinstance(value, Student) else value.file
    path = Path(name)
    is_elsewhere = isinstance(value, Student) and path.is_absolute()
    if not is_elsewhere and (path.is_absolute() or ".." in path.parts):
        raise DataError(
            f"a step of the run in {run_folder} names a path outside of it",
            got=name,
            allowed="a path below the run's directory",
            fix="don't use this directory: it is damaged, or made to read or remove your files",
        )
    return run_folder / path


def find_step_folder(run_folder: Path, path: Path) -> Path | None:
    """The folder of the step that has made the path; None: no step of this run has."""
    if not path.is_relative_to(run_folder):
        return None  # a student elsewhere
    place, *below = path.relative_to(run_folder).parts
    if not below or not ROUND_FOLDER.fullmatch(place):
        return None
    return run_folder / place / below[0]


# -- leftovers ---------------------------------------------------------------------------


def remove_leftovers(run_folder: Path) -> None:
    """Remove what no commit names. Shards and checkpoints of the open step are commits.

    Only names that a run gives are looked at, and no link is followed: whatever else lies in
    the directory is left alone.
    """
    for path in _list_matching(run_folder, RUN_ASIDE):
        _remove(path)
    for round_folder in _list_matching(run_folder, ROUND_FOLDER):
        if not _is_own_folder(round_folder):
            continue
        for path in _list_matching(round_folder, STEP_ASIDE):
            _remove(path)
        for name in STEPS:
            step_folder = round_folder / name
            if _is_own_folder(step_folder):
                _clean_step_folder(run_folder, step_folder)


def _clean_step_folder(run_folder: Path, step_folder: Path) -> None:
    committed = step_folder.with_suffix(".json")
    if committed.exists():
        value = read_committed(committed, STEPS[committed.stem].value_type)
        remove_unnamed(run_folder, step_folder, value)
        return
    for path in _list_matching(step_folder, STEP_ENTRY):
        if not SHARD.fullmatch(path.name) and path.name != "checkpoints":
            _remove(path)


def remove_unnamed(
    run_folder: Path, step_folder: Path, value: object, saved: Collection[Path] = ()
) -> None:
    """Remove what a finished step has left in its folder and its value doesn't name.

    saved: files of any name that this process has saved.
    """
    if not _is_own_folder(step_folder):
        return
    named = {path_of(run_folder, inner) for inner in iterate_named(value)}
    for path in sorted(step_folder.iterdir()):
        is_own = path in saved or STEP_ENTRY.fullmatch(path.name)
        if is_own and path not in named:
            _remove(path)
    if not any(step_folder.iterdir()):
        step_folder.rmdir()


def iterate_named(value: object) -> Iterator[Student | ArrayFile]:
    """The folders and files that a step's value names."""
    for inner in iterate_values(value):
        if isinstance(inner, Student | ArrayFile):
            yield inner


def list_made_paths(run_folder: Path, step_folder: Path, value: object) -> list[Path]:
    """The folders and files that a step has made, and that its value names."""
    paths = [path_of(run_folder, inner) for inner in iterate_named(value)]
    return [path for path in paths if path.is_relative_to(step_folder)]


def list_files(paths: Iterable[Path]) -> list[Path]:
    """The files, and those in the folders, sorted."""
    files: list[Path] = []
    for path in paths:
        files += path.rglob("*") if path.is_dir() else [path]
    return sorted(path for path in files if path.is_file())


def refuse_links(step_folder: Path) -> None:
    """Raise DataError if a step would write through a link. Its folder need not be there."""
    entries = step_folder.iterdir() if step_folder.is_dir() else ()
    for path in (step_folder.parent, step_folder, *entries):
        if path.is_symlink():
            raise refuse_link(path)


def _list_matching(folder: Path, form: re.Pattern[str]) -> list[Path]:
    return sorted(path for path in folder.iterdir() if form.fullmatch(path.name))


def _is_own_folder(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink()


def _remove(path: Path) -> None:
    """Remove a file or a folder. A link is somebody else's, and stays."""
    if path.is_symlink():
        return
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
        if WEIGHTS_FOLDER.fullmatch(folder):
            _remove_weights(run_folder / folder)


def _remove_weights(folder: Path) -> None:
    way = (folder.parents[1], folder.parent, folder)
    if all(map(_is_own_folder, way)):
        shutil.rmtree(folder, ignore_errors=True)


def select_final_student(
    past: Sequence[Round], last: Student, keep: KeepWeights
) -> Student:
    """The last student; with "best", the earliest of those with the best dev accuracy."""
    if keep != "best" or not past:
        return last
    return max(past, key=lambda finished: finished.report.accuracy).student
