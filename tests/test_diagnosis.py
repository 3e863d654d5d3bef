"""Why a run gained nothing: real runs of a tiny student that fail in a way that is known."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import teachback
from commands import command
from teachback.config.reading import make_config
from teachback.config.tree import apply_change
from teachback.report.diagnosis.diagnose import read_diagnosis
from teachback.report.diagnosis.diagnosis import Diagnosis
from teachback.report.diagnosis.words import setting_line

TASK = Path(__file__).with_name("exercise_task.py")
Settings = dict[str, Any]


def settings(
    folder: Path,
    student: Path,
    options: Settings | None = None,
    finetune: Settings | None = None,
    **changes: Any,
) -> Settings:
    """One round of 8 rows, each trained on 20 times; changes: tokens, and keys of the config."""
    recipe: Settings = {"method": "full", "lr": 0.01, "epochs": 20, "rows_per_step": 2}
    return {
        "task": {
            "name": "own",
            "function": f"{TASK}:make_sums",
            "options": options or {},
        },
        "student": {
            "model": str(student),
            "max_new_tokens": changes.pop("tokens", 10),
            "precision": "float32",
        },
        "criterion": "random",
        "per_round": 8,
        "rounds": 1,
        "finetune": {**recipe, **(finetune or {})},
        "machine": {"threads": 1},
        "run_dir": str(folder),
        **changes,
    }


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A student that has learned the task."""
    result = teachback.run(settings(tmp_path_factory.mktemp("taught") / "run", tiny))
    assert result.diagnosis is None
    assert read_diagnosis(result.run_dir) is None
    assert result.history.rounds[-1].report.accuracy == 1
    return result.student


@pytest.fixture
def diagnosed(tmp_path: Path, taught: Path) -> Callable[..., Diagnosis]:
    def diagnose(student: Path = taught, **changes: Any) -> Diagnosis:
        tree = settings(tmp_path / "run", student, **changes)
        result = teachback.run(tree)
        assert result.diagnosis is not None
        assert read_diagnosis(result.run_dir) == result.diagnosis, (
            "from the folder alone"
        )
        check_next_steps(tree, result.diagnosis)
        return result.diagnosis

    return diagnose


def check_next_steps(tree: Settings, diagnosis: Diagnosis) -> None:
    """Each value that is advised is one that `--set` takes."""
    assert diagnosis.next_steps
    for step in diagnosis.next_steps:
        if step.key is not None:
            text = setting_line(step).split("--set ")[1].split("   ")[0]
            config = make_config(apply_change(tree, text))
            value: Any = config.model_dump()
            for key in step.key.split("."):
                value = value[key]
            assert value == step.value


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [cause.kind for cause in diagnosis.causes]


def test_dev_was_solved_already(diagnosed: Callable[..., Diagnosis]) -> None:
    diagnosis = diagnosed()
    assert kinds(diagnosis) == ["solved already"]
    assert "had 40 of 40 dev questions right" in str(diagnosis)
    assert diagnosis.failed == ()


def test_answers_are_cut_off(diagnosed: Callable[..., Diagnosis]) -> None:
    diagnosis = diagnosed(tokens=2)
    assert kinds(diagnosis) == ["answers cut off"]
    text = str(diagnosis)
    assert "40 of 40 dev answers hit student.max_new_tokens (2)" in text
    assert "12 of the last round's 12 answers to seeds" in text
    assert "--set student.max_new_tokens=4" in text
    assert diagnosis.failed[0].reason == "cut off by student.max_new_tokens"


def test_answers_have_the_wrong_form(diagnosed: Callable[..., Diagnosis]) -> None:
    diagnosis = diagnosed(options={"mark": "#"})
    assert kinds(diagnosis) == ["wrong form"]
    assert (
        "40 of 40 dev answers can't be read as an answer (40 before): 100% no mark"
        in str(diagnosis)
    )
    failed = diagnosis.failed
    assert [(item.question, item.gold, item.after) for item in failed] == [
        ("q100", "7", "=7"),
        ("q101", "7", "=7"),
    ]


