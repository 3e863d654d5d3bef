"""The command line: it calls api.py, and prints lines or JSON of the result.

Exit codes: 0 done, 2 config, data or disk, 3 budget closed early, 4 the teacher is down or gives
nothing usable, 130 stopped (Ctrl-C, SIGTERM), 1 anything else.
"""

from functools import partial

import typer

from . import api
from .build.task import make_task
from .config import options
from .config.config import Config
from .config.reading import read_config
from .errors import ConfigError
from .plan.render import format_plan
from .report import run_notices
from .report.console import (
    print_json,
    print_lines,
    print_value,
    stderr,
    stdout,
    write_json_lines,
)
from .report.evaluation import evaluation_lines
from .report.facts import pick_facts, report_facts, run_facts
from .report.failures import exit_when_stopped, run_command_line
from .report.formatting import display_path
from .report.replies import pair_facts, pair_lines
from .report.run_status import status_facts, status_lines
from .report.run_summary import summary_lines
from .run.files import to_plain
from .run.history import read_history

# Errors carry their own exit codes: see errors.py.
BUDGET_CLOSED_CODE = 3
# Of `doctor`: the same as of the error that a run would end in.
NOT_READY_CODE = ConfigError.exit_code

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def describe_program(version: options.ShowVersion = False) -> None:
    """Finetune a small language model on synthetic data it asks for itself, within a budget you
    set.
    """


