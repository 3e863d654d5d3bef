"""The recipes on the real files, with a tiny student and a teacher behind a real HTTP server."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import teachback
from loopback import RehearsalServer, loopback
from teachback import Result
from teachback.config.config import Config
from teachback.config.reading import read_config
from teachback.errors import TeacherDown

RECIPES = Path(__file__).parents[1] / "recipes"
KEY = "sk-loopback-0123456789"


@pytest.fixture
def server() -> Iterator[RehearsalServer]:
    with loopback() as running:
        yield running


def gsm8k(folder: Path, tiny: Path, base_url: str, *changes: str) -> Config:
    small = [
        f"student.model={tiny}",
        "student.max_new_tokens=12",
        "student.precision=float32",
        "task.path=$TEACHBACK_DATA",
        "task.seeds=20",
        "task.dev=6",
        "task.test=5",
        f"teacher.base_url={base_url}",
        "per_round=6",
        "rounds=2",
        "finetune={method: lora, epochs: 1, rows_per_step: 4, lora_rank: 2}",
    ]
    return read_config(RECIPES / "gsm8k.yaml", [*small, *changes], folder)


def calls(folder: Path) -> list[Any]:
    with sqlite3.connect(folder / "ledger.sqlite") as db:
        return db.execute(
            "SELECT role, seed, n, state FROM calls ORDER BY seed, n, role"
        ).fetchall()


@pytest.fixture
def environment(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHBACK_DATA", str(data))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.usefixtures("environment")
def test_gsm8k_against_a_server_and_again_without_a_call(
    tmp_path: Path, tiny: Path, server: RehearsalServer
) -> None:
    result: Result = teachback.run(gsm8k(tmp_path / "run", tiny, server.base_url))
    rounds = result.history.rounds
    assert [len(r.fresh.rows) + len(r.fresh.rejected) for r in rounds] == [6, 6]
    assert server.calls == 24
    assert all(state == "answered" for *_, state in calls(tmp_path / "run"))
    rows = result.history.rows
    assert rows
    assert not any(row.verified for row in rows), "nothing proves a teacher's sum"
    assert all(row.text.endswith(f"Answer: {row.answer}") for row in rows)
    assert result.spend.tokens > 0
    again = teachback.run(gsm8k(tmp_path / "run", tiny, "http://127.0.0.1:1/v1"))
    assert again.history == result.history
    assert server.calls == 24
    for path in (p for p in (tmp_path / "run").rglob("*") if p.is_file()):
        assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.usefixtures("environment")
def test_a_teacher_that_is_down_keeps_everything_and_is_asked_again(
    tmp_path: Path, tiny: Path, server: RehearsalServer
) -> None:
    with pytest.raises(TeacherDown):
        teachback.run(
            gsm8k(tmp_path / "run", tiny, "http://127.0.0.1:1/v1", "teacher.tries=1")
        )
    assert (tmp_path / "run/round-00/select.json").exists()
    result = teachback.run(gsm8k(tmp_path / "run", tiny, server.base_url, "rounds=1"))
    assert len(result.history.rounds) == 1
    assert (
        json.loads((tmp_path / "run/settings.json").read_text())["teacher"]["base_url"]
        == server.base_url
    )


@pytest.mark.usefixtures("environment")
def test_the_rows_are_the_same_for_any_order_of_completion(
    tmp_path: Path, tiny: Path
) -> None:
    """With one pair in flight or sixteen, and a token budget that ends inside the first round."""
    rows = []
    for in_flight in (1, 16):
        with loopback(
            latency_s=lambda request: 0.001 * (hash(request.prompt) % 20)
        ) as server:
            changes = (
                f"teacher.in_flight={in_flight}",
                "budget.teacher_tokens=7400",
                "rounds=1",
                "criterion=random",
            )
            folder = tmp_path / str(in_flight)
            teachback.run(gsm8k(folder, tiny, server.base_url, *changes))
            rows.append((folder / "round-00/generate.json").read_bytes())
    assert rows[0] == rows[1]
    assert 0 < len(json.loads(rows[0])) < 6


def small(tiny: Path, *changes: str) -> list[str]:
    return [
        f"student.model={tiny}",
        "student.max_new_tokens=8",
        "student.precision=float32",
        "task.seeds=20",
        "task.dev=6",
        "task.test=5",
        "per_round=6",
        "rounds=1",
        "finetune.epochs=1",
        *changes,
    ]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("criterion", ["random", "loss"])
def test_prontoqa_on_the_published_files(
    criterion: str, tmp_path: Path, tiny: Path
) -> None:
    changes = small(tiny, f"criterion={criterion}")
    result = teachback.run(
        read_config(RECIPES / "prontoqa.yaml", changes, tmp_path / "run")
    )
    assert len(result.history.rows) == 6
    assert all(row.verified for row in result.history.rows)
    scores = result.history.rounds[0].chosen.scores
    assert len(scores) == (20 if criterion == "loss" else 0)


def student_with_context(student: Path, folder: Path, n_tokens: int) -> Path:
    shutil.copytree(student, folder)
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = n_tokens
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", ["game24", "gsm8k-pool", "math-pool"])
def test_the_other_tasks_on_their_real_files(
    name: str, tmp_path: Path, tiny: Path
) -> None:
    pool = name.endswith("pool")
    if name == "math-pool":
        # The longest question has 4,371 bytes, which are tokens to this student.
        tiny = student_with_context(tiny, tmp_path / "student", 8192)
    changes = small(tiny, *(["teacher.n_rows=30"] if pool else []))
    result = teachback.run(
        read_config(RECIPES / f"{name}.yaml", changes, tmp_path / "run")
    )
    (done,) = result.history.rounds
    assert len(done.fresh.rows) + len(done.fresh.rejected) == 6
    assert all(row.verified is not pool for row in done.fresh.rows)
    assert done.report.gold_nll is not None
    assert done.report.by
    assert all("<<" not in row.text for row in done.fresh.rows)
    if pool:
        reserve = json.loads((tmp_path / "run/round-00/reserve.json").read_text())
        assert len(reserve["rows"]) == 30
