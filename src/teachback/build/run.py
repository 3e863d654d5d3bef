"""From the config to a run that is ready to start. Nothing below this room sees a config."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from ..config.config import Config
from ..config.needed_modules import require_config_modules
from ..config.trust import remember_actions
from ..errors import ConfigError
from ..ledger.costs import Budget
from ..ledger.ledger import Ledger
from ..ledger.meter import meter_progress
from ..loop import Parts
from ..rng import draw
from ..run.directory import Run
from ..student.responder import StudentResponder
from ..student.token_counts import make_token_counter
from ..teachers.openai_teacher import check_keys
from ..teachers.registered import Teacher, TeacherRun
from ..types import Student, Task
from .finetune_choice import check_training
from .gatherers import make_gatherers
from .prepare import prepare_run
from .purchases import read_purchases
from .reserve import make_reserve_opener
from .selection_steps import make_selection_steps
from .steps import make_parts
from .teacher import make_teacher
from .training import make_train


@dataclass(frozen=True)
class Arm:
    """What a comparison adds to a run."""

    # The ledger of all arms.
    ledger: Path
    name: str
    # Arms of the same number are served one another's answers.
    draws: int
    # Arms may be at work at the same time.
    together: bool
    # Whether it finetunes; the base that arms share only answers.
    trains: bool = True


@dataclass(frozen=True)
class ReadyRun:
    """A run, ready to start: what `loop.teach` needs, its ledger, and its teacher."""

    # With what its `auto` has become.
    config: Config
    task: Task
    parts: Parts
    base: Student
    ledger: Ledger
    teacher: Teacher
    responder: StudentResponder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.ledger.close()
        finally:
            self.responder.free_memory()


def make_ready_run(config: Config, run: Run, arm: Arm | None = None) -> ReadyRun:
    """Everything a run is made of. An arm of a comparison is measured on test in each round."""
    require_config_modules(config, trains=True)
    check_endpoints(config)
    if arm is None:
        refuse_total_budget(config)
    remember_actions(config)
    prepared = prepare_run(config, run, arm.ledger if arm else None)
    config, task = prepared.config, prepared.task
    base, responder = prepared.base, prepared.responder
    if prepared.finetune_note:
        run.note("finetune", f"finetune: {prepared.finetune_note}")
    if arm is None or arm.trains:
        check_training(config, run, run.path(base), prepared.precision)
    ledger = open_ledger(config, run, arm)
    pair_limits = [
        config.budget.generated,
        config.rounds and config.rounds * config.per_round,
    ]
    teacher = make_teacher(
        config,
        task,
        TeacherRun(
            ledger,
            partial(draw, config.seed, config.repeat),
            make_token_counter(run.path(base)),
            prepared.teacher,
            make_reserve_opener(config, run, task, base, responder),
            meter_progress(ledger, pair_limits, run.report_progress),
        ),
    )
    gatherers = make_gatherers(config, run, task, responder, ledger)
    selector = make_selection_steps(config, run, task, responder, gatherers)
    train = make_train(config, run, responder, prepared.precision)
    test = bool(arm and task.test)
    parts = make_parts(
        config, task, run, ledger, responder, selector, teacher, train, test=test
    )
    return ReadyRun(config, task, parts, base, ledger, teacher, responder)


def refuse_total_budget(config: Config) -> None:
    """Raises ConfigError for a limit that only a comparison has."""
    if config.budget.total:
        raise ConfigError(
            "budget.total limits a comparison, and this is one run",
            got=config.budget.total,
            fix="set the same limit in budget itself",
        )


def check_endpoints(config: Config) -> None:
    """Raises ConfigError for what would fail at the first call, such as a missing key."""
    check_keys(config.endpoints_by_role().values(), config.prices)


def open_ledger(config: Config, run: Run, arm: Arm | None) -> Ledger:
    budget = config.budget.budget()
    purchases = read_purchases(run.folder, is_judged=config.judge is not None)
    if arm is None:
        return Ledger(
            run.folder / "ledger.sqlite",
            repeat=config.repeat,
            budget=budget,
            purchases=purchases,
        )
    total = config.budget.total
    return Ledger(
        arm.ledger,
        arm=arm.name,
        repeat=config.repeat,
        budget=budget,
        draws=arm.draws,
        shared=arm.together,
        total=total.budget() if total else Budget(),
        purchases=purchases,
    )