@app.command("run")
def run_command(
    path: options.ConfigFile,
    changes: options.ConfigChanges = options.NO_CHANGES,
    run_dir: options.RunFolderChoice = None,
    yes: options.SkipQuestion = False,
    quiet: options.Quiet = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Run the loop until its rounds or its budget are done. The same command again resumes."""
    config = read_config(path, changes, run_dir)
    if not yes and not (config.run_dir / "ledger.sqlite").exists():
        from .commands.questions_first import ask_before_spending

        ask_before_spending(config)
    teach_and_report(config, quiet, as_json)


def teach_and_report(config: Config, quiet: bool, as_json: bool) -> None:
    """Run the loop, and print what came of it."""
    before = read_history(config.run_dir) if config.run_dir.exists() else None
    if not quiet:
        print_lines(run_notices.resume_lines(config.run_dir, before), stderr)
        stderr.print(run_notices.allowance_line(config.model_dump()))
    with exit_when_stopped():
        summary = api.run(config, progress=not quiet).summarise()
    if not quiet:
        print_lines(run_notices.no_work_lines(before, summary.rounds), stderr)
    if as_json:
        print_json(run_facts(summary))
    else:
        task = make_task(config.task)
        lines = summary_lines(
            summary,
            dev=task.dev,
            max_accepted=config.budget.accepted,
            system=config.student.system,
            prompt=task.prompt,
        )
        print_lines(lines)
    print_lines(run_notices.early_end_lines(summary), stderr)
    if summary.closed_early:
        raise typer.Exit(BUDGET_CLOSED_CODE)


@app.command("demo")
def demo_command(
    quick: options.QuickDemo = False,
    run_dir: options.DemoFolderChoice = None,
    quiet: options.Quiet = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Let a small real student learn on this machine: no key, no GPU. The same command again
    resumes.
    """
    from .demo.demo_config import DEMO_FILE, read_demo_config

    if not quiet:
        stderr.print(f"the demo's config: {display_path(DEMO_FILE)}")
    config = read_demo_config(quick=quick, run_dir=run_dir)
    teach_and_report(config, quiet, as_json)


@app.command("doctor")
def doctor_command(
    path: options.CheckedConfig = None,
    changes: options.ConfigChanges = options.NO_CHANGES,
    as_json: options.JsonOutput = False,
) -> None:
    """What is installed, what this machine has, and whether a config has all it needs. Buys
    nothing.
    """
    from .demo.demo_config import read_demo_config
    from .doctor.checkup import make_checkup
    from .doctor.render import checkup_facts, checkup_lines

    if path is None:
        config, subject = read_demo_config(), "teachback demo"
    else:
        config, subject = read_config(path, changes), str(path)
    checkup = make_checkup(config, subject)
    print_value(checkup, as_json, checkup_facts, checkup_lines)
    if checkup.problems:
        raise typer.Exit(NOT_READY_CODE)


@app.command("init")
def init_command(
    path: options.QuestionFile,
    to: options.NewConfigFile = None,
    grader: options.GraderChoice = None,
    question: options.QuestionColumns = options.NO_COLUMNS,
    answer: options.AnswerColumn = None,
    solution: options.SolutionColumn = None,
    choices: options.OptionColumns = options.NO_COLUMNS,
    correct: options.CorrectForm = None,
    subset: options.HubSubset = None,
    teacher: options.TeacherChoice = None,
    model: options.TeacherModel = None,
    base_url: options.TeacherUrl = None,
    force: options.Overwrite = False,
) -> None:
    """Write a config for a file of your own, with a comment on every choice. Sends nothing."""
    # Imported here, as below: `teachback --help` should not wait for what one command needs.
    from .commands.questions_first import ask_grader
    from .commands.write_config import (
        choose_config_file,
        refuse_pool_endpoint,
        write_config,
    )
    from .init import ColumnPicks, example_lines, propose_config

    to = choose_config_file(path, to, force=force)
    has_endpoint = bool(model or base_url)
    refuse_pool_endpoint(teacher, has_endpoint)
    proposal = propose_config(
        path,
        to,
        ask_grader,
        grader=grader,
        picks=ColumnPicks(
            tuple(question),
            answer,
            solution,
            tuple(choices),
            correct.value if correct else None,
        ),
        subset=subset,
        teacher="openai" if has_endpoint else teacher,
        base_url=base_url,
        model=model,
    )
    print_lines(proposal.summary, stderr)
    task = write_config(proposal.text, to)
    print_lines(example_lines(task), stderr)
    stderr.print(
        f"wrote {to} and read it back: {len(task.seeds)} seeds, {len(task.dev)} dev, "
        f"{len(task.test)} test"
    )
    next_command = "plan" if proposal.is_paid else "run"
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
    with exit_when_stopped():
        plan = api.plan(path, probe=probe, changes=changes, run_dir=run_dir)
    print_value(plan, as_json, to_plain, format_plan)


@app.command("status")
def status_command(
    folder: options.RunFolder,
    costs: options.ShowCosts = False,
    as_json: options.JsonOutput = False,
) -> None:
    """What a run has done so far. Reads files only: safe while the run is at work."""
    from .commands.read_run import read_status

    status = read_status(folder, with_costs=costs)
    print_value(status, as_json, status_facts, status_lines)


@app.command("show")
def show_command(
    folder: options.RunFolder,
    seed: options.ShownSeed = None,
    rejected: options.RejectedOnly = False,
    as_json: options.JsonOutput = False,
) -> None:
    """The teacher's raw replies, and what became of each. Safe while the run is at work."""
    from .commands.read_run import read_pairs

    pairs = read_pairs(folder, seed, rejected)
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
    quiet: options.Quiet = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Measure a student on test or dev: the only command that asks test questions."""
    with exit_when_stopped():
        report = api.evaluate(
            path,
            split=split,
            base=base,
            student=student,
            n=n,
            samples=samples,
            temperature=temperature,
            trust=trust,
            changes=changes,
            run_dir=run_dir,
            progress=not quiet,
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
    run_dir: options.RankingFolderChoice = None,
    quiet: options.Quiet = False,
) -> None:
    """Rank the seeds by the criterion, with the untuned student, and stop: one JSON object a
    line.
    """
    with exit_when_stopped():
        ranked = api.select(
            path, n, changes=changes, run_dir=run_dir, progress=not quiet
        )
    facts = pick_facts(ranked.selection, ranked.pool)
    if to is None:
        for pick in facts:
            print_json(pick, indent=None)
    else:
        write_json_lines(to, facts)
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
    from .commands.serve_task import serve_task
    from .serve.pace import RequestLimit

    serve_task(
        read_config(path, changes),
        port=port,
        faults=faults,
        fault_seed=seed,
        latency=(latency, sigma),
        limit=None if rate is None else RequestLimit(rate, burst),
        prompts=prompts,
        log=log,
    )


@app.command("compare")
def compare_command(
    path: options.ConfigFile,
    arms: options.ArmList = None,
    repeats: options.RepeatCount = 3,
    jobs: options.JobCount = None,
    independent: options.IndependentDraws = False,
    changes: options.ConfigChanges = options.NO_CHANGES,
    run_dir: options.ComparisonFolderChoice = None,
    yes: options.SkipQuestion = False,
    quiet: options.Quiet = False,
    as_json: options.JsonOutput = False,
) -> None:
    """Run several criteria on the same seeds and draws, and print accuracy by round with paired
    differences.
    """
    from .commands.questions_first import ask_before_spending
    from .compare.comparison import describe_comparison_files
    from .compare.tables import print_comparison
    from .compare.units import list_arms

    config = read_config(path, changes, run_dir, is_comparison=True)
    names = list_arms(config, arms)
    if not yes and not (config.run_dir / "repeat-0").exists():
        ask_before_spending(config, runs=len(names) * repeats)
    with exit_when_stopped():
        comparison = api.compare(
            config,
            arms=names,
            repeats=repeats,
            jobs=jobs,
            independent_draws=independent,
            progress=not quiet,
        )
    if as_json:
        print_json(to_plain(comparison))
    else:
        print_comparison(comparison, stdout)
        stdout.print(describe_comparison_files(config.run_dir))


def main() -> None:
    """The entry point. An error becomes a message and its exit code, not a traceback."""
    # The name is what completion and usage call it, however it was started.
    run_command_line(partial(app, prog_name="teachback"))
