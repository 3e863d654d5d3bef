"""A folder that is no run is left alone, and a run removes only what it wrote, below itself."""

import os
import signal
from pathlib import Path

import pytest

from crashing import child, ended
from teachback.errors import ConfigError, DataError, TeachbackError
from teachback.run.cleanup import path_of
from teachback.run.digests import commit_with_digest
from teachback.run.directory import Run
from teachback.run.identity import claim_comparison
from teachback.run.locks import is_locked
from teachback.testing import fake_run
from teachback.types import Allowance, ArrayFile, Student


def list_tree(folder: Path) -> dict[str, object]:
    """Every path below a folder, with its content; a link with what it points to."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


def write_files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")


FOREIGN_FILES = {
    "a file": ["thesis.txt"],
    "a file aside": ["thesis.tmp"],
    "a file aside, deep down": ["notes/deep/draft.tmp"],
    "a file where steps lie": ["round-trip/photos/a.jpg"],
    "a step's own names": ["round-00/attempt/notes.txt", "round-00/select.tmp"],
    "a hidden file": [".git/config"],
    "a lock of somebody else": ["lock"],
    "a marker of somebody else, aside": ["run.tmp"],
    "a config of somebody else": ["config.json"],
}


@pytest.mark.parametrize("names", FOREIGN_FILES.values(), ids=FOREIGN_FILES)
def test_a_folder_that_is_no_run_is_refused_and_left_alone(
    tmp_path: Path, names: list[str]
) -> None:
    folder = tmp_path / "project"
    write_files(folder, *names)
    before = list_tree(folder)
    first = min(names).split("/")[0]
    with pytest.raises(ConfigError, match=rf"got: {first} in it, and no run\.json"):
        fake_run(folder)
    assert list_tree(folder) == before


def test_a_marker_of_another_program_is_no_marker(tmp_path: Path) -> None:
    write_files(tmp_path, "run.json", "thesis.tmp")
    before = list_tree(tmp_path)
    with pytest.raises(DataError, match=r"run\.json can't be read back"):
        fake_run(tmp_path)
    assert list_tree(tmp_path) == before


def test_an_empty_folder_becomes_a_run(tmp_path: Path) -> None:
    assert fake_run(tmp_path, rounds=1).rounds


@pytest.mark.parametrize("lock", ["", "host nine pid 12345\n"])
@pytest.mark.parametrize("marker", [None, "", '{\n "for', '{\n "format": 2\n}\n'])
def test_a_first_start_that_was_killed_goes_on(
    tmp_path: Path, lock: str, marker: str | None
) -> None:
    (tmp_path / "lock").write_text(lock)
    if marker is not None:
        (tmp_path / "run.tmp").write_text(marker)
    with Run(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {"lock", "run.json"}


def test_what_others_put_into_a_run_stays(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fake_run(folder, rounds=1)
    mine = [
        "thesis.tmp",
        "notes/draft.tmp",
        "notes/round-00/attempt/000-rows.json",
        "round-trip/attempt/000-rows.json",
        "round-00/thesis.tmp",
        "round-00/photos/a.jpg",
        "round-00/attempt/notes.txt",
        "round-00/attempt/thesis.tmp",
        "round-00/attempt/table.npy",
        "round-01/finetune/students/a.bin",
        "round-01/evaluate.txt",
    ]
    write_files(folder, *mine)
    (folder / "probe-x.tmp").mkdir()
    write_files(folder, "round-01/open.tmp", "round-01/finetune/student.tmp/a.bin")
    fake_run(folder, rounds=3)
    assert dict.fromkeys(mine, "mine") == {
        name: (folder / name).read_text() for name in mine if (folder / name).exists()
    }
    assert not [*folder.glob("probe*"), *folder.glob("round-01/open.tmp")]
    assert not (folder / "round-01/finetune/student.tmp").exists()


LINKED_FILES = ["lock", "timings.jsonl", "config.tmp", "settings.json", "ledger.sqlite"]


@pytest.mark.parametrize("name", LINKED_FILES)
def test_a_file_of_the_run_that_is_a_link_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    fake_run(folder, rounds=1)
    (folder / name).unlink(missing_ok=True)
    write_files(tmp_path, "precious")
    (folder / name).symlink_to(tmp_path / "precious")
    before = list_tree(tmp_path)
    with pytest.raises(DataError, match=f"{name} is a link"):
        fake_run(folder, rounds=2)
    assert list_tree(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    [
        "round-01",
        "round-01/attempt",
        "round-01/finetune",
        "round-01/finetune/student.tmp",
        "round-01/finetune/checkpoints",
    ],
)
def test_nothing_is_written_or_removed_through_a_link(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "run"
    fake_run(folder, rounds=1)
    outside = tmp_path / "outside"
    write_files(
        outside, "000-rows.tmp", "attempt/000-rows.tmp", "checkpoint-1/a", "skill.json"
    )
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to(outside, target_is_directory=True)
    before = list_tree(outside)
    with pytest.raises(DataError, match="is a link"):
        fake_run(folder, rounds=3)
    assert list_tree(outside) == before


def test_a_run_lies_behind_a_link_and_weights_are_moved_away_by_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "disk").mkdir()
    folder = tmp_path / "run"
    folder.symlink_to(tmp_path / "disk", target_is_directory=True)
    fake_run(folder, rounds=1)
    weights = folder / "round-00/finetune/student"
    moved = weights.rename(tmp_path / "moved")
    weights.symlink_to(moved, target_is_directory=True)
    assert len(fake_run(folder, rounds=3).rounds) == 3
    assert (moved / "skill.json").read_text() == "4", "it isn't this run's to remove"


OUTSIDE = ["../../precious", "round-00/../../../precious", "/precious/../precious"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_step_that_names_a_folder_outside_can_have_nothing_removed(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "runs" / "run"
    fake_run(folder, rounds=1)
    write_files(tmp_path / "precious", "thesis.txt")
    (tmp_path / "precious/skill.json").write_text("3")
    before = list_tree(tmp_path / "precious")
    named = f"{tmp_path}{name}" if name.startswith("/") else name
    # With a digest of its own, as somebody would send it who means it.
    content = f'{{"folder": "{named}"}}'.encode()
    commit_with_digest(folder / "round-00/finetune.json", content)
    if name.startswith("/"):
        fake_run(folder, rounds=3)  # a student elsewhere: it is read, and it stays
    else:
        with pytest.raises(DataError, match="names a path outside of it"):
            fake_run(folder, rounds=3)
    assert list_tree(tmp_path / "precious") == before


def test_arrays_lie_in_the_run(tmp_path: Path) -> None:
    for file in ("/etc/x.npy", "../x.npy", "round-00/../../x.npy"):
        with pytest.raises(DataError, match="names a path outside of it"):
            path_of(tmp_path, ArrayFile(file))
    assert path_of(tmp_path, Student("/models/base")) == Path("/models/base")


def hold_open(folder: Path, ready: int) -> None:
    """Runs below the folder, until it is killed."""
    with Run(folder / "repeat-0/loss") as run:
        run.step(0, "open", lambda: Allowance(1))
        write_files(run.folder, "round-00/select.tmp")
        os.write(ready, b"x")
        signal.pause()


def test_a_run_at_work_is_not_harmed_from_the_folder_above_it(tmp_path: Path) -> None:
    there, ready = os.pipe()
    pid = child(hold_open, tmp_path, ready)
    try:
        assert os.read(there, 1) == b"x"
        for folder in (tmp_path, tmp_path / "repeat-0"):
            before = list_tree(tmp_path)
            with pytest.raises(ConfigError, match="is not empty"):
                fake_run(folder)
            # Even if it were a run's directory itself.
            (folder / "run.json").write_text('{"format": 2}')
            with Run(folder):
                pass
            for name in ("run.json", "lock"):
                (folder / name).unlink()
            assert list_tree(tmp_path) == before
    finally:
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
        os.close(there)
        os.close(ready)


def test_a_comparison_is_no_run_and_marks_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "comparison"
    claim_comparison(folder)
    claim_comparison(folder)
    with pytest.raises(ConfigError, match=r"comparison\.json in it, and no run\.json"):
        fake_run(folder)
    assert not is_locked(folder / "lock")
    write_files(tmp_path, "findings.csv")
    fake_run(tmp_path / "run", rounds=1)
    for other in (tmp_path, tmp_path / "run"):
        with pytest.raises(TeachbackError, match=r"and no comparison\.json"):
            claim_comparison(other)
