"""The command line: it calls api.py, and prints lines or JSON of the result.

Exit codes: 0 done, 2 config, data or disk, 3 budget closed early, 4 the teacher is down or gives
nothing usable, 130 stopped (Ctrl-C, SIGTERM), 1 anything else.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from . import api
from .build.rehearsal import make_rehearsal
from .build.task import make_task
from .config import options
from .config.config import Config
from .config.reading import read_config, read_run_config
from .endpoints.raw_text import read_raw_text
from .errors import ConfigError, explain_disk_errors
from .ledger.queries import LedgerReader, open_read_only
from .plan.render import format_plan
from .report import run_notices
from .report.console import print_json, print_lines, print_value, stderr, stdout
from .report.evaluation import evaluation_lines
from .report.facts import pick_facts, report_facts, run_facts
from .report.failures import run_command_line, stop
from .report.formatting import display_path
from .report.progress import Progress
from .report.questions import ask_choice
from .report.replies import collect_pairs, pair_facts, pair_lines
from .report.run_status import status_facts, status_lines
from .report.run_summary import summary_lines
from .report.values import RunStatus
from .run.files import to_plain
from .run.history import read_history

if TYPE_CHECKING:
    from .init import GraderGuess

# Errors carry their own exit codes: see errors.py.
BUDGET_CLOSED_CODE = 3

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def describe_program() -> None:
    """Finetune a small language model on synthetic data it asks for itself, within a budget you
    set.
    """


@app.command("run")
def run_command(
    path: options.ConfigFile,
    changes: options.ConfigChanges = options.NO_CHANGES,
    run_dir: options.RunFolderChoice = None,
    yes: options.SkipQuestion = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Run the loop until its rounds or its budget are done. The same command again resumes."""
    config = read_config(path, changes, run_dir)
    if not yes and not (config.run_dir / "ledger.sqlite").exists():
        ask_before_spending(config)
    before = read_history(config.run_dir) if config.run_dir.exists() else None
    print_lines(run_notices.resume_lines(config.run_dir, before), stderr)
    stderr.print(run_notices.allowance_line(config.model_dump()))
    with show_progress() as progress:
        result = api.run(config, listen=progress.show)
    summary = result.summarise()
    print_lines(run_notices.no_work_lines(before, summary.rounds), stderr)
    if as_json:
        print_json(run_facts(summary))
    else:
        lines = summary_lines(
            summary,
            dev=make_task(config.task).dev,
            max_accepted=config.budget.accepted,
            system=config.student.system,
        )
        print_lines(lines)
    print_lines(run_notices.early_end_lines(summary), stderr)
    if summary.closed_early:
        raise typer.Exit(BUDGET_CLOSED_CODE)


@app.command("init")
def init_command(
    path: options.QuestionFile,
    to: options.NewConfigFile = None,
    grader: options.GraderChoice = None,
    question: options.QuestionColumn = None,
    answer: options.AnswerColumn = None,
    teacher: options.TeacherChoice = None,
    model: options.TeacherModel = None,
    base_url: options.TeacherUrl = None,
    force: options.Overwrite = False,
) -> None:
    """Write a config for a file of your own, with a comment on every choice. Sends nothing."""
    # Imported here, as below: `teachback --help` should not wait for what one command needs.
    from .init import propose_config

    to = to or Path(f"{path.stem}.yaml")
    if to.exists() and not force:
        raise ConfigError(
            f"{to} is there already",
            fix="--out ANOTHER.yaml, or --force to write over it",
        )
    if teacher == "pool" and (model or base_url):
        raise ConfigError(
            "a pool has no model and no base-url",
            got="--teacher pool",
            fix="--teacher openai",
        )
    proposal = propose_config(
        path,
        to,
        ask_grader,
        grader=grader,
        question=question,
        answer=answer,
        teacher="openai" if model or base_url else teacher,
        base_url=base_url,
        model=model,
    )
    print_lines(proposal.summary, stderr)
    task = api.write_config(proposal.text, to)
    stderr.print(
        f"wrote {to} and read it back: {len(task.seeds)} seeds, {len(task.dev)} dev, "
        f"{len(task.test)} test"
    )
    next_command = "plan" if proposal.has_paid_teacher else "run"
    stdout.print(f"next:\n\n    teachback {next_command} {to}\n")


