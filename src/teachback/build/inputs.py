"""Rule R3: hashes of all that a run is made from."""

import platform
from importlib.metadata import PackageNotFoundError, version

from ..config.config import Config
from ..run.files import to_json_bytes
from ..run.identity import hash_bytes, hash_file
from ..types import Task
from .criterion import criterion_sources
from .grading import grading_sources

LIBRARIES = ("teachback", "torch", "transformers", "peft", "numpy", "scipy", "pydantic")


def make_inputs(
    task: Task, config: Config, model: str, teacher: str, precision: str
) -> dict[str, object]:
    """model: the student's identity. teacher: its fingerprint.

    A change of `versions` is told to the reader; a change of anything else is refused.
    """
    splits = {"seeds": task.seeds, "dev": task.dev, "test": task.test}
    hashes = {
        name: f"{len(rows)} rows, sha256 {hash_bytes(to_json_bytes(rows))}"
        for name, rows in splits.items()
    }
    sources = {**grading_sources(config), **criterion_sources(config, task)}
    rows = config.rows if config.rows and config.rows.exists() else None
    return {
        **hashes,
        "rows": f"sha256 {hash_file(rows)}" if rows else None,
        "prompts": f"sha256 {teacher}",
        **{name: f"sha256 {hash_bytes(source)}" for name, source in sources.items()},
        "student": model,
        "precision": precision,
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
