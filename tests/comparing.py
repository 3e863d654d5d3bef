"""Comparisons of a tiny student, and of fake ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from teachback.compare.places import RunPlace
from teachback.run.identity import claim_comparison
from teachback.testing import fake_run


def settings(folder: Path, tiny: Path, **changes: Any) -> dict[str, Any]:
    return {
        "task": {"name": "prontoqa", "hops": [1, 2], "seeds": 12, "dev": 4, "test": 6},
        "student": {"model": str(tiny), "max_new_tokens": 8, "precision": "float32"},
        "per_round": 4,
        "rounds": 2,
        "finetune": {"epochs": 1, "rows_per_step": 4, "lr": 1e-3},
        "machine": {"threads": 1, "checkpoint_every_s": 0},
        "run_dir": str(folder),
        **changes,
    }


def files(folder: Path) -> dict[str, bytes]:
    """The steps of every unit."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.glob("repeat-*/*/round-*/*.json")
    }


def fake_comparison(
    folder: Path, arms: Mapping[str, Mapping[str, Any]], repeats: int, **changes: Any
) -> Path:
    """A comparison of fake students, all done. arms: what each changes, beside `changes`."""
    claim_comparison(folder)
    for repeat in range(repeats):
        for arm, settings in arms.items():
            place = RunPlace(folder, arm, repeat)
            place.folder.mkdir(parents=True)
            # Every repeat has questions of its own
            tree = {"seed": repeat, **changes, **settings, "repeat": repeat}
            fake_run(place.folder, place=place, **tree)
    return folder
