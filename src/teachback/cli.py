"""The command line: thin.

Exit codes: 0 done, 2 config or data, 3 budget closed early, 4 teacher down, 130 stopped.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from . import api
from .build.rehearsal import make_rehearsal
from .build.task import make_task
from .config.config import Config
from .config.reading import read_config, read_run_config
from .errors import ConfigError, TeachbackError
from .ledger.queries import LedgerReader, open_read_only
from .plan.render import plan_lines
from .plan.values import Plan
from .report import facts, role_costs, run_summary
from .report.evaluation import evaluation_lines
from .report.formatting import display_path, format_accuracy
from .report.progress import Progress
from .report.row_yield import yield_lines
from .run import history
from .run.files import to_plain
from .tasks.table_settings import TableSettings

if TYPE_CHECKING:
    from .init import Guess

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)

ConfigFile = Annotated[
    Path,
    typer.Argument(metavar="CONFIG", help="A YAML file, such as recipes/demo.yaml."),
]
RunFolder = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="The directory of a run, such as runs/demo."),
]
Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="A.B=C",
        help="Change one value of the config; may be repeated.",
    ),
]
RunDir = Annotated[
    Path | None,
    typer.Option(
        "--run-dir", metavar="FOLDER", help="Where the run lies (default: runs/NAME)."
    ),
]
NO_CHANGES: list[str] = []
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", help="Print the result as JSON; progress goes to stderr either way."
    ),
]

Yes = Annotated[
    bool,
    typer.Option("--yes", help="Don't ask before a teacher that costs money is paid."),
]

BUDGET_CLOSED = 3
STOPPED = 130


class InitTeacher(StrEnum):
    pool = "pool"
    openai = "openai"


@app.callback()
def describe() -> None:
    """Finetune a small language model on synthetic data it asks for itself, within a budget you
    set.
    """


@app.command()
def run(
    path: ConfigFile,
    set_: Set = NO_CHANGES,
    run_dir: RunDir = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Run the loop until its rounds or its budget are done. The same command again resumes."""
    settings = read_config(path, set_, run_dir)
    if not yes and not (settings.run_dir / "ledger.sqlite").exists():
        ask_before_spending(settings)
    already = (
        history.read_history(settings.run_dir) if settings.run_dir.exists() else None
    )
    if already is not None and (already.rounds or already.next_step != "open"):
        err.print(f"resuming {settings.run_dir}: {len(already.rounds)} rounds finished")
    err.print(allowance(settings))
    with working() as progress:
        result = api.run(settings, listen=progress.show)
    if (
        already is not None
        and len(already.rounds) == len(result.history.rounds)
        and already.next_step == "open"
    ):
        err.print(
            "nothing was left to do: this run is finished (raise rounds or the budget to go on)"
        )
    if as_json:
        print_json(
            facts.run_facts(
                run_dir=result.run_dir,
                student=result.student,
                baseline=result.history.baseline,
                rounds=result.history.rounds,
                spend=result.spend,
                closed_early=result.short,
            )
        )
    else:
        show_result(settings, result)
    if result.overran:
        err.print(
            f"nothing more was sent, because the teacher ignores its token limit: {result.overran}"
        )
    if result.short:
        err.print(
            "the budget closed before the rounds that were asked for: raise it and run the "
            "same command to go on"
        )
        err.print("(`teachback plan` says how much is needed)")
        raise typer.Exit(BUDGET_CLOSED)