def test_training_diverged(diagnosed: Callable[..., Diagnosis]) -> None:
    diagnosis = diagnosed(
        finetune={"lr": 1.0, "epochs": 1, "rows_per_step": 8, "warmup": 0}
    )
    assert kinds(diagnosis)[0] == "training diverged"
    text = str(diagnosis)
    assert text.startswith("no gain: dev accuracy fell: −100 points")
    assert "dev gold nll went from" in text
    assert "it rose" in text
    assert [step.key for step in diagnosis.next_steps] == ["finetune.lr"]
    assert "--set finetune.lr=0.2" in text
    assert diagnosis.failed[0].before == "=7"


def test_right_form_wrong_content(
    diagnosed: Callable[..., Diagnosis], tiny: Path
) -> None:
    diagnosis = diagnosed(tiny, options={"digits": 4}, finetune={"epochs": 40})
    assert kinds(diagnosis)[0] == "right form, wrong content"
    text = str(diagnosis)
    assert "it fell, and accuracy did not rise" in text
    assert "can be read and are wrong" in text
    assert "--set rounds=2" in text
    assert "in this run (the same command goes on)" in text


def test_the_student_barely_changed(
    diagnosed: Callable[..., Diagnosis], tiny: Path
) -> None:
    diagnosis = diagnosed(tiny, finetune={"lr": 1e-9})
    assert kinds(diagnosis)[0] == "barely changed"
    assert "80 optimiser steps on 8 rows (finetune.epochs 20" in str(diagnosis)
    assert "40 of 40 failed answers are word for word what they were" in str(diagnosis)


def test_too_few_rows_and_too_few_questions(
    diagnosed: Callable[..., Diagnosis], tiny: Path
) -> None:
    few = {"epochs": 1, "lr": 1e-4, "rows_per_step": 8}
    diagnosis = diagnosed(tiny, options={"n": 4}, finetune=few)
    assert kinds(diagnosis) == [
        "too few rows",
        "answers cut off",
        "too few questions to tell",
    ]
    text = str(diagnosis)
    assert (
        "8 rows made 1 optimiser step (finetune.epochs 1, finetune.rows_per_step 8"
        in text
    )
    assert "4 dev questions measure the change to ±33 points" in text
    assert "give 160 dev questions" in text


def test_rows_were_rejected(diagnosed: Callable[..., Diagnosis], tiny: Path) -> None:
    diagnosis = diagnosed(
        tiny,
        options={"refuse": 0.8},
        finetune={"epochs": 1, "lr": 1e-4},
        budget={"min_yield": 0},
    )
    assert kinds(diagnosis)[0] == "rows rejected"
    assert "7 of 8 drafts did not become rows: 100% wrong" in str(diagnosis)
    assert "the answers are wrong: try a stronger model" in str(diagnosis)


def test_the_command_line_shows_it_wherever_a_run_is_shown(
    tmp_path: Path, taught: Path
) -> None:
    config = tmp_path / "task.yaml"
    config.write_text(yaml.safe_dump(settings(tmp_path / "run", taught, tokens=2)))
    done = command("run", config)
    assert done.returncode == 0, done.stderr
    assert "  1. answers cut off: 40 of 40 dev answers hit" in done.stdout
    assert "--set student.max_new_tokens=4   room for whole answers" in done.stdout

    facts = json.loads(command("run", config, "--json").stdout)["diagnosis"]
    assert [cause["kind"] for cause in facts["causes"]] == ["answers cut off"]
    assert facts["failed"][0]["question"] == "q100"
    assert facts["next_steps"][0]["value"] == 4

    moved = shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    status = command("status", moved)
    assert "  1. answers cut off: 40 of 40 dev answers hit" in status.stdout
    assert json.loads(command("status", moved, "--json").stdout)["diagnosis"] == facts

    for name in ("evaluate.json", "evaluate.json.sha256"):
        (moved / "round-00" / name).unlink()
    unfinished = command("status", moved)
    assert "next: evaluate" in unfinished.stdout
    assert "answers cut off" not in unfinished.stdout