@app.command("plan")
def plan_command(
    path: options.ConfigFile,
    probe: options.ProbePairs = 0,
    changes: options.ConfigChanges = options.NO_CHANGES,
    run_dir: options.RunFolderChoice = None,
    as_json: options.JsonOutput = False,
) -> None:
    """What a run would ask for, by role and round, and what its budget would stop.

    Without --probe nothing is sent.
    """
    if probe:
        stderr.print(run_notices.probe_line(probe))
    with show_progress():
        plan = api.plan(read_config(path, changes, run_dir), probe)
    print_value(plan, as_json, to_plain, format_plan)


@app.command("status")
def status_command(
    folder: options.RunFolder,
    costs: options.ShowCosts = False,
    as_json: options.JsonOutput = False,
) -> None:
    """What a run has done so far. Reads files only: safe while the run is at work."""
    config = read_run_config(folder)
    history = read_history(folder)
    with open_run_ledger(folder, config.repeat) as ledger:
        status = RunStatus(
            folder=folder,
            history=history,
            max_rounds=config.rounds,
            spend=ledger.spend(),
            role_costs=ledger.costs_by_role() if costs else None,
            committed=ledger.amount_committed(),
            limits=config.budget.budget(),
            max_accepted=config.budget.accepted,
        )
    print_value(status, as_json, status_facts, status_lines)


@app.command("show")
def show_command(
    folder: options.RunFolder,
    seed: options.ShownSeed = None,
    rejected: options.RejectedOnly = False,
    as_json: options.JsonOutput = False,
) -> None:
    """The teacher's raw replies, and what became of each. Safe while the run is at work."""
    with open_run_ledger(folder, read_run_config(folder).repeat) as ledger:
        replies = ledger.replies(seed)
    pairs = collect_pairs(folder, replies, read_raw_text, seed, rejected)
    print_value(pairs, as_json, pair_facts, pair_lines)


@app.command("evaluate")
def evaluate_command(
    path: options.RunOrConfig,
    split: options.SplitName = "test",
    base: options.UntunedStudent = False,
    student: options.OtherStudent = None,
    n: options.QuestionCount = None,
    samples: options.SampleCount = 0,
    temperature: options.SamplingTemperature = None,
    trust: options.TrustRun = False,
    changes: options.ConfigChanges = options.NO_CHANGES,
    run_dir: options.RunFolderChoice = None,
    as_json: options.JsonOutput = False,
) -> None:
    """Measure a student on test or dev: the only command that asks test questions."""
    is_run = api.is_run(path)
    if is_run and (changes or run_dir):
        raise ConfigError(
            f"{path} is a run: what it is made of is fixed",
            fix="give its YAML file for --set and --run-dir",
        )
    source = path if is_run else read_config(path, changes, run_dir)
    with show_progress() as progress:
        report = api.evaluate(
            source,
            split=split,
            base=base,
            student=student,
            n=n,
            samples=samples,
            temperature=temperature,
            trust=trust,
            listen=progress.show,
        )
    print_value(report, as_json, report_facts, evaluation_lines)


@app.command("schema")
def schema_command() -> None:
    """Print the JSON schema of a config, with which editors complete and explain its keys."""
    from .config.schema import make_schema

    print_json(make_schema())


@app.command("select")
def select_command(
    path: options.ConfigFile,
    n: options.SeedCount,
    to: options.SeedFile = None,
    changes: options.ConfigChanges = options.NO_CHANGES,
    run_dir: options.RunFolderChoice = None,
) -> None:
    """Rank the seeds by the criterion, with the untuned student, and stop: one JSON object a
    line.
    """
    with show_progress() as progress:
        config = read_config(path, changes, run_dir)
        selection, pool = api.rank(config, n, listen=progress.show)
    facts = pick_facts(selection, pool)
    if to is None:
        for pick in facts:
            print_json(pick, indent=None)
    else:
        text = "\n".join(json.dumps(pick, ensure_ascii=False) for pick in facts)
        with explain_disk_errors(to):
            to.write_text(f"{text}\n", encoding="utf-8")
        stderr.print(f"{len(facts)} seeds in {to}")


