"""A run tells its trackers, and goes on whatever they do."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import teachback
from commands import command
from teachback.errors import ConfigError
from teachback.testing import fake_run
from teachback.trackers.process import TrackerProcess, end_processes
from teachback.trackers.tracker import TrackedRun
from tracking import (
    HEARING,
    expected_metrics,
    read_heard,
    read_step_files,
    track_run,
)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the user's functions, where a fake run of 2 rounds lies in run/."""
    (tmp_path / "mine.py").write_text(HEARING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(work: Path) -> Path:
    fake_run(work / "run", rounds=2)
    return work / "run"


def tiny_config(tiny: Path, **changes: Any) -> dict[str, Any]:
    return {
        "task": {"name": "prontoqa", "hops": [1, 2], "seeds": 6, "dev": 4, "test": 2},
        "student": {"model": str(tiny), "max_new_tokens": 4, "precision": "float32"},
        "per_round": 2,
        "rounds": 1,
        "finetune": {"epochs": 1, "method": "full", "lr": 0.001},
        "machine": {"threads": 1},
        "run_dir": "run",
        **changes,
    }


# -- what is heard -------------------------------------------------------------------------


def test_a_run_tells_each_round_as_it_ends_and_a_later_start_tells_all(
    tiny: Path, work: Path
) -> None:
    config = tiny_config(tiny, track=["mine.py:hear"])
    teachback.run(config)
    first = read_heard(work)
    assert [heard["step"] for heard in first] == [0, 1]
    for heard in first:
        expected = expected_metrics(work / "run", heard["step"])
        assert heard["metrics"] == pytest.approx({**heard["metrics"], **expected})
        assert heard["metrics"]["gold_nll"] > 0
        assert heard["params"]["finetune.lr"] == "0.001"

    teachback.run(config, changes={"rounds": 2})
    later = read_heard(work)[2:]
    assert [heard["step"] for heard in later] == [0, 1, 2]
    assert [heard["metrics"] for heard in later[:2]] == [h["metrics"] for h in first]
    assert len({heard["id"] for heard in [*first, *later]}) == 1


def test_track_is_no_part_of_a_run_s_identity(tiny: Path, work: Path) -> None:
    """A run that began without trackers may have them later, and the other way round."""
    config = tiny_config(tiny)
    teachback.run(config)
    before = read_step_files(work / "run")
    teachback.run(config, changes={"track": ["mine.py:hear"]})
    assert [heard["step"] for heard in read_heard(work)] == [0, 1]
    teachback.run(config)
    assert read_step_files(work / "run") == before


def test_the_id_is_the_run_s_own(run: Path, work: Path) -> None:
    """It stays when the folder moves. A run that computes the same has another one."""
    track_run(run, "mine.py:hear")
    (work / "moved").mkdir()
    shutil.move(run, work / "moved/run")
    track_run(work / "moved/run", "mine.py:hear")
    time.sleep(1)  # timings.jsonl has whole seconds
    fake_run(run, rounds=2)
    track_run(run, "mine.py:hear")

    ids = [heard["id"] for heard in read_heard(work)]
    (moved,) = {heard["id"] for heard in read_heard(work / "moved")}
    assert ids[0] == ids[2] == moved
    assert ids[3] not in ids[:3]


def test_every_arm_of_a_comparison_is_a_run_of_its_group(
    tiny: Path, work: Path
) -> None:
    config = tiny_config(tiny, track=["mine.py:hear"], run_dir=None)
    del config["run_dir"]
    teachback.compare(
        config, arms="random,loss", repeats=1, jobs=1, run_dir=work / "runs/versus"
    )
    heard = read_heard(work / "runs/versus/repeat-0")
    assert {one["group"] for one in heard} == {"versus"}
    by_name: dict[str, list[int]] = {}
    for one in heard:
        by_name.setdefault(one["name"].rpartition("-")[0], []).append(one["step"])
    assert by_name == {
        "versus-repeat-0-random": [0, 1],
        "versus-repeat-0-loss": [0, 1],
    }
    assert all("test_accuracy" in one["metrics"] for one in heard)


# -- what fails ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("fail", "No space left on device in two lines"),
        ("die", "its process ended with 3"),
        ("hang", "it did not end within 1 s of the run, and was stopped"),
    ],
)
def test_a_tracker_that_fails_is_named_and_the_others_hear_on(
    run: Path,
    work: Path,
    capsys: pytest.CaptureFixture[str],
    function: str,
    words: str,
) -> None:
    before = read_step_files(run)
    if function == "hang":
        track_run(run, "mine.py:hang", end_s=1)
    else:
        track_run(run, f"mine.py:{function}", "mine.py:hear")
        assert [heard["step"] for heard in read_heard(work)] == [0, 1, 2]
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert f"mine.py:{function} hears no more of this start: " in line
    assert words in line
    assert read_step_files(run) == before


