"""What a run reads back is what it wrote: a flipped bit or a cut anywhere is refused by name."""

import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from teachback.errors import DataError, TeachbackError
from teachback.run import digests
from teachback.run.digests import (
    commit_with_digest,
    find_digest_file,
    format_digests,
    read_verified,
)
from teachback.run.directory import Run
from teachback.run.files import commit_file, hash_bytes
from teachback.run.history import read_history
from teachback.testing import fake_run
from teachback.types import ArrayFile, Attempt, Attempts
from test_crash import snapshot

# Written anew at each start, or read by nobody.
NOT_READ = ("lock", "timings.jsonl", "settings.json", "base/skill.json")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """A finished run of two rounds, and what it becomes with a third."""
    folder = tmp_path_factory.mktemp("runs")
    fake_run(folder / "two", rounds=2)
    shutil.copytree(folder / "two", folder / "three")
    fake_run(folder / "three", rounds=3)
    return folder / "two", snapshot(folder / "three")


def damage(path: Path, way: str, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if way == "cut":
        content = content[: dice.randrange(len(content))]
    elif way == "zeros":
        content = bytearray(len(content))
    else:
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def resume_damaged(
    runs: tuple[Path, dict[str, object]], name: str, way: str, folder: Path
) -> None:
    run, whole = runs
    shutil.copytree(run, folder)
    damage(folder / name, way, random.Random(f"{name} {way}"))
    message = refuse_or_finish(folder)
    if message is None:
        assert snapshot(folder) == whole, "what was damaged was used"
        assert name.startswith((*NOT_READ, "ledger")), name
    else:
        assert str(folder / name.removesuffix(".sha256")) in message
    shutil.rmtree(folder)


def refuse_or_finish(folder: Path) -> str | None:
    """The message of the refusal."""
    try:
        fake_run(folder, rounds=3)
    except TeachbackError as error:
        return str(error)
    return None


def files_of(run: Path) -> list[str]:
    return sorted(str(p.relative_to(run)) for p in run.rglob("*") if p.is_file())


def test_no_damaged_file_is_used(
    tmp_path: Path, runs: tuple[Path, dict[str, object]]
) -> None:
    ways = ("flip", "cut", "zeros")
    for k, name in enumerate(files_of(runs[0])):
        if not name.startswith("round-00/") and (runs[0] / name).stat().st_size:
            resume_damaged(runs, name, ways[k % 3], tmp_path / "run")


@pytest.mark.slow
def test_no_file_damaged_in_any_way_is_used(
    tmp_path: Path, runs: tuple[Path, dict[str, object]]
) -> None:
    for name in files_of(runs[0]):
        for way in ("cut", "zeros", *(f"flip {k}" for k in range(8))):
            if (runs[0] / name).stat().st_size:
                resume_damaged(runs, name, way, tmp_path / "run")


def test_status_reads_no_damaged_file(
    tmp_path: Path, runs: tuple[Path, dict[str, object]]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs[0], folder)
    damage(folder / "round-01/curate.json", "flip", random.Random(0))
    with pytest.raises(DataError, match=r"round-01/curate\.json can't be read back"):
        read_history(folder)


def test_a_file_without_its_digests_is_refused(
    tmp_path: Path, runs: tuple[Path, dict[str, object]]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs[0], folder)
    (folder / "round-01/select.json.sha256").unlink()
    with pytest.raises(
        DataError, match=r"select\.json can't .* digests, select\.json\.sha256, are mis"
    ):
        fake_run(folder, rounds=3)


LOST = ["round-00/evaluate", "round-01/transfer", "round-01/open", "round-00/baseline"]


@pytest.mark.parametrize("name", LOST)
def test_a_lost_file_that_later_steps_used_is_refused(
    tmp_path: Path, runs: tuple[Path, dict[str, object]], name: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs[0], folder)
    (folder / f"{name}.json").unlink()
    with pytest.raises(DataError, match=rf"(?s){name}\.json is gone\n.*came after it"):
        fake_run(folder, rounds=3)


def test_with_what_came_after_it_removed_too_the_run_goes_on(
    tmp_path: Path, runs: tuple[Path, dict[str, object]]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(runs[0], folder)
    for path in (folder / "round-01").glob("*.json"):
        if path.stem in ("finetune", "evaluate"):
            path.unlink()
    fake_run(folder, rounds=3)
    assert snapshot(folder) == runs[1]


def test_sha256sum_checks_a_run(runs: tuple[Path, dict[str, object]]) -> None:
    folder = runs[0] / "round-01"
    names = sorted(path.name for path in folder.glob("*.sha256"))
    assert "finetune.json.sha256" in names
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", *names],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "finetune/student/skill.json: OK" in done.stdout


# -- arrays and shards -------------------------------------------------------------------


def answer_shard(part: Sequence[str]) -> tuple[list[Attempt], dict[str, Any]]:
    attempts = [Attempt(id, f"text {id}", 3, False, 1.0) for id in part]
    return attempts, {"embedding": np.ones((len(part), 2))}


def attempt_all(run: Run, shard: Any) -> Attempts:
    run.rows_per_shard = 2

    def answer() -> Attempts:
        rows, arrays = run.map_arrays(shard, ["a", "b", "c", "d"], of=Attempt)
        return Attempts(rows, **arrays)

    return run.step(0, "attempt", answer)


@pytest.mark.parametrize("way", ["flip", "cut", "zeros", "gone"])
def test_a_damaged_array_is_refused_when_it_is_loaded(tmp_path: Path, way: str) -> None:
    with Run(tmp_path) as run:
        file = attempt_all(run, answer_shard).embedding
    assert file is not None
    if way == "gone":
        (tmp_path / file.file).unlink()
    else:
        damage(tmp_path / file.file, way, random.Random(1))
    with Run(tmp_path) as run:
        attempts = attempt_all(run, answer_shard)
        assert attempts.embedding == file
        with pytest.raises(
            DataError, match=r"attempt/embedding\.npy can't be read back"
        ):
            run.load_array(file)


@pytest.mark.parametrize("way", ["flip", "cut", "zeros"])
@pytest.mark.parametrize("name", ["000-rows.json", "000-embedding.npy"])
def test_a_damaged_shard_of_an_open_step_is_refused(
    tmp_path: Path, name: str, way: str
) -> None:
    def killed_in_the_second(part: Sequence[str]) -> Any:
        if "c" in part:
            raise KeyboardInterrupt
        return answer_shard(part)

    with Run(tmp_path) as run, pytest.raises(KeyboardInterrupt):
        attempt_all(run, killed_in_the_second)
    damage(tmp_path / "round-00/attempt" / name, way, random.Random(2))
    with Run(tmp_path) as run, pytest.raises(DataError, match=f"{name} can't be read"):
        attempt_all(run, answer_shard)


@pytest.mark.parametrize("way", ["flip", "cut"])
def test_a_damaged_shard_that_is_an_array_is_refused(tmp_path: Path, way: str) -> None:
    def embed(run: Run, killed: bool) -> ArrayFile:
        def embed_shard(part: Sequence[int]) -> np.ndarray[Any, Any]:
            if killed and 2 in part:
                raise KeyboardInterrupt
            return np.ones((len(part), 3))

        return run.map_array(embed_shard, [0, 1, 2], name="gold")

    with Run(tmp_path) as run:
        run.rows_per_shard = 2
        with pytest.raises(KeyboardInterrupt):
            run.step(0, "gather", embed, run, True)
        damage(tmp_path / "round-00/gather/000-gold.npy", way, random.Random(3))
        with pytest.raises(DataError, match=r"000-gold\.npy can't be read back"):
            run.step(0, "gather", embed, run, False)


# -- one file ----------------------------------------------------------------------------


def test_a_digest_is_written_before_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "open.json"

    def die(path: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(digests, "commit_file", die)
    with pytest.raises(KeyboardInterrupt):
        commit_with_digest(path, b"{}")
    assert [p.name for p in tmp_path.iterdir()] == ["open.json.sha256"]
    monkeypatch.undo()
    commit_with_digest(path, b"[]")
    assert read_verified(path) == b"[]"


@pytest.mark.parametrize("commits", [0, 1, 2, 3])
def test_a_file_that_is_written_anew_is_right_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    path, made = tmp_path / "config.json", []
    commit_with_digest(path, b"old")

    def commit_or_die(file: Path, content: bytes) -> None:
        if len(made) == commits:
            raise KeyboardInterrupt
        made.append(file.name)
        commit_file(file, content)

    monkeypatch.setattr(digests, "commit_file", commit_or_die)
    if commits < 3:
        with pytest.raises(KeyboardInterrupt):
            commit_with_digest(path, b"new")
    else:
        commit_with_digest(path, b"new")
        content = format_digests([(hash_bytes(b"new"), "config.json")])
        assert find_digest_file(path).read_bytes() == content
    assert read_verified(path) == (b"old" if commits < 2 else b"new")
