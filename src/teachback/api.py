"""What the command line does, as functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from .build.gatherers import make_gatherers
from .build.judges import make_grading_judge
from .build.prepare import PreparedRun, prepare_run
from .build.run import make_ready_run
from .build.selector import make_selector
from .build.task import make_task
from .config.config import Config
from .config.reading import make_config, read_config, read_run_config
from .config.run_identity import identify_config
from .errors import ConfigError
from .ledger.costs import Spend
from .ledger.ledger import Ledger
from .loop import History, teach
from .metrics.accuracy import make_report
from .plan.values import Plan
from .rng import draw
from .run import history
from .run.directory import Event, Run
from .run.files import commit_file, to_json_bytes
from .run.identity import hash_bytes, read_precision
from .student.folder import resolve_model
from .student.measure import SamplingPlan
from .teachers.judge_grades import grade_with_judge
from .types import Example, Report, Round, Selection, Student, Task

Listener = Callable[[Event], None]

TEMPERATURE = 0.8  # of sampled answers, where none is given
EVALUATION_STEPS = {
    "test": ("test", "test-baseline"),
    "dev": ("evaluate", "baseline"),
}  # a run's steps: tuned, untuned


def silent(event: Event) -> None:
    """A listener that says nothing."""


@dataclass(frozen=True)
class Result:
    """student: the finetuned student's folder. short: the budget ended the run before the rounds
    it was asked for.

    overran: the call that used more than its worst case, after which nothing more was sent.
    """

    history: History
    spend: Spend
    run_dir: Path
    student: Path
    short: bool
    overran: str | None


def run(
    config: Config | Mapping[str, Any] | str | Path, *, listen: Listener = silent
) -> Result:
    """The whole loop.

    The same call again resumes, or returns what is finished. Raises TeachbackError.
    """
    config = as_config(config)
    refuse_fewer_rounds(config)
    with (
        Run(config.run_dir, keep=config.keep, listen=listen) as opened,
        make_ready_run(config, opened) as wired,
    ):
        past, ledger = (
            teach(opened, wired.parts, wired.base, wired.task.seeds, config.rounds),
            wired.ledger,
        )
        student, short = opened.path(past.student), cut_short(past, config)
        return Result(
            past, ledger.spend(), opened.folder, student, short, ledger.overrun_reason
        )


def refuse_fewer_rounds(config: Config) -> None:
    """Growth only (R4): the rounds that are done can't be taken back."""
    done = (
        len(history.read_history(config.run_dir).rounds)
        if config.run_dir.exists()
        else 0
    )
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
    config: Config | Mapping[str, Any] | str | Path,
    n: int,
    *,
    listen: Listener = silent,
) -> tuple[Selection, tuple[Example, ...]]:
    """The criterion without the loop: the untuned student's n seeds, ranked, and the pool.

    No teacher is asked.
    """
    config = as_config(config)
    folder = config.run_dir.with_name(f"{config.run_dir.name}-select-{n}")
    config = config.model_copy(update={"per_round": n, "run_dir": folder})
    with (
        Run(config.run_dir, listen=listen) as opened,
        prepare_run(config, opened) as prepared,
    ):
        base, seeds = prepared.base, prepared.task.seeds
        task, responder = prepared.task, prepared.responder
        gatherers = make_gatherers(config, opened, task, responder)
        selector = make_selector(config, opened, task, responder, gatherers)
        attempts = opened.step(0, "attempt", selector.attempt, base, seeds)
        gathered = opened.step(0, "gather", selector.gather, base, attempts, [], n)
        return opened.step(
            0, "select", selector.select, attempts, gathered, None, [], n
        ), seeds


def plan(config: Config | Mapping[str, Any] | str | Path, probe: int = 0) -> Plan:
    """What a run will ask for: calls, tokens, money, student work, disk, and what the budget
    stops first.

    probe 0: from lengths, and nothing is sent or written. Else: measured with so many real pairs,
    which count against the budget and which the run finds, and as many student steps. Raises
    TeachbackError.
    """
    from .plan.make import make_plan

    return make_plan(as_config(config), probe)


def evaluate(
    what: Config | Mapping[str, Any] | str | Path,
    *,
    split: str = "test",
    base: bool = False,
    student: str | Path | None = None,
    n: int | None = None,
    samples: int = 0,
    temperature: float | None = None,
    listen: Listener = silent,
) -> Report:
    """A student on test or dev: the only place where test questions are asked.

    Raises TeachbackError.

    what: a run's directory, whose student is measured (base: the untuned one), or a config, whose
    own student is. student: a folder or a name in its place, asked as the config says. n: the
    split's first n questions only. samples: so many sampled answers to each question beside the
    greedy one, for pass@k, at `temperature` (0.8).

    A run's two students on a whole split, without samples, are steps of the run. All else is kept
    in a folder beside it, which `listen` is told. The same call again resumes, or returns what is
    finished.
    """
    of_a_run = is_run(what)
    config = read_run_config(Path(str(what))) if of_a_run else as_config(what)
    asked = Asked(
        split,
        n,
        samples,
        TEMPERATURE if samples and temperature is None else temperature,
    )
    check_asked(asked, base, student)
    if of_a_run and student is None and asked == Asked(split):
        return evaluate_run(config, asked, base, listen)
    own = str(last_student(config)) if of_a_run and not base else config.student.model
    return evaluate_beside(
        config, own if student is None else named(student), asked, listen
    )


class Asked(NamedTuple):
    """What is asked of a student."""

    split: str = "test"
    n: int | None = None
    samples: int = 0
    temperature: float | None = None


