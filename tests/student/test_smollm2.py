"""The packaged student: converted once, whatever happens, and one small round on it."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

import teachback
from crashing import child, ended, running
from teachback.student.folder import resolve_model


def convert(cache: Path, result_file: Path) -> None:
    os.environ["TEACHBACK_CACHE"] = str(cache)
    result_file.write_text(" ".join(map(str, resolve_model("smollm2-135m"))))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One conversion killed half-way, then two processes at once: one folder, whole."""
    import transformers

    assert transformers.AutoModelForCausalLM, "loaded here, not by each child anew"
    folder = tmp_path_factory.mktemp("cache")
    result_folder = tmp_path_factory.mktemp("said")
    killed_pid = child(convert, folder, result_folder / "killed")
    while not list(folder.glob("*.tmp/*")):
        assert running(killed_pid), "it ended before it could be killed"
        time.sleep(0.005)
    os.kill(killed_pid, signal.SIGKILL)
    assert ended(killed_pid) == -signal.SIGKILL
    assert not [p for p in folder.glob("smollm2-135m-*") if p.suffix != ".tmp"]
    deadline = time.monotonic() + 240
    pids = [child(convert, folder, result_folder / name) for name in "ab"]
    while any(running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [ended(pid) for pid in pids] == [0, 0]
    assert (result_folder / "a").read_text() == (result_folder / "b").read_text() != ""
    return folder


def test_killed_half_way_then_two_at_once(cache: Path) -> None:
    names = sorted(p.name for p in cache.iterdir())
    assert len(names) == 2, names
    assert names[1] == "smollm2-135m.lock"
    config = json.loads((cache / names[0] / "config.json").read_text())
    assert config["dtype"] == "float32"
    assert "quantization_config" not in config


def test_one_small_round_on_the_real_student(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads, answers, is trained and measured; what it learns in eight rows is not much."""
    monkeypatch.setenv("TEACHBACK_CACHE", str(cache))
    settings = {
        "task": {"name": "prontoqa", "hops": [1, 1], "seeds": 4, "dev": 2, "test": 2},
        "student": {
            "model": "smollm2-135m",
            "max_new_tokens": 12,
            "system": "Reason step by step.",
        },
        "per_round": 4,
        "rounds": 1,
        "finetune": {"epochs": 1, "rows_per_step": 4, "lr": 1e-4},
        "run_dir": str(tmp_path / "run"),
    }
    result = teachback.run(settings)
    first_round = result.history.rounds[0]
    attempts = json.loads((tmp_path / "run/round-00/attempt.json").read_text())["rows"]
    assert all(0 < a["nll"] < 3 for a in attempts), (
        "a trained model is far from the 10.8 nats of a random one"
    )
    assert any(a["text"].isascii() and " " in a["text"] for a in attempts)
    assert len(first_round.fresh.rows) == 4
    assert first_round.transfer.row_median is not None
    assert (result.student / "model.safetensors").stat().st_size > 500_000_000
    assert resolve_model(str(result.student))[1] != resolve_model("smollm2-135m")[1]
