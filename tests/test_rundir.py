"""R1-R4, R7, R9-R11: what a run's directory promises, on small steps."""

import json
import multiprocessing
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachback.errors import DataError, InputsChanged, RunLocked
from teachback.run.digests import commit_with_digest
from teachback.run.directory import ROWS_PER_SHARD, Event, Run
from teachback.run.files import commit_file
from teachback.run.history import read_history
from teachback.run.locks import acquire_lock, is_locked, wait_for_lock
from teachback.types import Allowance, ArrayFile, Attempt, Attempts, Student


def attempt(id: str, nll: float = 1.0) -> Attempt:
    return Attempt(id, f"text {id}", 3, False, nll)


def test_a_step_runs_once_and_returns_what_it_reads_back(tmp_path: Path) -> None:
    calls = []

    def fn(pairs: int) -> Allowance:
        calls.append(pairs)
        return Allowance(pairs)

    with Run(tmp_path) as run:
        assert run.step(0, "open", fn, 3) == Allowance(3)
        commit_with_digest(tmp_path / "round-00/open.json", b'{"pairs": 5}')
        assert run.step(0, "open", fn, 3) == Allowance(5)
        assert run.step(1, "open", fn, 4) == Allowance(4)
    assert calls == [3, 4]


def test_a_step_that_returns_none_keeps_nothing_and_runs_again(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        assert run.step(0, "open", lambda: None) is None
        assert run.step(0, "open", lambda: Allowance(1)) == Allowance(1)


def test_a_step_that_fails_keeps_nothing(tmp_path: Path) -> None:
    def fail() -> Allowance:
        raise RuntimeError("boom")

    with Run(tmp_path) as run:
        with pytest.raises(RuntimeError):
            run.step(0, "open", fail)
        assert run.step(0, "open", lambda: Allowance(1)) == Allowance(1)


def test_shards_are_fixed_in_row_order_and_a_finished_one_is_never_redone(
    tmp_path: Path,
) -> None:
    rows = [f"r{i}" for i in range(2 * ROWS_PER_SHARD + 5)]
    seen: list[list[str]] = []

    def shard(part: Sequence[str]) -> list[Attempt]:
        if len(seen) == 2 and not redo:
            raise KeyboardInterrupt
        seen.append(list(part))
        return [attempt(id) for id in part]

    with Run(tmp_path) as run:
        redo = False
        with pytest.raises(KeyboardInterrupt):
            run.step(0, "attempt", lambda: Attempts(run.map(shard, rows, of=Attempt)))
    redo = True
    with Run(tmp_path) as run:
        answers = run.step(
            0, "attempt", lambda: Attempts(run.map(shard, rows, of=Attempt))
        )
    assert [a.id for a in answers.rows] == rows
    assert seen == [
        rows[:ROWS_PER_SHARD],
        rows[ROWS_PER_SHARD : 2 * ROWS_PER_SHARD],
        rows[2 * ROWS_PER_SHARD :],
    ]
    assert not (tmp_path / "round-00/attempt").exists(), (
        "shards go when the step has committed"
    )


def test_what_no_commit_names_is_removed_at_the_next_start(tmp_path: Path) -> None:
    with Run(tmp_path):
        pass
    (tmp_path / "round-00/finetune/student").mkdir(parents=True)
    (tmp_path / "round-00/finetune/student.tmp").mkdir()
    (tmp_path / "round-00/finetune/checkpoints/checkpoint-2").mkdir(parents=True)
    (tmp_path / "round-00/attempt").mkdir()
    (tmp_path / "round-00/attempt/000-rows.json").write_text("[]")
    (tmp_path / "round-00/select.tmp").write_text("{")
    with Run(tmp_path):
        left = {
            str(p.relative_to(tmp_path)) for p in (tmp_path / "round-00").rglob("*")
        }
    assert left == {
        "round-00/finetune",
        "round-00/finetune/checkpoints",
        "round-00/finetune/checkpoints/checkpoint-2",
        "round-00/attempt",
        "round-00/attempt/000-rows.json",
    }


def test_a_commit_keeps_the_folder_it_names_and_nothing_else(tmp_path: Path) -> None:
    with Run(tmp_path) as run:

        def train() -> Student:
            for name in ("student", "checkpoints"):
                (run.workspace / name).mkdir()
            return run.student_in(run.workspace / "student")

        student = run.step(0, "finetune", train)
    assert student == Student("round-00/finetune/student")
    assert [p.name for p in (tmp_path / "round-00/finetune").iterdir()] == ["student"]


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename
    monkeypatch.setattr(
        os, "fsync", lambda fd: (order.append("fsync"), real_fsync(fd))[1]
    )
    monkeypatch.setattr(
        os, "rename", lambda a, b: (order.append("rename"), real_rename(a, b))[1]
    )
    commit_file(tmp_path / "x.json", b"{}")
    assert order == ["fsync", "rename", "fsync"], (
        "the content before the name, the folder after it"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_new_directory_says_its_format_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = tmp_path / "run", list[str]()
    real_rename = os.rename
    monkeypatch.setattr(
        os, "rename", lambda a, b: (names.append(Path(b).name), real_rename(a, b))[1]
    )
    with Run(folder) as run:
        assert {path.name for path in folder.iterdir()} == {"lock", "run.json"}
        run.identify(CONFIG, INPUTS, {})
    assert names == ["run.json", "config.json", "inputs.json", "settings.json"]
    assert json.loads((folder / "run.json").read_bytes()) == {"format": 2}
    with Run(folder):
        assert names[4:] == []


@pytest.mark.parametrize(
    ("marker", "found"), [(None, 1), ('{"format": 3}', 3)], ids=["older", "newer"]
)
def test_a_directory_of_another_format_is_refused_and_left_alone(
    tmp_path: Path, marker: str | None, found: int
) -> None:
    folder = tmp_path / "run"
    with Run(folder) as run:
        run.identify(CONFIG, INPUTS, {})
        run.step(0, "open", lambda: Allowance(1))
    (folder / "run.json").unlink()
    if marker is not None:
        (folder / "run.json").write_text(marker)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    message = rf"(?s)got: format {found}\n.*allowed: format 2\n.*fix: .*--run-dir"
    with pytest.raises(InputsChanged, match=message), Run(folder):
        pass
    with pytest.raises(InputsChanged, match=message):
        read_history(folder)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before
    assert not is_locked(folder / "lock")


def test_a_marker_that_is_no_marker_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"version": 2}')
    with pytest.raises(DataError, match=r"run\.json can't be read back"), Run(tmp_path):
        pass


CONFIG = {"criterion": "loss", "finetune": {"lr": 0.1}}
INPUTS = {"seeds": "sha 1", "versions": {"torch": "2.13"}}


def test_another_config_or_other_inputs_are_refused_by_name(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.identify(CONFIG, INPUTS, {"rounds": 2})
        run.identify(CONFIG, INPUTS, {"rounds": 3})
        with pytest.raises(InputsChanged, match=r"finetune\.lr: 0\.1 → 0\.2"):
            run.identify({**CONFIG, "finetune": {"lr": 0.2}}, INPUTS, {})
        with pytest.raises(InputsChanged, match="seeds: 'sha 1' → 'sha 2'"):
            run.identify(CONFIG, {**INPUTS, "seeds": "sha 2"}, {})


def test_other_library_versions_are_told_and_kept(tmp_path: Path) -> None:
    heard: list[Event] = []
    with Run(tmp_path, listen=heard.append) as run:
        run.identify(CONFIG, INPUTS, {})
        run.identify(CONFIG, {**INPUTS, "versions": {"torch": "3.0"}}, {})
    assert ["3.0" in str(e.value) for e in heard] == [True]
    assert json.loads((tmp_path / "timings.jsonl").read_text())["versions"] == {
        "torch": "3.0"
    }


def hold(
    folder: Path,
    ready: "multiprocessing.synchronize.Event",
    done: "multiprocessing.synchronize.Event",
) -> None:
    with Run(folder):
        ready.set()
        done.wait(20)


def test_one_process_a_run(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, done))
    other.start()
    assert ready.wait(20)
    with pytest.raises(RunLocked, match=f"pid {other.pid}"), Run(tmp_path):
        pass
    done.set()
    other.join()
    with Run(tmp_path):
        pass


def test_a_lock_is_one_holder_s_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    file = acquire_lock(path)
    assert file is not None
    assert acquire_lock(path) is None
    assert is_locked(path)
    threading.Timer(0.1, os.close, (file,)).start()
    with wait_for_lock(path):
        assert is_locked(path)
        assert acquire_lock(path) is None
    assert not is_locked(path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused_before_writing(
    tmp_path: Path, bad: float
) -> None:
    with Run(tmp_path) as run:
        with pytest.raises(
            DataError, match=f"step attempt of round 0.*\n.*{bad} at value.rows.1.nll"
        ):
            run.step(0, "attempt", lambda: Attempts((attempt("a"), attempt("b", bad))))
        assert not list(tmp_path.glob("round-*/*.json"))


def test_arrays_lie_beside_the_json_as_float32(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        named: list[ArrayFile] = []

        def step() -> Student:
            named.append(run.save_array("nll", np.array([0.1, 2.0])))
            with pytest.raises(DataError, match="not finite"):
                run.save_array("bad", np.array([np.nan]))
            return Student("elsewhere")

        run.step(0, "start", step)
        assert not (tmp_path / named[0].file).exists(), "the commit doesn't name it"
        run._current = (0, "finetune")
        kept = run.save_array("nll", np.array([0.1, 2.0]))
        assert run.load_array(kept).dtype == np.float32
        assert run.load_array(kept).tolist() == pytest.approx([0.1, 2.0])


def test_an_edited_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.step(0, "open", lambda: Allowance(1))
        (tmp_path / "round-00/open.json").write_text('{"pairs": "many"}')
        with pytest.raises(DataError, match=r"round-00/open\.json can't be read back"):
            run.step(0, "open", lambda: Allowance(1))


def test_shards_with_arrays_are_committed_together(tmp_path: Path) -> None:
    rows, seen = list(range(ROWS_PER_SHARD + 3)), list[int]()

    def shard(
        part: Sequence[int],
    ) -> tuple[list[Attempt], dict[str, np.ndarray[Any, Any]]]:
        seen.append(len(part))
        if len(seen) == 2:
            run.save_array(
                "001-embedding", np.zeros((1, 1))
            )  # the array of a shard that is not committed
            raise KeyboardInterrupt
        return [attempt(str(i)) for i in part], {
            "embedding": np.array([[i, 2 * i] for i in part])
        }

    def answer() -> Attempts:
        found, arrays = run.map_arrays(shard, rows, of=Attempt)
        return Attempts(found, **arrays)

    for _ in range(2):
        with Run(tmp_path) as run:
            try:
                answers = run.step(0, "attempt", answer)
            except KeyboardInterrupt:
                continue
    assert seen == [ROWS_PER_SHARD, 3, 3]
    assert [a.id for a in answers.rows] == [str(i) for i in rows]
    assert answers.embedding is not None
    assert run.load_array(answers.embedding).tolist() == [[i, 2 * i] for i in rows]
    assert [p.name for p in (tmp_path / "round-00/attempt").iterdir()] == [
        "embedding.npy"
    ]
