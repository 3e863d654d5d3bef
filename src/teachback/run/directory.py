"""A run's directory: what a step returned is kept there, once, and read back from then on.

    run/
      config.json   what is computed            ledger.sqlite   every teacher call with its cost
      inputs.json   hashes of what goes in      timings.jsonl   seconds (the only place with times, R8)
      settings.json what may change: rounds, budget, machine, endpoint
      round-00/select.json                      what the step "select" of round 0 returned: its commit
      round-00/finetune/student/                files that a commit names
      round-00/attempt/003-rows.json            a shard of a step that has not committed yet

There is no other record of progress. A file appears whole or not at all (R1).
"""

import dataclasses
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar

import numpy as np

from ..errors import DataError, InputsChanged, RunLocked
from ..types import KEPT, ArrayFile, Round, Student
from .files import commit, dump, flat, load, settle, walk

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")

SHARD = 64  # rows a shard; part of what a kill can cost, so never a setting of the machine (R2)
SHARD_OF_SMALL, SMALL = (
    1024,
    20e6,
)  # of a student of fewer parameters: it answers them as fast, and many at once faster
START = Path(
    "round-00/start"
)  # the student that was trained on the rows that were given


@dataclasses.dataclass(frozen=True)
class Event:
    """What a listener hears: a step begins ("start"), reports progress ("part"), or has committed ("done"). unit: of
    which of several runs that are at work at the same time."""

    kind: Literal["start", "part", "done", "note"]
    round: int
    step: str
    done: int = 0
    total: int = 0
    value: object = None
    seconds: float = 0.0
    unit: str = ""


