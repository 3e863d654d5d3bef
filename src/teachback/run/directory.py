"""A run's directory: it keeps what each step returned, and from then on reads it back.

    run/
      run.json      the format of this directory
      config.json   what is computed            ledger.sqlite   every paid call with its cost
      inputs.json   hashes of the inputs        timings.jsonl   seconds; no step's file has any (R8)
      settings.json what may change: rounds, budget, machine, endpoint
      lock          held while a process is at work here, with its host and pid
      round-00/select.json                      what step "select" of round 0 returned: its commit
      round-00/finetune/student/                a folder that a commit names
      round-00/attempt/003-rows.json            a shard of a step that has not committed yet

There is no other record of progress. A file appears whole or not at all (R1).
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, ParamSpec, Self, TypeVar

import numpy as np

from ..errors import RunLocked, explain_disk_errors
from ..types import ArrayFile, Round, Student
from . import cleanup
from .arrays import (
    NumpyArray,
    read_array,
    read_committed_array,
    to_array_bytes,
    write_array,
)
from .cleanup import KeepWeights
from .digests import commit_with_digest, list_array_files, read_committed, verify_files
from .files import commit_file, to_json_bytes
from .identity import check_format, keep_identity, mark_format, refuse_foreign_folder
from .locks import acquire_lock
from .steps import STEPS, refuse_lost_step

_P = ParamSpec("_P")
_Row = TypeVar("_Row")
_Value = TypeVar("_Value")

# A kill costs one shard at most. The size shapes the last bits of float results, so it
# depends on the student alone, never on the machine (R2).
ROWS_PER_SHARD = 64
# Tiny students answer so many rows in about the same time, and many rows at once faster.
ROWS_PER_SHARD_TINY = 1024
MAX_TINY_PARAMETERS = 20e6


def choose_shard_size(parameters: float | None) -> int:
    """Rows a shard, for a student of so many parameters (None: unknown)."""
    if parameters is not None and parameters < MAX_TINY_PARAMETERS:
        return ROWS_PER_SHARD_TINY
    return ROWS_PER_SHARD


@dataclass(frozen=True)
class Event:
    """What a run tells its listener."""

    # A step begins, reports progress, or has committed; or there is something to note.
    kind: Literal["start", "part", "done", "note"]
    round: int
    step: str  # a key of STEPS, or ALL_RUNS
    done: int = 0  # of "part": so many of `total`
    total: int = 0
    value: object = None  # of "done": what the step returned; of "note": a text
    seconds: float = 0.0  # of "done"
    unit: str = ""  # which run, where several are at work at the same time


class Run:
    """One run's directory, locked while it is open: `with Run(folder) as run`."""

    def __init__(
        self,
        folder: Path,
        *,
        keep: KeepWeights = "last",
        listen: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.folder = folder
        self.keep = keep
        self.listen = listen
        self.rows_per_shard = ROWS_PER_SHARD  # to be set before the first step
        self._current: tuple[int, str] | None = None  # round and name of the open step
        self._noted: set[tuple[str, str]] = set()
        # What this process has written itself, or found to be as it was written.
        self._verified: set[Path] = set()
        self._saved: set[Path] = set()  # arrays

    def __enter__(self) -> Self:
        """Raises RunLocked, InputsChanged for a directory of another format, and ConfigError for a
        folder that holds something else. Such a folder is left as it is.
        """
        with explain_disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            check_format(self.folder)
            refuse_foreign_folder(self.folder)
            self._lock_file = self._lock()
        try:
            with explain_disk_errors(self.folder):
                mark_format(self.folder)
                cleanup.remove_leftovers(self.folder)
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._unlock()

    def identify(
        self,
        config: Mapping[str, object],
        inputs: Mapping[str, object],
        settings: Mapping[str, object],
        may_change: Callable[[str], bool] = lambda key: False,
    ) -> None:
        """Keep what this run is made from. A later start with anything else is refused (R3).

        Settings may change freely, and so may the keys of the config that `may_change`
        allows. inputs["versions"] may change too: the listener is told,
        and timings.jsonl keeps it. Raises InputsChanged that names each key that differs.
        """
        keep_identity(
            self.folder / "config.json", config, "the config", may_change=may_change
        )
        original = keep_identity(
            self.folder / "inputs.json", inputs, "the inputs", free_key="versions"
        )
        before, now = original.get("versions"), inputs.get("versions")
        if now != before:
            self.note("versions", f"library versions changed: {before} → {now}")
            self._log({"event": "versions", "versions": now})
        commit_file(self.folder / "settings.json", to_json_bytes(settings))

    # -- steps -------------------------------------------------------------------------

    def step(
        self,
        round: int,
        name: str,
        fn: Callable[_P, _Value],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Value:
        """Return what `fn(*args)` returned the first time. It runs if no file has that yet.

        The value is always the one *read back*, so a resumed run and an unbroken one see
        the same. A step that returns None keeps nothing and runs again at the next start.
        """
        step_folder = self._step_folder(round, name)
        path = step_folder.with_suffix(".json")
        value_type = STEPS[name].value_type
        if path.exists():
            return read_committed(path, value_type)  # type: ignore[no-any-return]

        cleanup.refuse_links(step_folder)
        refuse_lost_step(path)
        started = time.monotonic()
        self.listen(Event("start", round, name))
        self._current = (round, name)
        try:
            value = fn(*args, **kwargs)
        finally:
            self._current = None
        if value is None:
            return value
        content = to_json_bytes(value, where=f"step {name} of round {round}")
        made = cleanup.list_made_paths(self.folder, step_folder, value)
        commit_with_digest(path, content, cleanup.list_files(made))
        self._verified |= {*made}
        seconds = time.monotonic() - started

        self._log({"round": round, "step": name, "seconds": float(f"{seconds:.3f}")})
        value = read_committed(path, value_type)
        with explain_disk_errors(step_folder):
            cleanup.remove_unnamed(self.folder, step_folder, value, self._saved)
        self.listen(Event("done", round, name, value=value, seconds=seconds))
        return value

    def steps(self, round: int) -> "RoundSteps":
        """`step` for one round."""
        return RoundSteps(self, round)

    def shards(self, rows: Sequence[_Row]) -> Iterator[tuple[int, Sequence[_Row]]]:
        """Yield the rows a shard at a time, with the shard's number."""
        for number, first in enumerate(range(0, len(rows), self.rows_per_shard)):
            yield number, rows[first : first + self.rows_per_shard]

    def map(
        self,
        fn: Callable[[Sequence[_Row]], Sequence[_Value]],
        rows: Sequence[_Row],
        *,
        of: type[_Value],
        name: str = "rows",
    ) -> tuple[_Value, ...]:
        """Apply `fn` to fixed shards of `rows`, in row order, inside a step (R2).

        A finished shard is never redone. `name` tells the maps of one step apart.
        """
        values: list[_Value] = []
        for number, shard in self.shards(rows):
            path = self.workspace / f"{number:03d}-{name}.json"
            if not path.exists():
                commit_with_digest(path, to_json_bytes(fn(shard), where=str(path)))
            values += read_committed(path, tuple[of, ...])  # type: ignore[valid-type]
            self.report_progress(len(values), len(rows))
        return tuple(values)

    def map_arrays(
        self,
        fn: Callable[
            [Sequence[_Row]], tuple[Sequence[_Value], Mapping[str, NumpyArray]]
        ],
        rows: Sequence[_Row],
        *,
        of: type[_Value],
    ) -> tuple[tuple[_Value, ...], dict[str, ArrayFile]]:
        """Like `map`, where `fn` also returns arrays by name, each with one entry a row.

        Returns the values, and a file for each array of all rows.
        """
        values: list[_Value] = []
        parts: dict[str, list[NumpyArray]] = {}
        for number, shard in self.shards(rows):
            path = self.workspace / f"{number:03d}-rows.json"
            if not path.exists():
                shard_values, arrays = fn(shard)
                array_files = [
                    self.path(self.save_array(f"{number:03d}-{name}", array))
                    for name, array in arrays.items()
                ]
                # The JSON comes last: it commits the arrays.
                content = to_json_bytes(shard_values, where=str(path))
                commit_with_digest(path, content, array_files)
            values += read_committed(path, tuple[of, ...])  # type: ignore[valid-type]
            verify_files(path, below=self.workspace)
            for file in list_array_files(path):
                name = file.stem.removeprefix(f"{number:03d}-")
                parts.setdefault(name, []).append(read_array(file))
            self.report_progress(len(values), len(rows))
        files = {
            name: self.save_array(name, np.concatenate(arrays))
            for name, arrays in parts.items()
        }
        return tuple(values), files

    def map_array(
        self,
        fn: Callable[[Sequence[_Row]], NumpyArray],
        rows: Sequence[_Row],
        *,
        name: str = "all",
    ) -> ArrayFile:
        """Like `map`, where `fn` returns an array with one entry a row. Returns its file."""
        parts: list[NumpyArray] = []
        for number, shard in self.shards(rows):
            path = self.workspace / f"{number:03d}-{name}.npy"
            if not path.exists():
                commit_with_digest(path, to_array_bytes(path, fn(shard)))
            parts.append(read_committed_array(path))
            self.report_progress(sum(map(len, parts)), len(rows))
        return self.save_array(name, np.concatenate(parts))

    # -- inside a step -----------------------------------------------------------------

    @property
    def round(self) -> int:
        """The open step's round; -1 for the baselines, which come before the first."""
        round, name = self._open_step()
        return -1 if name.endswith("baseline") else round

    @property
    def workspace(self) -> Path:
        """The folder of the open step. What its commit doesn't name is removed (R1)."""
        folder = self._step_folder(*self._open_step())
        with explain_disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def report_progress(self, done: int, total: int, value: object = None) -> None:
        round, name = self._open_step()
        self.listen(Event("part", round, name, done=done, total=total, value=value))

    def save_array(self, name: str, array: NumpyArray) -> ArrayFile:
        """Write an array of the open step. Raises DataError for NaN or infinity (R11)."""
        path = self.workspace / f"{name}.npy"
        write_array(path, array)
        self._saved.add(path)
        return ArrayFile(str(path.relative_to(self.folder)))

    def load_array(self, file: ArrayFile) -> NumpyArray:
        return read_array(self.path(file))

    # -- values and files --------------------------------------------------------------

    def note(self, step: str, text: str) -> None:
        """Tell the listener something."""
        self.listen(Event("note", 0, step, value=text))

    def note_once(self, step: str, text: str) -> None:
        """Tell the listener something about a step, unless it was told before."""
        if (step, text) not in self._noted:
            self._noted.add((step, text))
            self.note(step, f"{step}: {text}")

    def path(self, value: Student | ArrayFile) -> Path:
        """The folder or file that a kept value names.

        Raises DataError if it isn't as its step committed it. Weights are read for that once.
        """
        path = cleanup.path_of(self.folder, value)
        # A student may be gone: whoever loads it says so.
        is_there = isinstance(value, ArrayFile) or path.exists()
        if is_there and path not in self._verified:
            # What the open step has made is not committed yet.
            step_folder = cleanup.find_step_folder(self.folder, path)
            is_open = self._current and step_folder == self._step_folder(*self._current)
            if step_folder and not is_open:
                verify_files(step_folder.with_suffix(".json"), below=path)
            self._verified.add(path)
        return path

    def student_in(self, folder: Path) -> Student:
        """Name a folder relative to the run's directory, so that the directory can move."""
        return Student(str(folder.relative_to(self.folder)))

    def remove_old_weights(self, past: Sequence[Round]) -> None:
        """Remove weights that `keep` doesn't ask for. The next ones must have committed."""
        cleanup.remove_old_weights(self.folder, past, self.keep)

    def final_student(self, past: Sequence[Round], last: Student) -> Student:
        """The student to use: the last one, or the best if `keep` says so (R10)."""
        return cleanup.select_final_student(past, last, self.keep)

    def _open_step(self) -> tuple[int, str]:
        assert self._current is not None, "only inside a step"
        return self._current

    def _step_folder(self, round: int, name: str) -> Path:
        return self.folder / f"round-{round:02d}" / name

    def _lock(self) -> int:
        path = self.folder / "lock"
        file = acquire_lock(path)
        if file is None:
            raise RunLocked(
                f"another process is at work in {self.folder}",
                got=path.read_text().strip() or "unknown",
                fix="wait for it, stop it, or use another --run-dir",
            )
        # What it says is for people. A full disk shall not stop a run that has nothing to write.
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.write(file, f"host {socket.gethostname()} pid {os.getpid()}\n".encode())
        return file

    def _unlock(self) -> None:
        with suppress(OSError):
            os.ftruncate(self._lock_file, 0)
        os.close(self._lock_file)

    def _log(self, entry: Mapping[str, object]) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        path = self.folder / "timings.jsonl"
        with explain_disk_errors(path), open(path, "a") as file:
            file.write(json.dumps({**entry, "at": now}) + "\n")


@dataclass(frozen=True)
class RoundSteps:
    """steps(name, fn, *args) is run.step(round, name, fn, *args)."""

    run: Run
    round: int

    def __call__(
        self,
        name: str,
        fn: Callable[_P, _Value],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Value:
        return self.run.step(self.round, name, fn, *args, **kwargs)
