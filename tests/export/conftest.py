"""Runs to export."""

from pathlib import Path

import pytest

import teachback
from exporting import SYSTEM, ExportedFolder, read_exported_folder, write_own_rows
from teachback.export.exported_run import ExportedRun, read_exported_run
from teachback.testing import fake_run


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportedFolder:
    """Two rounds, on top of rows with hostile texts and under a system message."""
    folder = tmp_path_factory.mktemp("exported")
    rows = write_own_rows(folder / "own.jsonl")
    student = {"model": "smollm2-135m", "system": SYSTEM}
    fake_run(folder / "run", rounds=2, rows=rows, student=student)
    return read_exported_folder(folder / "run")


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> ExportedFolder:
    """Two rounds of twenty rows, from nothing."""
    folder = tmp_path_factory.mktemp("exported") / "run"
    task = {"name": "prontoqa", "hops": [1, 2], "seeds": 40, "dev": 10, "test": 10}
    fake_run(folder, rounds=2, per_round=20, task=task)
    return read_exported_folder(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> ExportedRun:
    """A round of a real student, measured on test."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    sizes = {"seeds": 6, "dev": 6, "test": 4}
    student = {"model": str(tiny), "system": "Be brief.", "max_new_tokens": 5}
    teachback.run(
        {
            "task": {"name": "prontoqa", "hops": [1, 2], **sizes},
            "student": {**student, "precision": "float32"},
            "criterion": "random",
            "per_round": 2,
            "rounds": 1,
            "finetune": {"method": "full", "epochs": 1, "rows_per_step": 2},
            "machine": {"threads": 1},
            "run_dir": str(folder),
        }
    )
    for is_base in (False, True):
        teachback.evaluate(folder, base=is_base)
    return read_exported_run(folder)