def test_a_run_with_a_failing_tracker_is_byte_for_byte_the_same(
    tiny: Path, work: Path
) -> None:
    teachback.run(tiny_config(tiny, run_dir="plain"))
    path = work / "config.json"  # JSON is YAML
    path.write_text(json.dumps(tiny_config(tiny, track=["mine.py:fail"])))
    done = command("run", path, "--json", "--quiet", "--run-dir", work / "run")
    assert done.returncode == 0
    assert json.loads(done.stdout)["rounds"]
    (line,) = done.stderr.splitlines()
    assert line.startswith("tracker ")
    assert read_step_files(work / "run") == read_step_files(work / "plain")


def test_what_a_tracker_prints_reaches_neither_stdout_nor_stderr(
    tiny: Path, work: Path
) -> None:
    path = work / "config.json"
    path.write_text(json.dumps(tiny_config(tiny, track=["mine.py:hear"])))
    done = command("run", path, "--json", "--quiet", "--run-dir", work / "run")
    assert json.loads(done.stdout)["rounds"]
    assert done.stderr == ""
    assert read_heard(work)


@pytest.mark.slow
def test_wandb_offline_leaves_stdout_to_the_result(tiny: Path, work: Path) -> None:
    """Where that variable is set, transformers prints a line when its Trainer is loaded."""
    path = work / "config.json"
    path.write_text(json.dumps(tiny_config(tiny)))
    words = ["run", path, "--json", "--quiet", "--run-dir", work / "run"]
    done = subprocess.run(
        [sys.executable, "-m", "teachback", *words],
        capture_output=True,
        env={**os.environ, "WANDB_MODE": "offline"},
    )
    assert json.loads(done.stdout)["rounds"]
    assert done.stderr == b""


def test_a_run_never_waits_for_a_tracker_that_takes_nothing(work: Path) -> None:
    """More than a pipe holds."""
    sleeping = "import sys, time; sys.stdin.close(); time.sleep(600)"
    reading = "import sys\nfor line in sys.stdin: pass"
    run = TrackedRun("id", "name", None, str(work), {})
    processes = [TrackerProcess("t", run, code) for code in (sleeping, reading)]
    message: Mapping[str, object] = {"step": 1, "metrics": {"x" * 1000: 0.5}}
    started = time.monotonic()
    for _ in range(500):
        for process in processes:
            process.send(message)
    assert time.monotonic() - started < 5
    end_processes(processes[:1], 0.2)
    end_processes(processes[1:], 30)
    assert "did not end" in str(processes[0].failure)
    assert processes[1].failure is None


def test_a_hanging_tracker_goes_with_what_it_has_started(work: Path) -> None:
    """A library may have a service of its own."""
    code = (
        "import os, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "service = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "Path('pids.tmp').write_text(f'{os.getpid()} {service.pid}')\n"
        "os.rename('pids.tmp', 'pids')\n"
        "time.sleep(600)"
    )
    process = TrackerProcess("t", TrackedRun("id", "name", None, str(work), {}), code)
    wait_until((work / "pids").exists)
    end_processes([process], 0.1)
    for pid in map(int, (work / "pids").read_text().split()):
        wait_until(lambda pid=pid: not is_running(pid))


def test_a_tracker_ends_in_order_when_the_run_is_killed(work: Path) -> None:
    code = (
        "import os, signal\n"
        "from teachback.build.trackers import PROGRAM\n"
        "from teachback.trackers.process import TrackerProcess\n"
        "from teachback.trackers.tracker import TrackedRun\n"
        f"run = TrackedRun('id', 'name', None, {str(work / 'run')!r}, {{}})\n"
        "process = TrackerProcess('mine.py:hear', run, PROGRAM)\n"
        "process.send({'step': 0, 'metrics': {'accuracy': 0.5}})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code])
    assert killed.returncode == -signal.SIGKILL
    wait_until((work / "heard.jsonl").exists)
    wait_until(lambda: (work / "heard.jsonl").read_text().endswith("\n"))
    assert read_heard(work)[0]["metrics"] == {"accuracy": 0.5}


def is_running(pid: int) -> bool:
    """A killed process that nobody has waited for yet is none."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- what is refused before the run begins ---------------------------------------------------


@pytest.mark.parametrize(
    ("track", "words"),
    [
        (["wandbb"], "no such tracker (allowed: trackio, wandb, mlflow, tensorboard,"),
        (["mine.py:hear", "mine.py:hear"], "name each tracker once"),
    ],
)
def test_a_wrong_name_is_refused(track: list[str], words: str, tiny: Path) -> None:
    with pytest.raises(ConfigError) as error:
        teachback.run(tiny_config(tiny, track=track))
    assert words in str(error.value)


def test_a_function_that_is_not_there_is_refused_before_anything_is_bought(
    tiny: Path, work: Path
) -> None:
    with pytest.raises(ConfigError, match=r"has no function listen\(run, step"):
        teachback.run(tiny_config(tiny, track=["mine.py:listen"]))
    assert not list(work.glob("run/round-*"))
