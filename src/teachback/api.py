"""What the command line does, as functions."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from .build.gatherers import make_gatherers
from .build.judges import make_grading_judge
from .build.prepare import PreparedRun, prepare_run
from .build.purchases import read_purchases
from .build.run import make_ready_run, refuse_total_budget
from .build.selection_steps import make_selection_steps
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
from .report.values import RunSummary
from .rng import draw
from .run import history
from .run.directory import Event, Run
from .run.files import commit_file, hash_bytes, to_json_bytes
from .run.identity import read_precision, read_today
from .student.folder import resolve_model
from .student.measure import SamplingPlan
from .teachers.judge_grades import grade_with_judge
from .types import Example, Report, Round, Selection, Student, Task

Listener = Callable[[Event], None]

DEFAULT_TEMPERATURE = 0.8  # of sampled answers
# By split: a run's steps that measure the tuned student, and the untuned one.
EVALUATION_STEPS = {
    "test": ("test", "test-baseline"),
    "dev": ("evaluate", "baseline"),
}


def ignore_event(event: Event) -> None:
    """A listener that says nothing."""


@dataclass(frozen=True)
class Result:
    history: History
    spend: Spend
    run_dir: Path
    # The folder of the finetuned student.
    student: Path
    # The budget ended the run before the rounds that were asked for.
    closed_early: bool
    # What call used more than its worst case. After it nothing more was sent.
    overrun_reason: str | None

    def summarise(self) -> RunSummary:
        return RunSummary(
            run_dir=self.run_dir,
            student=self.student,
            baseline=self.history.baseline,
            rounds=self.history.rounds,
            spend=self.spend,
            closed_early=self.closed_early,
            overrun_reason=self.overrun_reason,
        )


def run(
    config: Config | Mapping[str, Any] | str | Path, *, listen: Listener = ignore_event
) -> Result:
    """The whole loop.

    The same call again resumes, or returns what is finished. Raises TeachbackError.
    """
    config = as_config(config)
    refuse_total_budget(config)
    refuse_fewer_rounds(config)
    with (
        Run(config.run_dir, keep=config.keep, listen=listen) as opened,
        make_ready_run(config, opened) as ready,
    ):
        seeds = ready.task.seeds
        past = teach(opened, ready.parts, ready.base, seeds, config.rounds)
        return Result(
            history=past,
            spend=ready.ledger.spend(),
            run_dir=opened.folder,
            student=opened.path(past.student),
            closed_early=was_closed_early(past, config),
            overrun_reason=ready.ledger.overrun_reason,
        )


def refuse_fewer_rounds(config: Config) -> None:
    """Growth only (R4): the rounds that are done can't be taken back."""
    n_finished = 0
    if config.run_dir.exists():
        n_finished = len(history.read_history(config.run_dir).rounds)
    if config.rounds is not None and config.rounds < n_finished:
        raise ConfigError(
            f"rounds is below the {n_finished} that the run in {config.run_dir} has finished",
            got=config.rounds,
            allowed=f"{n_finished} or more",
            fix="raise rounds, or use another --run-dir",
        )


def was_closed_early(past: History, config: Config) -> bool:
    """Whether there are fewer rounds than asked for, or the budget cut a round."""
    if config.rounds is None:
        return False
    pairs = [len(r.fresh.rows) + len(r.fresh.rejected) for r in past.rounds]
    return len(past.rounds) < config.rounds or min(pairs) < config.per_round


