"""`teachback evaluate`: a student on test or dev."""

from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import NamedTuple

from ..build.judges import make_grading_judge
from ..build.prepare import PreparedRun, prepare_run
from ..build.purchases import read_purchases
from ..config.config import Config
from ..config.reading import ConfigSource, read_run_config, resolve_config
from ..config.run_identity import identify_config
from ..config.tree import ConfigEdits
from ..errors import ConfigError
from ..ledger.ledger import Ledger
from ..metrics.accuracy import make_report
from ..rng import draw
from ..run import history
from ..run.directory import Event, Run
from ..run.files import commit_file, hash_bytes, to_json_bytes
from ..run.identity import read_precision, read_today
from ..student.folder import resolve_model
from ..student.measure import SamplingPlan
from ..teachers.judge_grades import grade_with_judge
from ..types import Report, Round, Student
from .results import Evaluation

_Listener = Callable[[Event], None]

DEFAULT_TEMPERATURE = 0.8  # of sampled answers
# By split: a run's steps that measure the tuned student, and the untuned one.
EVALUATION_STEPS = {
    "test": ("test", "test-baseline"),
    "dev": ("evaluate", "baseline"),
}


def evaluate_any_student(
    config: Config,
    request: "EvaluationRequest",
    listen: _Listener,
    *,
    is_of_run: bool,
    base: bool,
    student: str | Path | None,
) -> Evaluation:
    """is_of_run: the config is that of a run, whose student is measured."""
    if request.samples and request.temperature is None:
        request = request._replace(temperature=DEFAULT_TEMPERATURE)
    check_request(request, base, student)
    if is_of_run and student is None and request == EvaluationRequest(request.split):
        return show_report(evaluate_run(config, request, base, listen))

    if student is not None:
        model = absolute_folder(student)
    elif is_of_run and not base:
        model = str(last_student(config))
    else:
        model = config.student.model
    return show_report(evaluate_beside(config, model, request, listen))


def read_measured_config(
    run_or_config: ConfigSource,
    changes: ConfigEdits = (),
    run_dir: str | Path | None = None,
    *,
    trust: bool = False,
) -> Config:
    """The config of a run, which is fixed, or another with its changes."""
    if not is_run(run_or_config):
        return resolve_config(run_or_config, changes, run_dir)
    if changes or run_dir is not None:
        raise ConfigError(
            f"{run_or_config} is a run: what it is made of is fixed",
            fix="give its YAML file for --set and --run-dir",
        )
    return read_run_config(Path(str(run_or_config)), trust=trust)


def is_run(run_or_config: object) -> bool:
    """Whether a run's directory is meant, be it there or not; otherwise a config is."""
    if not isinstance(run_or_config, str | Path):
        return False
    path = Path(run_or_config)
    return not path.is_file() and path.suffix not in (".yaml", ".yml")


def show_report(report: Report) -> Evaluation:
    return Evaluation(**vars(report))


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


def absolute_folder(student: str | Path) -> str:
    """An existing folder, as an absolute path. Any other name as it is."""
    folder = Path(student).expanduser()
    return str(folder.absolute()) if folder.is_dir() else str(student)


def evaluate_run(
    config: Config, request: EvaluationRequest, base: bool, listen: _Listener
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
    config: Config, model: str, request: EvaluationRequest, listen: _Listener
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
