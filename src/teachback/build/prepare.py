"""From the config to data and students, checked and identified."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Self

from ..config.config import Config
from ..config.needed_modules import require_config_modules
from ..config.run_identity import (
    identify_config,
    list_free_settings,
)
from ..criteria.function import FunctionSettings
from ..errors import ConfigError, DataError
from ..files.find_files import hash_row_files
from ..run.directory import Run, choose_shard_size
from ..run.identity import read_precision, read_today
from ..run.inputs import make_inputs
from ..student.chat_date import choose_date
from ..student.folder import resolve_model
from ..student.model_size import find_model_size
from ..student.precision import choose_precision
from ..student.responder import StudentResponder
from ..types import Student, Task
from .criterion import check_criterion, import_criterion, make_criterion
from .finetune_choice import settle_finetune
from .judges import make_grading_judge, read_criterion_sources
from .purchases import LEDGER_FILE, may_change_setting
from .student import check_signals, make_responder
from .task import make_task, task_sources
from .teacher import teacher_fingerprint


@dataclass(frozen=True)
class PreparedRun:
    """A run's data and students: all that measuring a student needs."""

    # With what its `auto` has become.
    config: Config
    task: Task
    base: Student
    responder: StudentResponder
    precision: Literal["float32", "bf16"]
    # sha256 of what the teacher is asked with.
    teacher: str
    # What `finetune` has become, and why; empty if nothing was chosen at this start.
    finetune_note: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.responder.free_memory()


def prepare_run(config: Config, run: Run, ledger: Path | None = None) -> PreparedRun:
    """Checks the config against the data, and the inputs against the run's first start.

    ledger: of the comparison that the run is an arm of.
    """
    require_config_modules(config)
    task = make_task(config.task, config.repeat)
    check_data(config, task)
    if config.machine.threads is not None:
        import torch

        torch.set_num_threads(config.machine.threads)

    folder, model = resolve_model(config.student.model, config.student.revision)
    teacher = teacher_fingerprint(config, task)
    known_precision = read_precision(run.folder)
    precision = known_precision or choose_precision(config.student.precision)
    today = config.student.today or read_today(run.folder) or choose_date(folder)
    config, finetune_note = settle_finetune(config, folder, run.folder, precision)
    run.rows_per_shard = choose_shard_size(find_model_size(str(folder)).parameters)
    run.identify(
        identify_config(config),
        make_inputs(
            task,
            model=model,
            precision=precision,
            teacher=teacher,
            rows=hash_row_files(config.rows) if config.rows else None,
            sources=identity_sources(config, task),
            today=today,
        ),
        list_free_settings(config),
        partial(may_change_setting, ledger or run.folder / LEDGER_FILE),
    )
    if task.notes:
        run.note("task", f"task: {'; '.join(task.notes)}")
    if known_precision is None:
        run.note("precision", f"precision: {precision}, from now on part of this run")

    responder = make_responder(config, run, task, folder, precision, today)
    base = Student(str(folder))
    return PreparedRun(config, task, base, responder, precision, teacher, finetune_note)


def identity_sources(config: Config, task: Task) -> dict[str, bytes]:
    """Code and prompts of the user's that decide what is computed (R3)."""
    sources = task_sources(config.task)
    judge = make_grading_judge(config)
    if judge:
        sources["judge"] = judge.template.encode()
    if isinstance(config.criterion, FunctionSettings):
        sources["criterion"] = import_criterion(config.criterion, Path.cwd())[1]
    return {**sources, **read_criterion_sources(config, task)}


def check_data(config: Config, task: Task) -> None:
    """Raises ConfigError or DataError for what only the data can show."""
    if not task.seeds:
        raise DataError(
            "the pool is empty: there are no seeds",
            fix="give at least per_round seed questions",
        )
    if config.per_round > len(task.seeds):
        raise ConfigError(
            "per_round is larger than the pool",
            got=config.per_round,
            allowed=f"1 to {len(task.seeds)}, the number of seeds",
            fix="lower per_round or give more seeds",
        )
    check_signals(config, make_criterion(config.criterion, Path.cwd()).needs)
    check_criterion(config, task)
