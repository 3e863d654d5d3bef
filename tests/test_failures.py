"""Whatever goes wrong, a user sees one message with its cause, its fix and its exit code."""

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from commands import Done, command
from teachback.errors import (
    EXTRA_OF_MODULE,
    ConfigError,
    DiskError,
    UserFunctionError,
    explain_disk_errors,
    guard_function,
)
from teachback.report.failures import (
    find_first_error,
    make_message_error,
    run_command_line,
)
from teachback.run.arrays import write_array
from teachback.run.files import commit_file
from teachback.testing import fake_run

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


def raising(error: BaseException) -> Callable[..., None]:
    def function(*args: object, **kwargs: object) -> None:
        raise error

    return function


def failing_command(error: BaseException, capsys: pytest.CaptureFixture[str]) -> Done:
    with pytest.raises(SystemExit) as ended:
        run_command_line(raising(error))
    out, err = capsys.readouterr()
    return Done(int(ended.value.code or 0), out, err)


# -- the disk ----------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_full_disk_at_a_commit_is_one_message(tmp_path: Path, call: str) -> None:
    path = tmp_path / "value.json"
    full = patch(f"teachback.run.files.os.{call}", raising(NO_SPACE))
    with full, pytest.raises(DiskError) as failed:
        commit_file(path, b"1")
    assert str(failed.value) == (
        f"{path} can't be written\n"
        "  got: [Errno 28] No space left on device\n"
        "  fix: make room on its disk (df -h shows how full it is), then run the same command: "
        "what is finished is kept"
    )
    with full, pytest.raises(DiskError):
        write_array(tmp_path / "array.npy", np.zeros(3))
    assert failed.value.exit_code == 2


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (NO_SPACE, "make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "make room"),
        (OSError(errno.EROFS, "Read-only file system"), "make it writable"),
        (PermissionError(errno.EACCES, "Permission denied"), "make it writable"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (OSError(errno.EIO, "Input/output error"), "see that its disk is there"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), "a file stands where"),
        # As safetensors, torch and SQLite say it
        (ValueError("I/O error: No space left on device (os error 28)"), "make room"),
        (RuntimeError("PytorchStreamWriter failed writing file"), "see that its disk"),
        (
            RuntimeError("[enforce fail at inline_container.cc:664]"),
            "see that its disk",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_disk_refuses_says_what_to_do(error: Exception, fix: str) -> None:
    with pytest.raises(DiskError, match=fix), explain_disk_errors(Path("x")):
        raise error


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError("reset"), TimeoutError(), ValueError("3"), KeyError("x")],
)
def test_other_errors_are_not_the_disk_s(error: Exception) -> None:
    with pytest.raises(type(error)), explain_disk_errors(Path("x")):
        raise error


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DiskError, match=r"file/run can't be written"):
        fake_run(tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_out_file_that_cannot_be_written(tmp_path: Path) -> None:
    fake_run(tmp_path / "run", rounds=1)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "teachback", "show", str(tmp_path / "run")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: the output can't be written",
    )


# -- functions of the user's -------------------------------------------------------------

TASK = """\
from random import Random
from teachback.types import Example, Grade, Task

def make(options, repeat):
    if options.get("fails") == "make":
        raise KeyError("seeds")
    seeds = tuple(Example(f"s{i}", f"What is {i} + 1?", str(i + 1)) for i in range(8))

    def prompt(question):
        if options.get("fails") == "prompt":
            return question / 2
        return question

    def key(question):
        if options.get("fails") == "key":
            raise SystemExit("bye")
        return question

    return Task("sums", seeds, seeds[:2], (), prompt, lambda e: e.answer,
                lambda e, t: Grade("wrong"), lambda q, t: Grade("right"), False, key)
"""


