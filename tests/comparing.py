"""Comparisons of a tiny student."""

from pathlib import Path
from typing import Any


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