class Run:
    """One run's directory, locked for as long as the object is open (`with Run(folder) as run`).

    shard: rows of a step that are kept together; set before the first step, by the student's size alone.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep: Literal["last", "best", "all"] = "last",
        listen: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.folder = folder
        self.keep = keep
        self.listen = listen
        self.shard = SHARD
        self._open: tuple[int, str] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock()
        self._sweep()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        os.truncate(self._lock_file.fileno(), 0)
        self._lock_file.close()

    # -- identity (R3) ------------------------------------------------------------------------------------------

    def identify(
        self,
        config: Mapping[str, object],
        inputs: Mapping[str, object],
        settings: Mapping[str, object],
    ) -> None:
        """Keep what this run is made from; at every later start, refuse anything else. Settings may change freely.

        inputs["versions"] may change: that is told to the listener and kept in timings.jsonl.
        Raises InputsChanged naming each key that differs, with both values.
        """
        self._same("config.json", config, "the config")
        versions = dict(inputs).pop("versions", None)
        kept = self._same("inputs.json", inputs, "the inputs", may_change="versions")
        if versions != kept.get("versions"):
            self.listen(
                Event(
                    "note",
                    0,
                    "versions",
                    value=f"library versions changed: {kept.get('versions')} → {versions}",
                )
            )
            self._log({"event": "versions", "versions": versions})
        commit(self.folder / "settings.json", dump(settings))

    def _same(
        self, name: str, now: Mapping[str, object], what: str, may_change: str = ""
    ) -> dict[str, object]:
        path = self.folder / name
        if not path.exists():
            commit(path, dump(now))
        kept: dict[str, object] = json.loads(path.read_bytes())
        now = json.loads(dump(now))
        changed = [
            key
            for key in sorted({*flat(kept), *flat(now)})
            if flat(kept).get(key) != flat(now).get(key)
        ]
        changed = [key for key in changed if key.split(".")[0] != may_change]
        if changed:
            differences = "; ".join(
                f"{key}: {flat(kept).get(key)!r} → {flat(now).get(key)!r}"
                for key in changed[:8]
            )
            raise InputsChanged(
                f"{what} of the run in {self.folder} changed since it was started",
                got=differences,
                allowed="the same values as at its first start (rounds, budget and machine settings may change)",
                fix="undo the change, or start a new run with another --run-dir",
            )
        return kept

    # -- steps --------------------------------------------------------------------------------------------------

    def step(
        self,
        round: int,
        name: str,
        fn: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """What `fn(*args)` returned the first time; it runs only if that is not on disk yet.

        The value is always the one *read back*, so that a resumed run and an unbroken one see the same. A step that
        returns None keeps nothing and runs again at the next start.
        """
        path = self._path(round, name).with_suffix(".json")
        if path.exists():
            return load(path, KEPT[name])  # type: ignore[no-any-return]
        started = time.monotonic()
        self.listen(Event("start", round, name))
        value = self._run(round, name, fn, *args, **kwargs)
        if value is None:
            return value
        commit(path, dump(value, where=f"step {name} of round {round}"))
        seconds = time.monotonic() - started
        self._log({"round": round, "step": name, "seconds": float(f"{seconds:.3f}")})
        value = self._tidy(path)
        self.listen(Event("done", round, name, value=value, seconds=seconds))
        return value

    def steps(self, round: int) -> "Steps":
        """`step` for one round."""
        return Steps(self, round)

    def _run(
        self,
        round: int,
        name: str,
        fn: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        self._open = (round, name)
        try:
            return fn(*args, **kwargs)
        finally:
            self._open = None

    def shards(self, rows: Sequence[U]) -> Iterator[tuple[int, Sequence[U]]]:
        """The rows, `shard` of them at a time, with their numbers."""
        return enumerate(
            rows[first : first + self.shard]
            for first in range(0, len(rows), self.shard)
        )

    def map(
        self,
        fn: Callable[[Sequence[U]], Sequence[T]],
        rows: Sequence[U],
        *,
        of: type[T],
        name: str = "rows",
    ) -> tuple[T, ...]:
        """`fn` over fixed shards of `rows`, in row order, inside a step; a finished shard is never redone (R2).

        name: tells the maps of one step apart.
        """
        done: list[T] = []
        for k, shard in self.shards(rows):
            path = self.workspace / f"{k:03d}-{name}.json"
            if not path.exists():
                commit(path, dump(fn(shard), where=str(path)))
            done += load(path, tuple[of, ...])  # type: ignore[valid-type]
            self.tell(len(done), len(rows))
        return tuple(done)

    def map_arrays(
        self, fn: Callable[[Sequence[U]], tuple[Sequence[T], Mapping[str, np.ndarray[Any, Any]]]], rows: Sequence[U], *,
        of: type[T],
    ) -> tuple[tuple[T, ...], dict[str, ArrayFile]]:  # fmt: skip
        """Like `map`, where `fn` also gives arrays by name, each with one entry a row: and the files of all of each."""
        done: list[T] = []
        arrays: dict[str, list[np.ndarray[Any, Any]]] = {}
        for k, shard in self.shards(rows):
            path = self.workspace / f"{k:03d}-rows.json"
            if not path.exists():
                values, found = fn(shard)
                for name, array in found.items():
                    self.save_array(f"{k:03d}-{name}", array)
                commit(
                    path, dump(values, where=str(path))
                )  # last: it commits the arrays
            done += load(path, tuple[of, ...])  # type: ignore[valid-type]
            for saved in sorted(self.workspace.glob(f"{k:03d}-*.npy")):
                arrays.setdefault(saved.stem[4:], []).append(
                    np.load(saved, allow_pickle=False)
                )
            self.tell(len(done), len(rows))
        return tuple(done), {
            name: self.save_array(name, np.concatenate(parts))
            for name, parts in arrays.items()
        }

    def map_array(
        self,
        fn: Callable[[Sequence[U]], np.ndarray[Any, Any]],
        rows: Sequence[U],
        *,
        name: str = "all",
    ) -> ArrayFile:
        """Like `map`, where `fn` gives an array with one entry a row: the file of them all, in row order."""
        parts: list[np.ndarray[Any, Any]] = []
        for k, shard in self.shards(rows):
            path = self.workspace / f"{k:03d}-{name}.npy"
            if not path.exists():
                self.save_array(path.stem, fn(shard))
            parts.append(np.load(path, allow_pickle=False))
            self.tell(sum(map(len, parts)), len(rows))
        return self.save_array(name, np.concatenate(parts))

    @property
    def round(self) -> int:
        """Of the step that is running; -1 for what comes before the first: the baselines."""
        assert self._open is not None, "only inside a step"
        return -1 if "baseline" in self._open[1] else self._open[0]

    @property
    def workspace(self) -> Path:
        """The folder in which the step that is running may write. What its commit doesn't name is removed (R1)."""
        assert self._open is not None, "only inside a step"
        folder = self._path(*self._open)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def tell(self, done: int, total: int, value: object = None) -> None:
        assert self._open is not None, "only inside a step"
        self.listen(Event("part", *self._open, done=done, total=total, value=value))

    def path(self, named: Student | ArrayFile) -> Path:
        """The file or folder that a kept value names."""
        return self.folder / (
            named.folder if isinstance(named, Student) else named.file
        )

    def student(self, folder: Path) -> Student:
        """A folder as a value that can be kept: relative to the run's directory, so that the directory can move."""
        return Student(str(folder.relative_to(self.folder)))

    def save_array(self, name: str, array: np.ndarray[Any, Any]) -> ArrayFile:
        """Numbers of a step, beside its JSON as float32 .npy (R11). Raises DataError for NaN or infinity."""
        if not np.isfinite(array).all():
            raise DataError(
                f"array {name} has {int((~np.isfinite(array)).sum())} values that are not finite numbers"
            )
        path = self.workspace / f"{name}.npy"
        with open(path.with_suffix(".tmp"), "wb") as file:
            np.save(file, array.astype(np.float32))
        settle(path.with_suffix(".tmp"), path)
        return ArrayFile(str(path.relative_to(self.folder)))

    def load_array(self, named: ArrayFile) -> np.ndarray[Any, Any]:
        return np.asarray(np.load(self.path(named), allow_pickle=False))

    # -- weights (R10) ------------------------------------------------------------------------------------------

    def keep_weights(self, past: Sequence[Round]) -> None:
        """Remove the weights of finished rounds that `keep` doesn't ask for, now that the next ones have committed."""
        if self.keep == "all" or not past:
            return
        wanted = {past[-1].student, self.final_student(past, past[-1].student)}
        trained = {str(START / "student"), *(r.student.folder for r in past)}
        for folder in trained - {student.folder for student in wanted}:
            if not Path(folder).is_absolute():
                shutil.rmtree(self.folder / folder, ignore_errors=True)

    def final_student(self, past: Sequence[Round], last: Student) -> Student:
        """The last student; with keep="best", the earliest of those with the best accuracy on dev."""
        if self.keep != "best" or not past:
            return last
        return max(past, key=lambda r: r.report.accuracy).student

    # -- inside -------------------------------------------------------------------------------------------------

    def _path(self, round: int, name: str) -> Path:
        return self.folder / f"round-{round:02d}" / name

    def _lock(self) -> None:
        path = self.folder / "lock"
        self._lock_file = open(path, "a+")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = path.read_text().strip() or "unknown"
            self._lock_file.close()
            raise RunLocked(
                f"another process is at work in {self.folder}",
                got=holder,
                fix="wait for it, stop it, or use another --run-dir",
            ) from None
        os.truncate(self._lock_file.fileno(), 0)
        self._lock_file.write(f"host {socket.gethostname()} pid {os.getpid()}\n")
        self._lock_file.flush()

    def _sweep(self) -> None:
        """Remove what no commit names. Shards and finished checkpoints of a step under way are commits of their own."""
        for path in [*self.folder.glob("**/*.tmp")]:
            remove(path)
        for folder in [*self.folder.glob("round-*/*/")]:
            if folder.with_suffix(".json").exists():
                self._tidy(folder.with_suffix(".json"))
                continue
            for path in folder.iterdir():
                shard = path.suffix == ".json" or (
                    path.suffix == ".npy" and path.stem[:3].isdigit()
                )
                if not shard and path.name != "checkpoints":
                    remove(path)

    def _tidy(self, committed: Path) -> Any:
        """What a committed step kept, read back; what its folder holds and that value doesn't name is removed."""
        kept, folder = load(committed, KEPT[committed.stem]), committed.with_suffix("")
        named = {
            self.path(value)
            for value in walk(kept)
            if isinstance(value, Student | ArrayFile)
        }
        for path in folder.iterdir() if folder.is_dir() else ():
            if path not in named:
                remove(path)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        return kept

    def _log(self, entry: Mapping[str, object]) -> None:
        with open(self.folder / "timings.jsonl", "a") as file:
            file.write(
                json.dumps(
                    {**entry, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
                )
                + "\n"
            )


@dataclasses.dataclass(frozen=True)
class Steps:
    """steps(name, fn, *args) is run.step(round, name, fn, *args)."""

    run: Run
    round: int

    def __call__(
        self, name: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return self.run.step(self.round, name, fn, *args, **kwargs)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
