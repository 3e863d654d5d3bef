"""What a run's directory was made by and made from: its format and its inputs (R3)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputsChanged
from .files import commit_file, flatten, read_json, to_json_bytes

RUN_FORMAT = 2  # of the directory; 1 had no marker file
MARKER_FILE = "run.json"
MAX_DIFFERENCES = 8  # that a message lists


@dataclass(frozen=True)
class RunMarker:
    """What run.json says."""

    format: int


def mark_format(folder: Path) -> None:
    """Say in a new directory which format it has. Raises InputsChanged for another one."""
    check_format(folder)
    marker = folder / MARKER_FILE
    if not marker.exists():
        commit_file(marker, to_json_bytes(RunMarker(RUN_FORMAT)))


def check_format(folder: Path) -> None:
    """Raise InputsChanged if the folder holds a run in another format than this one's."""
    marker = folder / MARKER_FILE
    if marker.exists():
        found = read_json(marker, RunMarker).format
    elif (folder / "config.json").exists():
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
    path: Path, facts: Mapping[str, object], what: str, free_key: str = ""
) -> dict[str, object]:
    """Write the facts at the first start. Later, raise InputsChanged if they differ.

    Returns what the first start wrote. What is under `free_key` may differ.
    """
    if not path.exists():
        commit_file(path, to_json_bytes(facts))
    original: dict[str, object] = json.loads(path.read_bytes())
    before = flatten(original)
    now = flatten(json.loads(to_json_bytes(facts)))
    changed = [
        f"{key}: {before.get(key)!r} → {now.get(key)!r}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key) and key.split(".")[0] != free_key
    ]
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
    return json.loads(path.read_bytes())["precision"] if path.exists() else None


def hash_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path) -> str:
    return hash_bytes(path.read_bytes())
