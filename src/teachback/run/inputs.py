"""Hashes of all that a run is made from (R3)."""

import platform
from collections.abc import Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version

from ..types import Task
from .files import hash_bytes, to_json_bytes

LIBRARIES = ("teachback", "torch", "transformers", "peft", "numpy", "scipy", "pydantic")


def make_inputs(
    task: Task,
    *,
    model: str,
    precision: str,
    teacher: str,
    rows: str | None = None,
    sources: Mapping[str, bytes] | None = None,
    today: date | None = None,
) -> dict[str, object]:
    """The content of inputs.json.

    model: the student's identity. teacher: sha256 of all that it is asked with. rows: sha256 of
    the files of rows that the user already has. sources: code and prompts of the user's, by
    name. today: the day that the student's prompts name, if they name any.

    A later change of `versions` is told to the reader. A change of anything else is refused.
    """
    splits = {"seeds": task.seeds, "dev": task.dev, "test": task.test}
    hashes = {
        name: f"{len(examples)} rows, sha256 {hash_bytes(to_json_bytes(examples))}"
        for name, examples in splits.items()
    }
    return {
        **hashes,
        "rows": f"sha256 {rows}" if rows else None,
        "prompts": f"sha256 {teacher}",
        **{
            name: f"sha256 {hash_bytes(source)}"
            for name, source in (sources or {}).items()
        },
        "student": model,
        "precision": precision,
        **({"today": today.isoformat()} if today else {}),
        "versions": {
            "python": platform.python_version(),
            **{name: installed_version(name) for name in LIBRARIES},
        },
    }


def installed_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