@pytest.mark.parametrize(
    ("fails", "names", "got"),
    [
        ("make", "mine.py:make failed", "KeyError: 'seeds'"),
        ("prompt", "(the task's prompt) failed", "TypeError: unsupported operand"),
        ("key", "(the task's key) failed", "SystemExit: bye"),
    ],
)
def test_a_function_that_raises_is_named_with_its_file_and_line(
    tmp_path: Path, tiny: Path, fails: str, names: str, got: str
) -> None:
    (tmp_path / "mine.py").write_text(TASK)
    config = tmp_path / "task.yaml"
    config.write_text(
        f"task: {{name: own, function: 'mine.py:make', options: {{fails: {fails}}}}}\n"
        f"student: {{model: {tiny}, max_new_tokens: 4, precision: float32}}\n"
        "per_round: 2\nrounds: 1\nteacher: {name: openai, base_url: 'http://127.0.0.1:9/v1',"
        " model: m, key_env: null}\n"
    )
    done = command("run", config, "--run-dir", tmp_path / "run", "--yes", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert names in done.stderr
    assert got in done.stderr
    line = 1 + next(
        i
        for i, text in enumerate(TASK.splitlines())
        if {"make": "KeyError", "prompt": "/ 2", "key": "SystemExit"}[fails] in text
    )
    assert f"({tmp_path / 'mine.py'}, line {line})" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_criterion_that_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def score(evidence):\n    return evidence.nothing\n")
    with pytest.raises(UserFunctionError) as failed:
        fake_run(tmp_path / "run", criterion="mine.py:score")
    assert f"your function {tmp_path}/mine.py:score failed: " in str(failed.value)
    assert "has no attribute 'nothing'" in str(failed.value)
    assert f"{tmp_path / 'mine.py'}, line 2" in str(failed.value)


def test_an_error_of_a_function_survives_a_child_process() -> None:
    with pytest.raises(UserFunctionError) as failed:
        guard_function(raising(ValueError("3")), "f")()
    assert str(pickle.loads(pickle.dumps(failed.value))) == str(failed.value)


# -- everything else ---------------------------------------------------------------------


@pytest.mark.parametrize(("module", "extra"), EXTRA_OF_MODULE.items())
def test_a_missing_extra_says_how_to_install_it(
    module: str, extra: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ModuleNotFoundError(f"No module named '{module}.x'", name=f"{module}.x")
    done = failing_command(error, capsys)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: this command needs {module}, which is not installed: "
        f"pip install 'teachback[{extra}]'\n"
    )


def test_a_bug_is_one_message_and_its_traceback_is_to_be_had(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ZeroDivisionError("division by zero")
    done = failing_command(ExceptionGroup("tasks", [error]), capsys)
    assert done.returncode == 1
    assert "ZeroDivisionError: division by zero, at" in done.stderr
    assert "TEACHBACK_TRACEBACK=1" in done.stderr
    monkeypatch.setenv("TEACHBACK_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        run_command_line(raising(error))


def test_cleaning_up_never_hides_the_first_error() -> None:
    first = ConfigError("the first")

    def fail_twice() -> None:
        try:
            raise first
        finally:
            raise NO_SPACE

    with pytest.raises(OSError, match="No space") as hidden:
        fail_twice()
    assert find_first_error(hidden.value) is first


def test_an_error_that_explains_another_is_the_one_to_see() -> None:
    def fail_and_explain() -> None:
        try:
            raise ConfigError("a detail")
        except ConfigError as error:
            raise ConfigError("what it means") from error

    with pytest.raises(ConfigError) as seen:
        fail_and_explain()
    assert find_first_error(seen.value) is seen.value


def test_a_file_that_cannot_be_read_is_no_full_disk() -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", "mine.jsonl")
    text = str(make_message_error(error))
    assert text.startswith("mine.jsonl can't be used\n  got: No such file or directory")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_stops_a_run_as_ctrl_c_does(
    tmp_path: Path, tiny: Path, number: signal.Signals
) -> None:
    stderr = stop_run(tmp_path, tiny, [number])
    assert "stopped. What is finished is kept" in stderr
    assert (tmp_path / "run/lock").read_text() == ""


def test_a_second_signal_ends_it_at_once(tmp_path: Path, tiny: Path) -> None:
    """While the first one is being handled. Two like ones would arrive as one."""
    stderr = stop_run(tmp_path, tiny, [signal.SIGINT, signal.SIGTERM])
    assert "stopped at once. What is finished is kept" in stderr


def stop_run(folder: Path, tiny: Path, signals: Sequence[signal.Signals]) -> str:
    """What a run prints on stderr that gets the signals in the midst of its work."""
    config = folder / "task.yaml"
    config.write_text(
        "task: {name: prontoqa, hops: [1, 2], seeds: 400, dev: 400, test: 5}\n"
        f"student: {{model: {tiny}, max_new_tokens: 300, precision: float32}}\n"
        "per_round: 4\nrounds: 2\nmachine: {threads: 1}\n"
    )
    args = [sys.executable, "-m", "teachback", "run", str(config)]
    with subprocess.Popen(
        [*args, "--run-dir", str(folder / "run")], stderr=subprocess.PIPE, text=True
    ) as run:
        while not (folder / "run/inputs.json").exists():
            assert run.poll() is None
            time.sleep(0.02)
        for number in signals:
            os.kill(run.pid, number)
        _, stderr = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in stderr
    return stderr
