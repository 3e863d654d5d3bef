"""The run that is exported: its config, how far it has come, its rows and its student."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..build.task import make_task, task_sources
from ..config.config import Config
from ..config.reading import read_run_config
from ..config.trust import refuse_unknown_actions
from ..errors import ConfigError, InputsChanged
from ..run.digests import read_verified
from ..run.directory import Run
from ..run.files import hash_bytes
from ..run.history import RunHistory, read_history, read_step
from ..run.identity import COMPARISON_MARKER
from ..types import Row, Task


@dataclass(frozen=True)
class ExportedRun:
    """A run whose files are read and never written. It may be under way."""

    folder: Path
    config: Config
    history: RunHistory
    # Whether its rows come with where they are from, and without the task's prompt.
    with_meta: bool = False
    is_plain: bool = False
    # Whether it may load a function that it names, though it comes from somebody else.
    is_trusted: bool = False

    @cached_property
    def task(self) -> Task:
        """Raises ConfigError for a function of the run's that was never started here, and
        InputsChanged for one that is another now.
        """
        has_function = getattr(self.config.task, "function", None) is not None
        if has_function and not self.is_trusted:
            refuse_unknown_actions(self.config, self.folder)
        refuse_changed_function(self)
        return make_task(self.config.task, self.config.repeat)

    @cached_property
    def given_rows(self) -> tuple[Row, ...]:
        """Rows that were there from the start: the user's own, and the seeds' solutions."""
        rows: tuple[Row, ...] = read_step(self.folder / "round-00", "given") or ()
        return rows

    def count_rows(self) -> int:
        rounds = self.history.rounds
        n_bought = sum(len(finished.fresh.rows) for finished in rounds)
        return len(self.given_rows) + n_bought

    def find_student(self) -> Path:
        """The folder of the student that the run hands over.

        Raises ConfigError for a run that has none yet, and DataError for one whose files
        are not as they were written.
        """
        past = self.history.rounds
        if not past:
            raise ConfigError(
                f"the run in {self.folder} has no student yet",
                got="no finished round",
                fix=f"finish a round, which `teachback status {self.folder}` shows",
            )
        run = Run(self.folder, keep=self.config.keep)
        return run.path(run.final_student(past, past[-1].student))


def read_exported_run(
    folder: Path,
    *,
    with_meta: bool = False,
    is_plain: bool = False,
    is_trusted: bool = False,
) -> ExportedRun:
    """Raises ConfigError where there is no run, or a comparison of several."""
    refuse_comparison(folder)
    config = read_run_config(folder)
    history = read_history(folder)
    return ExportedRun(folder, config, history, with_meta, is_plain, is_trusted)


def refuse_comparison(folder: Path) -> None:
    if not (folder / COMPARISON_MARKER).is_file():
        return
    runs = sorted(path.parent for path in folder.glob("repeat-*/*/config.json"))
    raise ConfigError(
        f"{folder} is a comparison: one of its runs can be exported",
        allowed=", ".join(map(str, runs)) or None,
        fix=f"teachback export {runs[-1] if runs else 'RUN'} …",
    )


def refuse_changed_function(run: ExportedRun) -> None:
    """Raise InputsChanged where the user's task may ask in other words than it did."""
    source = task_sources(run.config.task).get("task")
    if source is None:
        return
    inputs = json.loads(read_verified(run.folder / "inputs.json"))
    if inputs["task"] != f"sha256 {hash_bytes(source)}":
        raise InputsChanged(
            f"the function that made the task of the run in {run.folder} has changed",
            got=f"task.function: {run.config.task.function}",
            fix="put back what it was; or, for rows without the task's prompt: --plain",
        )