@app.command()
def init(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="JSON lines with questions, such as my.jsonl."
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option("--out", metavar="YAML", help="Default: the file's name, here."),
    ] = None,
    grader: Annotated[
        str | None,
        typer.Option(help="How answers are compared (default: guessed from them)."),
    ] = None,
    question: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Where the questions are.")
    ] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Where the answers are.")
    ] = None,
    teacher: Annotated[
        InitTeacher | None, typer.Option(help="Default: pool, if the rows can teach.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="With --teacher openai: its name.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="With --teacher openai: where it is asked.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over what is there.")
    ] = False,
) -> None:
    """Write a config for a file of your own, with a comment on every choice. Sends nothing."""
    from .init import propose

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
    made = propose(
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
    for line in made.seen:
        err.print(line)
    task = api.write_config(made.text, to)
    err.print(
        f"wrote {to} and read it back: {len(task.seeds)} seeds, {len(task.dev)} dev, "
        f"{len(task.test)} test"
    )
    out.print(f"next:\n\n    teachback {'plan' if made.buys else 'run'} {to}\n")


@app.command()
def plan(
    path: ConfigFile,
    probe: Annotated[
        int,
        typer.Option(
            "--probe",
            metavar="N",
            help="Measure with N real pairs (they are bought) and student steps.",
        ),
    ] = 0,
    set_: Set = NO_CHANGES,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """What a run would ask for, by role and round, and what its budget would stop.

    Without --probe nothing is sent.
    """
    if probe:
        err.print(
            f"probing: {probe} real pairs and student steps; what is bought is paid for, and "
            "kept for the run"
        )
    with working():
        planned = api.plan(read_config(path, set_, run_dir), probe)
    if as_json:
        print_json(to_plain(planned))
    else:
        show_plan(planned, to=out)


@app.command()
def status(
    folder: RunFolder,
    costs: Annotated[
        bool, typer.Option("--costs", help="What the calls came to, by role and round.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What a run has done so far. Reads files only: safe while the run is at work."""
    settings = read_run_config(folder)
    done = history.read_history(folder)
    with ledger_of(folder, settings) as ledger:
        spend, by_role, committed = (
            ledger.spend(),
            ledger.costs_by_role() if costs else [],
            ledger.amount_committed(),
        )
    if as_json:
        status_facts = {
            "rounds": [facts.round_facts(r) for r in done.rounds],
            "next": done.next_step,
            "spend": facts.spend_facts(spend),
            "rounds_asked": settings.rounds,
        }
        if costs:
            status_facts["costs"] = facts.role_cost_facts(by_role)
        print_json(status_facts)
        return
    underway = f", next: {done.next_step}" if done.next_step != "open" else ""
    out.print(
        f"{folder}: {len(done.rounds)} of {settings.rounds or 'any number of'} rounds "
        f"finished{underway}"
    )
    if done.baseline:
        out.print(f"untuned: dev {format_accuracy(done.baseline)}")
    for r, finished in enumerate(done.rounds):
        out.print(run_summary.round_line(r, finished))
    accepted = sum(len(r.fresh.rows) for r in done.rounds)
    for line in (
        *yield_lines(done.rounds),
        run_summary.spend_line(spend),
        run_summary.budget_line(
            settings.budget.budget(), committed, accepted, settings.budget.accepted
        ),
    ):
        out.print(line)
    if costs:
        for line in (
            "",
            *role_costs.role_cost_table(by_role),
            *role_costs.role_cost_notes(by_role),
        ):
            out.print(line)


@app.command()
def evaluate(
    path: Annotated[
        Path,
        typer.Argument(metavar="RUN|CONFIG", help="A run's directory, or a YAML file."),
    ],
    split: Annotated[str, typer.Option("--split", metavar="test|dev")] = "test",
    base: Annotated[
        bool, typer.Option("--base", help="The untuned student instead of the run's.")
    ] = False,
    student: Annotated[
        str | None,
        typer.Option(
            "--student",
            metavar="FOLDER|NAME",
            help="Any other student, asked in the same way.",
        ),
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", help="The first n questions only.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            "--samples", metavar="N", help="Sampled answers to each, for pass@k."
        ),
    ] = 0,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Of --samples (default: 0.8).")
    ] = None,
    set_: Set = NO_CHANGES,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure a student on test or dev: the only command that asks test questions."""
    what = path if api.is_run(path) else read_config(path, set_, run_dir)
    if what is path and (set_ or run_dir):
        raise ConfigError(
            f"{path} is a run: what it is made of is fixed",
            fix="give its YAML file for --set and --run-dir",
        )
    asked: dict[str, Any] = {
        "split": split,
        "n": n,
        "samples": samples,
        "temperature": temperature,
    }
    with working() as progress:
        report = api.evaluate(
            what, base=base, student=student, **asked, listen=progress.show
        )
    if as_json:
        print_json(facts.report_facts(report))
        return
    for line in evaluation_lines(report):
        out.print(line)


@app.command()
def schema() -> None:
    """Print the JSON schema of a config, with which editors complete and explain its keys."""
    from .config.schema import make_schema

    print_json(make_schema())


@app.command()
def select(
    path: ConfigFile,
    n: Annotated[int, typer.Option("-n", min=1, help="How many seeds.")],
    to: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write them as JSONL (default: print)."
        ),
    ] = None,
    set_: Set = NO_CHANGES,
    run_dir: RunDir = None,
) -> None:
    """Rank the seeds by the criterion, with the untuned student, and stop: one JSON object a
    line.
    """
    with working() as progress:
        chosen, pool = api.rank(
            read_config(path, set_, run_dir), n, listen=progress.show
        )
    questions = {e.id: e.question for e in pool}
    lines = [
        json.dumps(
            {
                "rank": p.rank,
                "id": p.seed,
                "score": p.score,
                "question": questions[p.seed],
            },
            ensure_ascii=False,
        )
        for p in chosen.picks
    ]
    if to is None:
        print("\n".join(lines))
    else:
        to.write_text("\n".join(lines) + "\n", encoding="utf-8")
        err.print(f"{len(lines)} seeds in {to}")


@app.command("serve-program")
def serve_program(
    path: ConfigFile,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0: any that is free; it is printed.")
    ] = 0,
    faults: Annotated[
        str,
        typer.Option(
            metavar="NAME:RATE,...", help="What goes wrong: 429:0.05,mixed:0.1"
        ),
    ] = "",
    latency: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Median of what a request takes."),
    ] = 0.0,
    sigma: Annotated[
        float, typer.Option(min=0, help="Of its logarithm: 1 is a long tail.")
    ] = 0.0,
    rate: Annotated[
        float | None,
        typer.Option(min=0, help="Requests a second; more of them get a 429."),
    ] = None,
    burst: Annotated[
        int, typer.Option(min=1, help="Requests at once after a pause, with --rate.")
    ] = 10,
    prompts: Annotated[
        str | None,
        typer.Option(help="Prompts to recognise (default: the config's, or logic)."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="One line of JSON for each request."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws of the faults.")] = 0,
    set_: Set = NO_CHANGES,
) -> None:
    """Serve the task's exact program as an OpenAI-compatible endpoint on this machine: a
    rehearsal at no cost.
    """
    from .serve.faults import mix_faults, parse_faults
    from .serve.pace import RequestLimit, lognormal_latency
    from .serve.program import serve_task_program

    settings = read_config(path, set_)
    task = make_task(settings.task)
    draw, templates, solve = make_rehearsal(settings, task, prompts)
    chosen = mix_faults(parse_faults(faults), seed)
    limit = None if rate is None else RequestLimit(rate, burst)
    serve_task_program(
        task,
        draw,
        templates,
        solve,
        port=port,
        faults=chosen,
        latency_s=lognormal_latency(latency, sigma),
        limit=limit,
        log_path=log,
    )


@app.command()
def compare(
    path: ConfigFile,
    arms: Annotated[
        str | None,
        typer.Option(
            help="Criteria, with commas (default: random, and the config's arms or else loss)."
        ),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            min=1, help="Repeats: each has draws of its own, shared by its arms."
        ),
    ] = 3,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at a time (default: one a core; one on a GPU)."),
    ] = None,
    independent: Annotated[
        bool,
        typer.Option(
            "--independent-draws",
            help="Arms share no draws, and each buys everything itself.",
        ),
    ] = False,
    set_: Set = NO_CHANGES,
    run_dir: RunDir = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Run several criteria on the same seeds and draws, and print accuracy by round with paired
    differences.
    """
    from .compare.comparison import PAGE_FILE, run_comparison
    from .compare.tables import print_comparison

    settings = read_config(path, set_, run_dir)
    names = (
        [arm.strip() for arm in arms.split(",")]
        if arms
        else ["random", *(settings.arms or ["loss"])]
    )
    if not yes and not (settings.run_dir / "repeat-0").exists():
        ask_before_spending(settings, runs=len(names) * repeats)
    with working() as progress:
        result = run_comparison(
            settings,
            names,
            repeats,
            jobs=jobs,
            independent=independent,
            listen=progress.show,
        )
    if as_json:
        print_json(to_plain(result))
    else:
        print_comparison(result, out)
        out.print(
            f"curves.csv, findings.csv and {PAGE_FILE} lie in {display_path(settings.run_dir)}"
        )


def main() -> None:
    """The entry point: errors that are meant become one message and an exit code, without a
    traceback.
    """
    try:
        app()
    except TeachbackError as error:
        err.print(f"error: {error}")
        sys.exit(error.exit_code)


@contextmanager
def working() -> Iterator[Progress]:
    """Shows progress. Ctrl-C ends it without a traceback."""
    try:
        with Progress(err) as progress:
            yield progress
    except KeyboardInterrupt:
        err.print(
            "stopped. What is finished is kept; the same command goes on from here."
        )
        raise typer.Exit(STOPPED) from None


# -- what is printed -------------------------------------------------------------------


@contextmanager
def ledger_of(folder: Path, settings: Config) -> Iterator[LedgerReader]:
    """An arm of a comparison has its ledger two folders up, shared with the other arms."""
    own = folder / "ledger.sqlite"
    path, arm = (
        (own, "main")
        if own.exists()
        else (folder.parent.parent / own.name, folder.name)
    )
    with open_read_only(path, arm=arm, repeat=settings.repeat) as ledger:
        yield ledger


def ask_grader(guess: "Guess") -> str:
    """On a terminal; elsewhere a ConfigError with what speaks for each."""
    if not sys.stdin.isatty():
        raise ConfigError(
            "two graders fit about equally",
            got="; ".join(guess.why),
            allowed=" or ".join(guess.graders),
            fix=", or ".join(f"--grader {name}" for name in guess.graders),
        )
    err.print("; ".join(guess.why))
    grader = ""
    while grader not in guess.graders:
        grader = typer.prompt(
            f"which grader, {' or '.join(guess.graders)}?",
            default=guess.graders[0],
            err=True,
        )
    return grader


def ask_before_spending(settings: Config, runs: int = 1) -> None:
    """Once, on a terminal, where a price is known.

    Elsewhere the budget, which a priced teacher must have, says yes.
    """
    if settings.priced_roles() and sys.stdin.isatty():
        show_plan(api.plan(settings), to=err)
        times = (
            f", {runs} times (answers that runs share are bought once)"
            if runs > 1
            else ""
        )
        typer.confirm(f"Start, and spend up to that{times}?", abort=True, err=True)


def allowance(settings: Config) -> str:
    """What the run may use, in one line."""
    task = settings.task
    if isinstance(task, TableSettings):
        seeds, dev = task.n_seeds or "all", task.n_dev or "all"
    else:  # a function of the user's own has neither
        seeds = getattr(task, "seeds", "the task's")
        dev = getattr(task, "dev", "the task's")
    return run_summary.allowance_line(
        seeds=seeds,
        dev=dev,
        rounds=settings.rounds,
        per_round=settings.per_round,
        limits=settings.budget.model_dump(exclude={"total"}),
        max_new_tokens=settings.student.max_new_tokens,
        criterion=settings.criterion.name,
    )


def show_result(settings: Config, result: api.Result) -> None:
    for line in run_summary.closing_lines(
        run_dir=result.run_dir,
        student=result.student,
        baseline=result.history.baseline,
        rounds=result.history.rounds,
        spend=result.spend,
        dev=make_task(settings.task).dev,
        accepted_limit=settings.budget.accepted,
        system=settings.student.system,
    ):
        out.print(line)


def show_plan(planned: Plan, to: Console) -> None:
    for line in plan_lines(planned):
        to.print(line)


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False))