def check_asked(asked: Asked, base: bool, student: object) -> None:
    if asked.split not in EVALUATION_STEPS:
        raise ConfigError(
            "--split",
            got=asked.split,
            allowed=" or ".join(EVALUATION_STEPS),
            fix="--split dev",
        )
    if base and student is not None:
        fix = "leave out one of them"
        raise ConfigError(
            "--base means the config's own student, and --student another",
            got=student,
            fix=fix,
        )
    if asked.samples < 0:
        raise ConfigError("--samples", got=asked.samples, allowed="0 or more")
    if asked.temperature is not None and not (
        asked.samples and 0 < asked.temperature < inf
    ):
        got = f"{asked.temperature} with {asked.samples} samples"
        allowed = "above 0, with --samples: the answer that accuracy counts is greedy"
        raise ConfigError(
            "--temperature",
            got=got,
            allowed=allowed,
            fix="--samples 8 --temperature 0.8",
        )


def is_run(what: object) -> bool:
    """Whether a run's directory is meant, be it there or not; or else a config."""
    return (
        isinstance(what, str | Path)
        and not Path(what).is_file()
        and Path(what).suffix not in (".yaml", ".yml")
    )


def named(student: str | Path) -> str:
    """A folder from where the command was given; else as it is."""
    folder = Path(student).expanduser()
    return str(folder.absolute()) if folder.is_dir() else str(student)


def evaluate_run(config: Config, asked: Asked, base: bool, listen: Listener) -> Report:
    """As a step of the round that made the student.

    Dev was asked by the run itself: its report is read back.
    """
    tuned_step, base_step = EVALUATION_STEPS[asked.split]
    with (
        Run(config.run_dir, keep=config.keep, listen=listen) as opened,
        prepare_run(config, opened) as prepared,
    ):
        if base:
            return opened.step(
                0, base_step, tested, config, prepared, prepared.base, asked
            )
        past = finished_rounds(config)
        student = opened.final_student(past, past[-1].student)
        r = next(r for r, finished in enumerate(past) if finished.student == student)
        return opened.step(r, tuned_step, tested, config, prepared, student, asked)


def evaluate_beside(
    config: Config, model: str, asked: Asked, listen: Listener
) -> Report:
    """Any student, in a folder whose name holds a hash of the student and of what it is asked."""
    revision = config.student.revision if model == config.student.model else None
    precision = read_precision(config.run_dir) or config.student.precision
    student = {"model": model, "revision": revision, "precision": precision}
    config = config.model_copy(
        update={"student": config.student.model_copy(update=student)}
    )
    facts = {"student": resolve_model(model, revision)[1], **asked._asdict()}
    mark = hash_bytes(to_json_bytes({"config": identify_config(config), **facts}))[:8]
    folder = config.run_dir.with_name(
        f"{config.run_dir.name}-evaluate-{asked.split}-{mark}"
    )
    with Run(folder, listen=listen) as opened, prepare_run(config, opened) as prepared:
        commit_file(folder / "asked.json", to_json_bytes(facts))
        listen(Event("note", 0, "evaluate", value=f"kept in {folder}"))
        return opened.step(
            0,
            EVALUATION_STEPS[asked.split][0],
            tested,
            config,
            prepared,
            prepared.base,
            asked,
        )


def last_student(config: Config) -> Path:
    """The folder of a run's student. Takes no lock: nothing is written."""
    past, run = finished_rounds(config), Run(config.run_dir, keep=config.keep)
    return run.path(run.final_student(past, past[-1].student)).absolute()


def finished_rounds(config: Config) -> tuple[Round, ...]:
    past = history.read_history(config.run_dir).rounds
    if not past:
        raise ConfigError(
            f"the run in {config.run_dir} has no finished round",
            fix="run it first, or use --base",
        )
    return past


def tested(
    config: Config, prepared: PreparedRun, student: Student, asked: Asked
) -> Report:
    task = prepared.task
    examples = task.test if asked.split == "test" else task.dev
    if not examples:
        fix = (
            "the test set is part of a run's config: set task.test and start a new run"
        )
        raise ConfigError(f"the task has no {asked.split} questions", fix=fix)
    if asked.n is not None and not 1 <= asked.n <= len(examples):
        allowed = f"1 to {len(examples)}, the number of {asked.split} questions"
        raise ConfigError("--n", got=asked.n, allowed=allowed)
    samples = None
    if asked.temperature is not None:
        samples = SamplingPlan(
            asked.samples,
            asked.temperature,
            partial(draw, config.seed, config.repeat, "sample"),
        )
    examples = examples[: asked.n]
    answers = prepared.responder.measure_answers(student, examples, samples)
    judge = make_grading_judge(config)
    if judge:
        pairs = list(zip(examples, answers.attempts, strict=True))
        for example, drawn in zip(examples, answers.sampled, strict=False):
            pairs += [(example, attempt) for attempt in drawn]
        run = prepared.responder.run
        path, budget = run.folder / "ledger.sqlite", config.budget.budget()
        with Ledger(path, repeat=config.repeat, budget=budget) as ledger:
            task = grade_with_judge(task, judge, pairs, round=run.round, ledger=ledger)
    return make_report(task, asked.split, examples, *answers)


def as_config(config: Config | Mapping[str, Any] | str | Path) -> Config:
    if isinstance(config, Config):
        return config
    return (
        make_config(config)
        if isinstance(config, Mapping)
        else read_config(Path(config))
    )


def write_config(text: str, to: Path) -> Task:
    """Write a config that can be read, and whose task can be made; where one can't, nothing is
    written.
    """
    aside = to.with_name(f"{to.name}.tmp")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        task = make_task(read_config(aside).task)
        aside.replace(to)
    except OSError as error:
        raise ConfigError(
            f"{to} can't be written: {error}", fix="--out ANOTHER.yaml"
        ) from error
    finally:
        aside.unlink(missing_ok=True)
    return task
