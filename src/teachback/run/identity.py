"""What a run's directory was made by and made from: its format and its inputs (R3)."""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ..errors import ConfigError, InputsChanged, explain_disk_errors
from .digests import commit_with_digest, read_verified
from .files import commit_file, flatten, read_json, refuse_link, to_json_bytes

RUN_FORMAT = 2  # of the directory; 1 had no marker file
MARKER_FILE = "run.json"
COMPARISON_MARKER = "comparison.json"
MAX_DIFFERENCES = 8  # that a message lists
# What a first start leaves that was killed before its marker was there.
FIRST_ASIDE = ("run.tmp", "comparison.tmp")
LOCK_FORM = re.compile(rb"(host \S+ pid \d+\n)?")
MAX_FIRST_BYTES = 1000
# Of the files that stand in the directory itself, the name up to the first dot.
FILE_STEMS = (
    "run",
    "config",
    "inputs",
    "settings",
    "asked",
    "timings",
    "lock",
    "ledger",
    "comparison",
    "curves",
    "findings",
)


@dataclass(frozen=True)
class RunMarker:
    """What run.json says."""

    format: int


def refuse_foreign_folder(folder: Path, marker: str = MARKER_FILE) -> None:
    """Raise ConfigError for a folder that is not empty and lacks the marker file of ours.

    Raises DataError if a file that we write is a link. To be called before anything is written,
    locked or removed.
    """
    is_marked = (folder / marker).is_file()
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        if not is_marked and not _is_of_first_start(entry):
            raise ConfigError(
                f"{folder} is not empty, and it is no directory of such a run",
                got=f"{entry.name} in it, and no {marker}",
                allowed="the directory of a run that was begun there, an empty folder, or a "
                "new one",
                fix="use another --run-dir, such as runs/NAME",
            )
        if entry.is_symlink() and entry.name.split(".")[0] in FILE_STEMS:
            raise refuse_link(Path(entry.path))


def _is_of_first_start(entry: os.DirEntry[str]) -> bool:
    """Whether a start that was killed before it marked the folder left this."""
    if entry.name not in (*FIRST_ASIDE, "lock"):
        return False
    if not entry.is_file(follow_symlinks=False):
        return False
    with open(entry.path, "rb") as file:
        content = file.read(MAX_FIRST_BYTES)
    if entry.name == "lock":
        return LOCK_FORM.fullmatch(content) is not None
    return to_json_bytes(RunMarker(RUN_FORMAT)).startswith(content)


def claim_comparison(folder: Path) -> None:
    """Mark a new folder as a comparison's. Raises ConfigError for one that holds anything else."""
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        refuse_foreign_folder(folder, COMPARISON_MARKER)
        _write_marker(folder / COMPARISON_MARKER)


def mark_format(folder: Path) -> None:
    """Say in a new directory which format it has. Raises InputsChanged for another one."""
    check_format(folder)
    _write_marker(folder / MARKER_FILE)


def _write_marker(marker: Path) -> None:
    if not marker.exists():
        commit_file(marker, to_json_bytes(RunMarker(RUN_FORMAT)))


def check_format(folder: Path) -> None:
    """Raise InputsChanged if the folder holds a run in another format than this one's."""
    marker = folder / MARKER_FILE
    if marker.exists():
        found = read_json(marker, RunMarker).format
    elif (folder / "config.json").exists() and (folder / "inputs.json").exists():
        found = 1
    else:
        return  # a new directory
    if found != RUN_FORMAT:
        raise InputsChanged(
            f"the run in {folder} is in a format that this version can't read",
            got=f"format {found}",
            allowed=f"format {RUN_FORMAT}",
            fix="finish it with the version of teachback that wrote it, "
            "or begin a new run with another --run-dir",
        )


def keep_identity(
    path: Path,
    facts: Mapping[str, object],
    what: str,
    free_key: str = "",
    may_change: Callable[[str], bool] = lambda key: False,
) -> dict[str, object]:
    """Write the facts at the first start. Later, raise InputsChanged if they differ.

    Returns what the first start wrote. What is under `free_key` may differ. Keys that
    `may_change` take their new values, if nothing else differs.
    """
    if not path.exists():
        commit_with_digest(path, to_json_bytes(facts))
    original: dict[str, object] = json.loads(read_verified(path))
    before = flatten(original)
    now = flatten(json.loads(to_json_bytes(facts)))
    differing = [
        key
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key) and key.split(".")[0] != free_key
    ]
    changed = [
        f"{key}: {before.get(key)!r} → {now.get(key)!r}"
        for key in differing
        if not may_change(key)
    ]
    if differing and not changed:
        commit_with_digest(path, to_json_bytes(facts))
    if changed:
        raise InputsChanged(
            f"{what} of the run in {path.parent} changed since it was started",
            got="; ".join(changed[:MAX_DIFFERENCES]),
            allowed="the same values as at its first start "
            "(rounds, budget and machine settings may change)",
            fix="undo the change, or start a new run with another --run-dir",
        )
    return original


def read_precision(folder: Path) -> Any:
    """The precision chosen at a run's first start, or None.

    It is measured once: another measurement could come out differently.
    """
    path = folder / "inputs.json"
    return json.loads(read_verified(path))["precision"] if path.exists() else None


def read_kept_section(folder: Path, name: str) -> dict[str, Any]:
    """A section of the config that a run's first start has kept; empty before it."""
    path = folder / "config.json"
    if not path.exists():
        return {}
    section = json.loads(read_verified(path)).get(name)
    return section if isinstance(section, dict) else {}


def read_today(folder: Path) -> date | None:
    """The day that was pinned at a run's first start, or None."""
    path = folder / "inputs.json"
    if not path.exists():
        return None
    today = json.loads(read_verified(path)).get("today")
    return date.fromisoformat(today) if today else None