@app.command("serve-program")
def serve_program_command(
    path: options.ConfigFile,
    port: options.ServerPort = 0,
    faults: options.FaultRates = "",
    latency: options.MedianLatency = 0.0,
    sigma: options.LatencySigma = 0.0,
    rate: options.RequestRate = None,
    burst: options.RequestBurst = 10,
    prompts: options.PromptChoice = None,
    log: options.RequestLog = None,
    seed: options.FaultSeed = 0,
    changes: options.ConfigChanges = options.NO_CHANGES,
) -> None:
    """Serve the task's exact program as an OpenAI-compatible endpoint on this machine: a
    rehearsal at no cost.
    """
    from .serve.faults import mix_faults, parse_faults
    from .serve.pace import RequestLimit, lognormal_latency
    from .serve.program import serve_task_program

    config = read_config(path, changes)
    task = make_task(config.task)
    draw, templates, solve = make_rehearsal(config, task, prompts)
    serve_task_program(
        task,
        draw,
        templates,
        solve,
        port=port,
        faults=mix_faults(parse_faults(faults), seed),
        limit=None if rate is None else RequestLimit(rate, burst),
        latency_s=lognormal_latency(latency, sigma),
        log_path=log,
    )


@app.command("compare")
def compare_command(
    path: options.ConfigFile,
    arms: options.ArmList = None,
    repeats: options.RepeatCount = 3,
    jobs: options.JobCount = None,
    independent: options.IndependentDraws = False,
    changes: options.ConfigChanges = options.NO_CHANGES,
    run_dir: options.RunFolderChoice = None,
    yes: options.SkipQuestion = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Run several criteria on the same seeds and draws, and print accuracy by round with paired
    differences.
    """
    from .compare.comparison import PAGE_FILE, run_comparison
    from .compare.tables import print_comparison

    config = read_config(path, changes, run_dir)
    names = arms.split(",") if arms else ["random", *(config.arms or ["loss"])]
    names = [name.strip() for name in names]
    if not yes and not (config.run_dir / "repeat-0").exists():
        ask_before_spending(config, runs=len(names) * repeats)
    with show_progress() as progress:
        comparison = run_comparison(
            config,
            names,
            repeats,
            jobs=jobs,
            independent=independent,
            listen=progress.show,
        )
    if as_json:
        print_json(to_plain(comparison))
    else:
        print_comparison(comparison, stdout)
        folder = display_path(config.run_dir)
        stdout.print(f"curves.csv, findings.csv and {PAGE_FILE} lie in {folder}")


def main() -> None:
    """The entry point. An error becomes a message and its exit code, not a traceback."""
    run_command_line(app)


# -- what the commands share -------------------------------------------------------------


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Shows progress on stderr. Ctrl-C and SIGTERM end the command without a traceback."""
    try:
        with Progress(stderr) as progress:
            yield progress
    except KeyboardInterrupt:
        stop()


def open_run_ledger(folder: Path, repeat: int) -> AbstractContextManager[LedgerReader]:
    """The ledger of a run. An arm of a comparison shares one, two folders up."""
    path = folder / "ledger.sqlite"
    if path.exists():
        return open_read_only(path, arm="main", repeat=repeat)
    shared = folder.parent.parent / path.name
    return open_read_only(shared, arm=folder.name, repeat=repeat)


def ask_grader(guess: "GraderGuess") -> str:
    problem = "two graders fit about equally"
    return ask_choice(problem, guess.graders, guess.evidence, "--grader")


def ask_before_spending(config: Config, runs: int = 1) -> None:
    """Asks on a terminal whether a run with a known price may start.

    Elsewhere nobody can answer. There the budget, which a priced teacher must have, is consent.
    """
    if not config.priced_roles() or not sys.stdin.isatty():
        return
    print_lines(format_plan(api.plan(config)), stderr)
    times = ""
    if runs > 1:
        times = f", {runs} times (answers that runs share are bought once)"
    typer.confirm(f"Start, and spend up to that{times}?", abort=True, err=True)
