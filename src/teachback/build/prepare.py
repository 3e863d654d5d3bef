"""From the config to data and students, checked and identified."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Self

from ..config.config import Config
from ..config.run_identity import (
    find_request_section,
    identify_config,
    list_free_settings,
)
from ..criteria.function import FunctionSettings
from ..errors import ConfigError, DataError
from ..ledger.queries import read_bought_roles
from ..run.directory import Run, choose_shard_size
from ..run.identity import read_precision, read_today
from ..run.inputs import make_inputs
from ..student.chat_date import choose_date
from ..student.folder import resolve_model
from ..student.model_size import find_model_size
from ..student.precision import choose_precision
from ..student.responder import StudentResponder
from ..teachers.judge_gaps import REFEREE_ROLE
from ..teachers.judge_grades import GRADING_ROLE
from ..teachers.judge_marks import MARKING_ROLE
from ..teachers.openai import VERIFIER_ROLE
from ..types import Student, Task
from .criterion import check_criterion, import_criterion, make_criterion
from .judges import make_grading_judge, read_criterion_sources
from .student import check_signals, make_responder
from .task import make_task, task_sources
from .teacher import teacher_fingerprint

LEDGER_FILE = "ledger.sqlite"
# In the ledger.
ROLES_OF_SECTION = {
    "verifier": {VERIFIER_ROLE},
    "judge": {GRADING_ROLE},
    "criterion": {MARKING_ROLE, REFEREE_ROLE},
}
# Every role but these is the teacher's.
OTHER_ROLES = {VERIFIER_ROLE, GRADING_ROLE, MARKING_ROLE, REFEREE_ROLE}


@dataclass(frozen=True)
class PreparedRun:
    """A run's data and students: all that measuring a student needs."""

    task: Task
    base: Student
    responder: StudentResponder
    precision: Literal["float32", "bf16"]
    # sha256 of what the teacher is asked with.
    teacher: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.responder.free_memory()


def prepare_run(config: Config, run: Run, ledger: Path | None = None) -> PreparedRun:
    """Checks the config against the data, and the inputs against the run's first start.

    ledger: of the comparison that the run is an arm of.
    """
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
    run.rows_per_shard = choose_shard_size(find_model_size(str(folder)).parameters)
    run.identify(
        identify_config(config),
        make_inputs(
            task,
            model=model,
            precision=precision,
            teacher=teacher,
            rows=config.rows,
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
    return PreparedRun(task, Student(str(folder)), responder, precision, teacher)


def may_change_setting(ledger: Path, key: str) -> bool:
    """Whether a key of the config may change between two starts.

    What an endpoint is asked with may, as long as nothing was bought from it: such a change is
    what a provider advises that refuses a request.
    """
    section = find_request_section(key)
    if section is None:
        return False
    bought = read_bought_roles(ledger)
    if section == "teacher":
        return bought <= OTHER_ROLES
    return bought.isdisjoint(ROLES_OF_SECTION[section])


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
