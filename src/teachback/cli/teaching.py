"""Commands that let a student learn, or measure one: run, demo, evaluate, compare."""

import typer

from .. import api
from ..build.task import make_task
from ..config import options
from ..config.config import Config
from ..config.reading import read_config
from ..report import run_notices
from ..report.console import print_json, print_lines, print_value, stderr, stdout
from ..report.evaluation import evaluation_lines
from ..report.facts import report_facts, run_facts
from ..report.failures import exit_when_stopped
from ..report.formatting import display_path
from ..report.run_summary import summary_lines
from ..run.files import to_plain
from ..run.history import read_history
from .app import app

# Errors carry their own exit codes: see errors.py.
BUDGET_CLOSED_CODE = 3


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
        from ..commands.questions_first import ask_before_spending

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
    from ..demo.demo_config import DEMO_FILE, read_demo_config

    if not quiet:
        stderr.print(f"the demo's config: {display_path(DEMO_FILE)}")
    config = read_demo_config(quick=quick, run_dir=run_dir)
    teach_and_report(config, quiet, as_json)


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
    from ..commands.questions_first import ask_before_spending
    from ..compare.comparison import describe_comparison_files
    from ..compare.tables import print_comparison
    from ..compare.units import list_arms

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
