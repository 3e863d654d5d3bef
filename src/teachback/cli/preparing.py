"""Commands before a run: init, doctor, plan, select, schema, serve-program."""

import typer

from .. import api
from ..config import options
from ..config.reading import read_config
from ..errors import ConfigError
from ..plan.render import format_plan
from ..report import run_notices
from ..report.console import (
    print_json,
    print_lines,
    print_value,
    stderr,
    stdout,
    write_json_lines,
)
from ..report.facts import pick_facts
from ..report.failures import exit_when_stopped
from ..run.files import to_plain
from .app import app

# Of `doctor`: the same as of the error that a run would end in.
NOT_READY_CODE = ConfigError.exit_code


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
    from ..commands.questions_first import ask_grader
    from ..commands.write_config import (
        choose_config_file,
        refuse_pool_endpoint,
        write_config,
    )
    from ..init import ColumnPicks, example_lines, propose_config

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


@app.command("doctor")
def doctor_command(
    path: options.CheckedConfig = None,
    changes: options.ConfigChanges = options.NO_CHANGES,
    as_json: options.JsonOutput = False,
) -> None:
    """What is installed, what this machine has, and whether a config has all it needs. Buys
    nothing.
    """
    from ..demo.demo_config import read_demo_config
    from ..doctor.checkup import make_checkup
    from ..doctor.render import checkup_facts, checkup_lines

    if path is None:
        config, subject = read_demo_config(), "teachback demo"
    else:
        config, subject = read_config(path, changes), str(path)
    checkup = make_checkup(config, subject)
    print_value(checkup, as_json, checkup_facts, checkup_lines)
    if checkup.problems:
        raise typer.Exit(NOT_READY_CODE)


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


@app.command("schema")
def schema_command() -> None:
    """Print the JSON schema of a config, with which editors complete and explain its keys."""
    from ..config.schema import make_schema

    print_json(make_schema())


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
    from ..commands.serve_task import serve_task
    from ..serve.pace import RequestLimit

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
