"""The real loop on a tiny student, killed in a child and resumed here: the same run (R8)."""

import json
import os
import signal
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

import teachback
from crashing import child, ended, running
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.training.finetune import finetune
from test_crash import snapshot

SETTINGS: dict[str, Any] = {
    "task": {"name": "prontoqa", "hops": [1, 2], "seeds": 80, "dev": 80, "test": 10},
    "student": {"max_new_tokens": 12, "precision": "float32"},
    "per_round": 8,
    "rounds": 2,
    "finetune": {"epochs": 2, "rows_per_step": 4},
    "machine": {"threads": 1, "checkpoint_every_s": 0},
}


def settings(folder: Path, student: Path) -> dict[str, Any]:
    return {
        **SETTINGS,
        "student": {**SETTINGS["student"], "model": str(student)},
        "run_dir": str(folder),
    }


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("tiny") / "run"
    teachback.run(settings(folder, tiny))
    return snapshot(folder)


MOMENTS = {
    "attempt": "round-01/attempt/000-rows.json",
    "finetune": "round-01/finetune/checkpoints/checkpoint-3/complete",
    "evaluate": "round-01/evaluate/000-rows.json",
}


@pytest.mark.parametrize("step", MOMENTS)
def test_killed_in_a_step_and_resumed(
    step: str, tmp_path: Path, tiny: Path, unbroken: dict[str, object]
) -> None:
    """Killed as soon as the step has left its first trace."""
    pid = child(teachback.run, settings(tmp_path / "run", tiny))
    trace = tmp_path / "run" / MOMENTS[step]
    while not trace.exists():
        assert running(pid), "it ended before it could be killed"
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    assert ended(pid) == -signal.SIGKILL
    assert not (tmp_path / "run/round-01" / f"{step}.json").exists()
    teachback.run(settings(tmp_path / "run", tiny))
    assert snapshot(tmp_path / "run") == unbroken


def test_a_student_is_loaded_once_and_gone_before_the_next_is_trained(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[weakref.ref[Any]] = []
    in_memory: list[int] = []

    def counted(folder: Path, precision: Any, chat: Any) -> InferenceModel:
        student = load_for_inference(folder, precision, chat)
        loaded.append(weakref.ref(student.model))
        return student

    def watched(*args: Any, **named: Any) -> Path:
        in_memory.append(sum(model() is not None for model in loaded))
        return finetune(*args, **named)

    monkeypatch.setattr("teachback.student.responder.load_for_inference", counted)
    monkeypatch.setattr("teachback.build.training.finetune", watched)
    teachback.run(settings(tmp_path / "run", tiny))
    assert len(loaded) == 3, "the untuned student, and that of each round"
    assert in_memory == [0, 0]
    assert not any(model() for model in loaded)


def test_what_a_round_leaves_behind(unbroken: dict[str, object]) -> None:
    select = json.loads(unbroken["round-01/select.json"])  # type: ignore[arg-type]
    assert len(select["picks"]) == 8
    assert len(select["scores"]) == 80
    transfer = json.loads(unbroken["round-01/transfer.json"])  # type: ignore[arg-type]
    assert len(transfer["pairs"]) == 8
    assert transfer["seed_median"] > 0
    report = json.loads(unbroken["round-01/evaluate.json"])  # type: ignore[arg-type]
    assert sum(report["outcomes"].values()) == 80
    assert "round-01/finetune/student/model.safetensors" in unbroken
    assert "round-00/finetune/student/model.safetensors" not in unbroken
