"""What the command line does, as functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import Config, make, of_run, read
from .costs import Spend
from .errors import ConfigError
from .evaluate import report
from .loop import History, teach
from .plan.values import Plan
from .report import history
from .rundir import Event, Run
from .types import Example, Report, Selection, Student
from .wire import Prepared, make_select, prepare, wire

Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that says nothing."""


@dataclass(frozen=True)
class Result:
    """student: the finetuned student's folder. short: the budget ended the run before the rounds it was asked for.

    overran: the call that used more than its worst case, after which nothing more was sent.
    """

    history: History
    spend: Spend
    run_dir: Path
    student: Path
    short: bool
    overran: str | None


def run(config: Config | Mapping[str, Any] | str | Path, *, listen: Listener = silent) -> Result:
    """The whole loop. The same call again resumes, or returns what is finished. Raises TeachbackError."""
    config = as_config(config)
    refuse_fewer_rounds(config)
    with Run(config.run_dir, keep=config.keep, listen=listen) as opened, wire(config, opened) as wired:
        past, ledger = teach(opened, wired.parts, wired.base, wired.task.seeds, config.rounds), wired.ledger
        student, short = opened.path(past.student), cut_short(past, config)
        return Result(past, ledger.spend(), opened.folder, student, short, ledger.overran_why)


def refuse_fewer_rounds(config: Config) -> None:
    """Growth only (R4): the rounds that are done can't be taken back."""
    done = len(history.read(config.run_dir).rounds) if config.run_dir.exists() else 0
    if config.rounds is not None and config.rounds < done:
        raise ConfigError(
            f"rounds is below the {done} that the run in {config.run_dir} has finished",
            got=config.rounds,
            allowed=f"{done} or more",
            fix="raise rounds, or use another --run-dir",
        )


def cut_short(past: History, config: Config) -> bool:
    """Fewer rounds than asked for, or a round that the budget cut."""
    if config.rounds is None:
        return False
    bought = [len(r.fresh.rows) + len(r.fresh.rejected) for r in past.rounds]
    return len(past.rounds) < config.rounds or any(n < config.per_round for n in bought)


def rank(
    config: Config | Mapping[str, Any] | str | Path, n: int, *, listen: Listener = silent
) -> tuple[Selection, tuple[Example, ...]]:
    """The criterion without the loop: the untuned student's n seeds, ranked, and the pool. No teacher is asked."""
    config = as_config(config)
    folder = config.run_dir.with_name(f"{config.run_dir.name}-select-{n}")
    config = config.model_copy(update={"per_round": n, "run_dir": folder})
    with Run(config.run_dir, listen=listen) as opened:
        prepared, choose = prepare(config, opened), make_select(config)
        base, seeds = prepared.base, prepared.task.seeds
        attempts = opened.step(0, "attempt", prepared.answer, base, [(e.id, e.question) for e in seeds])
        return opened.step(0, "select", choose, base, seeds, attempts, [], n), seeds


def plan(config: Config | Mapping[str, Any] | str | Path, probe: int = 0) -> Plan:
    """What a run will ask for: calls, tokens, money, student work, disk, and what the budget stops first.

    probe 0: from lengths, and nothing is sent or written. Else: measured with so many real pairs, which count against
    the budget and which the run finds, and as many student steps. Raises TeachbackError.
    """
    from .plan.wiring import make_plan

    return make_plan(as_config(config), probe)


def evaluate(run_dir: str | Path, *, base: bool = False, listen: Listener = silent) -> Report:
    """The run's student on test; base: the untuned one. The only place where test questions are asked."""
    config = of_run(Path(run_dir))
    with Run(config.run_dir, keep=config.keep, listen=listen) as opened:
        prepared = prepare(config, opened)
        if not prepared.task.test:
            fix = "the test set is part of a run's config: set task.test and start a new run"
            raise ConfigError("the task has no test questions", fix=fix)
        if base:
            return opened.step(0, "test-baseline", tested, prepared, prepared.base)
        past = history.read(opened.folder).rounds
        if not past:
            raise ConfigError(f"the run in {opened.folder} has no finished round", fix="run it first, or use --base")
        student = opened.final_student(past, past[-1].student)
        r = next(r for r, finished in enumerate(past) if finished.student == student)
        return opened.step(r, "test", tested, prepared, student)


def tested(prepared: Prepared, student: Student) -> Report:
    test = prepared.task.test
    return report(prepared.task, "test", test, prepared.answer(student, ((e.id, e.question) for e in test)))


def as_config(config: Config | Mapping[str, Any] | str | Path) -> Config:
    if isinstance(config, Config):
        return config
    return make(config) if isinstance(config, Mapping) else read(Path(config))