def rank(
    config: Config | Mapping[str, Any] | str | Path,
    n: int,
    *,
    listen: Listener = ignore_event,
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
        task, base, responder = prepared.task, prepared.base, prepared.responder
        gatherers = make_gatherers(config, opened, task, responder)
        selector = make_selection_steps(config, opened, task, responder, gatherers)
        step = opened.steps(0)
        attempts = step("attempt", selector.attempt, base, task.seeds)
        gathered = step("gather", selector.gather, base, attempts, [], n)
        selection = step("select", selector.select, attempts, gathered, None, [], n)
        return selection, task.seeds


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
    run_or_config: Config | Mapping[str, Any] | str | Path,
    *,
    split: str = "test",
    base: bool = False,
    student: str | Path | None = None,
    n: int | None = None,
    samples: int = 0,
    temperature: float | None = None,
    trust: bool = False,
    listen: Listener = ignore_event,
) -> Report:
    """A student on test or dev. Nothing else asks test questions.

    run_or_config: a run's directory, whose student is measured (base: the untuned one); or a
    config, whose own student is. student: a folder or a name in its place, asked as the config
    says. n: the split's first n questions only. samples: sampled answers to each question beside
    the greedy one, for pass@k. temperature: of these; 0.8 by default. trust: a run's directory may
    start what it names: a server, functions, requests (docs/security.md).

    A run's two students on a whole split, without samples, are steps of the run. All else is kept
    in a folder beside it, which `listen` is told. The same call again resumes, or returns what is
    finished. Raises TeachbackError.
    """
    is_of_run = is_run(run_or_config)
    if is_of_run:
        config = read_run_config(Path(str(run_or_config)), trust=trust)
    else:
        config = as_config(run_or_config)
    if samples and temperature is None:
        temperature = DEFAULT_TEMPERATURE
    request = EvaluationRequest(split, n, samples, temperature)
    check_request(request, base, student)
    if is_of_run and student is None and request == EvaluationRequest(split):
        return evaluate_run(config, request, base, listen)

    if student is not None:
        model = absolute_folder(student)
    elif is_of_run and not base:
        model = str(last_student(config))
    else:
        model = config.student.model
    return evaluate_beside(config, model, request, listen)


class EvaluationRequest(NamedTuple):
    """What a student is measured on."""

    split: str = "test"
    n: int | None = None
    samples: int = 0
    temperature: float | None = None


def check_request(request: EvaluationRequest, base: bool, student: object) -> None:
    """Raises ConfigError, in the words of the command line."""
    if request.split not in EVALUATION_STEPS:
        raise ConfigError(
            "--split",
            got=request.split,
            allowed=" or ".join(EVALUATION_STEPS),
            fix="--split dev",
        )
    if base and student is not None:
        raise ConfigError(
            "--base means the config's own student, and --student another",
            got=student,
            fix="leave out one of them",
        )
    if request.samples < 0:
        raise ConfigError("--samples", got=request.samples, allowed="0 or more")
    temperature = request.temperature
    if temperature is None:
        return
    if not request.samples or not 0 < temperature < inf:
        raise ConfigError(
            "--temperature",
            got=f"{temperature} with {request.samples} samples",
            allowed="above 0, with --samples: the answer that accuracy counts is greedy",
            fix="--samples 8 --temperature 0.8",
        )


def is_run(run_or_config: object) -> bool:
    """Whether a run's directory is meant, be it there or not; otherwise a config is."""
    if not isinstance(run_or_config, str | Path):
        return False
    path = Path(run_or_config)
    return not path.is_file() and path.suffix not in (".yaml", ".yml")


def absolute_folder(student: str | Path) -> str:
    """An existing folder, as an absolute path. Any other name as it is."""
    folder = Path(student).expanduser()
    return str(folder.absolute()) if folder.is_dir() else str(student)


def evaluate_run(
    config: Config, request: EvaluationRequest, base: bool, listen: Listener
) -> Report:
    """Measure a run's student, as a step of the round that made it.

    The run itself has measured dev: that report is read back.
    """
    tuned_step, base_step = EVALUATION_STEPS[request.split]
    with (
        Run(config.run_dir, keep=config.keep, listen=listen) as opened,
        prepare_run(config, opened) as prepared,
    ):
        measure = partial(measure_student, config, prepared, request=request)
        if base:
            return opened.step(0, base_step, measure, prepared.base)
        past = read_finished_rounds(config)
        student = opened.final_student(past, past[-1].student)
        r = next(r for r, finished in enumerate(past) if finished.student == student)
        return opened.step(r, tuned_step, measure, student)


