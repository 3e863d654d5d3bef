"""The packaged student: converted once, whatever happens, and one small round on it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import teachback
from teachback.student.folder import resolve

CODE = "from teachback.student.folder import resolve; print(*resolve('smollm2-135m'))"


def convert(cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE],
        env={**os.environ, "TEACHBACK_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One conversion killed half-way, then two processes at once: one folder, whole."""
    folder = tmp_path_factory.mktemp("cache")
    killed = convert(folder)
    while not list(folder.glob("*.tmp/*")):
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not [p for p in folder.glob("smollm2-135m-*") if p.suffix != ".tmp"]
    started = time.monotonic()
    both = [convert(folder) for _ in range(2)]
    said = {process.communicate(timeout=240)[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(said) == 1
    assert time.monotonic() - started < 240
    return folder


def test_killed_half_way_then_two_at_once(cache: Path) -> None:
    names = sorted(p.name for p in cache.iterdir())
    assert len(names) == 2, names
    assert names[1] == "smollm2-135m.lock"
    config = json.loads((cache / names[0] / "config.json").read_text())
    assert config["dtype"] == "float32"
    assert "quantization_config" not in config


def test_one_small_round_on_the_real_student(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads, answers, is trained and measured; what it learns in eight rows is not much."""
    monkeypatch.setenv("TEACHBACK_CACHE", str(cache))
    settings = {
        "task": {"name": "prontoqa", "hops": [1, 1], "seeds": 4, "dev": 2, "test": 2},
        "student": {"model": "smollm2-135m", "max_new_tokens": 12, "system": "Reason step by step."},
        "per_round": 4,
        "rounds": 1,
        "finetune": {"epochs": 1, "rows_per_step": 4, "lr": 1e-4},
        "run_dir": str(tmp_path / "run"),
    }
    result = teachback.run(settings)
    first = result.history.rounds[0]
    attempts = json.loads((tmp_path / "run/round-00/attempt.json").read_text())["rows"]
    assert all(0 < a["nll"] < 3 for a in attempts), "a trained model is far from the 10.8 nats of a random one"
    assert any(a["text"].isascii() and " " in a["text"] for a in attempts)
    assert len(first.fresh.rows) == 4
    assert first.transfer.row_median is not None
    assert (result.student / "model.safetensors").stat().st_size > 500_000_000
    assert resolve(str(result.student))[1] != resolve("smollm2-135m")[1]
