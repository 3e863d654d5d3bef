"""From the config to a run that is ready to start. Nothing below this room sees a config."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from ..config.config import Config
from ..errors import ConfigError
from ..ledger.costs import Budget
from ..ledger.ledger import Ledger
from ..ledger.meter import meter_progress
from ..loop import Parts
from ..rng import draw
from ..run.directory import Event, Run
from ..student.token_counts import make_token_counter
from ..student.training.finetune import Recipe, RuntimeOptions, finetune
from ..teachers.openai_teacher import make_endpoint
from ..teachers.registered import Teacher, TeacherRun
from ..types import Student, Task
from .criterion import make_selector
from .prepare import Prepared, prepare
from .reserve import make_reserve_opener
from .steps import Train, make_parts
from .student import Answerer
from .teacher import make_teacher


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


@dataclass(frozen=True)
class Wired:
    """A run, ready to start: what `loop.teach` needs, its ledger, and its teacher."""

    task: Task
    parts: Parts
    base: Student
    ledger: Ledger
    teacher: Teacher
    answer: Answerer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()
        self.answer.stop()


def wire(config: Config, run: Run, arm: Arm | None = None) -> Wired:
    """Everything a run is made of. An arm of a comparison is measured on test in each round."""
    check_endpoints(config)
    if config.budget.total and arm is None:
        raise ConfigError(
            "budget.total limits a comparison, and this is one run",
            got=config.budget.total,
            fix="set the same limit in budget itself",
        )
    prepared = prepare(config, run)
    task, base, answer = prepared.task, prepared.base, prepared.answer
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
            make_reserve_opener(config, run, task, base, answer),
            meter_progress(ledger, pair_limits, run.report_progress),
        ),
    )
    selector = make_selector(config, run, task, answer, ledger)
    train = make_train(config, run, prepared)
    test = bool(arm and task.test)
    parts = make_parts(
        config, task, run, ledger, answer, selector, teacher, train, test=test
    )
    return Wired(task, parts, base, ledger, teacher, answer)


def check_endpoints(config: Config) -> None:
    """Raises ConfigError for what would fail at the first call, such as a missing key."""
    _ = [make_endpoint(role, config.prices).key() for role in config.endpoints_by_role().values()]


def open_ledger(config: Config, run: Run, arm: Arm | None) -> Ledger:
    budget = config.budget.budget()
    if arm is None:
        return Ledger(run.folder / "ledger.sqlite", repeat=config.repeat, budget=budget)
    total = config.budget.total
    return Ledger(
        arm.ledger,
        arm=arm.name,
        repeat=config.repeat,
        budget=budget,
        draws=arm.draws,
        shared=arm.together,
        total=total.budget() if total else Budget(),
    )


def make_train(config: Config, run: Run, prepared: Prepared) -> Train:
    recipe = Recipe(
        **config.finetune.model_dump(exclude={"restart", "replay"}),
        precision=prepared.precision,
    )
    answer = prepared.answer
    settings: dict[str, Any] = {
        "chat": answer.chat,
        "recipe": recipe,
        "means": make_means(config),
        "child": config.machine.child,
        "tell": run.report_progress,
        "say": note_once(run, "finetune"),
    }

    def train(start: Path, texts: list[tuple[str, str]], seed: int) -> Path:
        answer.stop()
        return finetune(start, texts, run.workspace, seed=seed, **settings)

    return train


def make_means(config: Config) -> RuntimeOptions:
    """An adapter is kept where a server takes it: one that was trained on the base student."""
    machine, finetune = config.machine, config.finetune
    on_base = finetune.method in ("lora", "qlora") and finetune.restart == "base"
    return RuntimeOptions(
        micro_tokens=machine.micro_tokens,
        checkpointing=machine.gradient_checkpointing,
        save_adapter=on_base and config.student.served,
        report_to=tuple(machine.report_to),
        checkpoint_every_s=machine.checkpoint_every_s,
    )


def note_once(run: Run, step: str) -> Callable[[str], None]:
    """Notes for the run's listener, each text once."""
    noted: set[str] = set()

    def note(text: str) -> None:
        if text not in noted:
            noted.add(text)
            run.listen(Event("note", 0, step, value=f"{step}: {text}"))

    return note