def evaluate_beside(
    config: Config, model: str, request: EvaluationRequest, listen: Listener
) -> Report:
    """Measure any student, in a folder of its own beside the run's.

    The folder's name holds a hash of the student and of what it is measured on.
    """
    student = {
        "model": model,
        "revision": config.student.revision if model == config.student.model else None,
        "precision": read_precision(config.run_dir) or config.student.precision,
        "today": read_today(config.run_dir) or config.student.today,
    }
    student_settings = config.student.model_copy(update=student)
    config = config.model_copy(update={"student": student_settings})

    _, identity = resolve_model(model, student_settings.revision)
    facts = {"student": identity, **request._asdict()}
    key = to_json_bytes({"config": identify_config(config), **facts})
    name = f"{config.run_dir.name}-evaluate-{request.split}-{hash_bytes(key)[:8]}"
    folder = config.run_dir.with_name(name)
    with Run(folder, listen=listen) as opened, prepare_run(config, opened) as prepared:
        commit_file(folder / "asked.json", to_json_bytes(facts))
        listen(Event("note", 0, "evaluate", value=f"kept in {folder}"))
        step, _ = EVALUATION_STEPS[request.split]
        measure = partial(measure_student, config, prepared, request=request)
        return opened.step(0, step, measure, prepared.base)


def last_student(config: Config) -> Path:
    """The folder of a run's student. Takes no lock: nothing is written."""
    past = read_finished_rounds(config)
    run = Run(config.run_dir, keep=config.keep)
    return run.path(run.final_student(past, past[-1].student)).absolute()


def read_finished_rounds(config: Config) -> tuple[Round, ...]:
    past = history.read_history(config.run_dir).rounds
    if not past:
        raise ConfigError(
            f"the run in {config.run_dir} has no finished round",
            fix="run it first, or use --base",
        )
    return past


def measure_student(
    config: Config,
    prepared: PreparedRun,
    student: Student,
    *,
    request: EvaluationRequest,
) -> Report:
    task = prepared.task
    examples = task.test if request.split == "test" else task.dev
    if not examples:
        raise ConfigError(
            f"the task has no {request.split} questions",
            fix="the test set is part of a run's config: set task.test and start a new run",
        )
    if request.n is not None and not 1 <= request.n <= len(examples):
        allowed = f"1 to {len(examples)}, the number of {request.split} questions"
        raise ConfigError("--n", got=request.n, allowed=allowed)
    samples = None
    if request.temperature is not None:
        samples = SamplingPlan(
            request.samples,
            request.temperature,
            partial(draw, config.seed, config.repeat, "sample"),
        )
    examples = examples[: request.n]
    answers = prepared.responder.measure_answers(student, examples, samples)
    judge = make_grading_judge(config)
    if judge:
        pairs = list(zip(examples, answers.attempts, strict=True))
        for example, drawn in zip(examples, answers.sampled, strict=False):
            pairs += [(example, attempt) for attempt in drawn]
        run = prepared.responder.run
        with Ledger(
            run.folder / "ledger.sqlite",
            repeat=config.repeat,
            budget=config.budget.budget(),
            purchases=read_purchases(run.folder, is_judged=True),
        ) as ledger:
            task = grade_with_judge(task, judge, pairs, round=run.round, ledger=ledger)
    return make_report(task, request.split, examples, *answers)


def as_config(config: Config | Mapping[str, Any] | str | Path) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return make_config(config)
    return read_config(Path(config))


def write_config(text: str, to: Path) -> Task:
    """Write a config, after it was read and its task was made. If that fails, nothing is
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
        with suppress(OSError):
            aside.unlink(missing_ok=True)
    return task
