"""What a command says of a run: lines for a person, plain data for a program."""

from pathlib import Path
from typing import Any

from ..api import Result
from ..build.task import make_task
from ..build.teacher import make_budget
from ..config import config
from ..ledger.costs import Budget
from ..run.files import to_plain
from . import expenses, figures, measured, summary

ALWAYS = ("generated", "teacher_tokens")


def allowance(settings: config.Config) -> str:
    task, budget = settings.task, settings.budget
    seeds: object
    dev: object
    if isinstance(task, config.OwnTask):
        seeds = dev = "the task's"
    elif isinstance(task, config.Jsonl | config.Hub):
        seeds, dev = task.n_seeds or "all", task.n_dev or "all"
    else:
        seeds, dev = task.seeds, task.dev
    rounds = (
        f"{settings.rounds} rounds"
        if settings.rounds
        else "rounds until the budget is spent"
    )
    limits = [
        f"{v:,} {name.replace('_', ' ')}"
        for name, v in budget.model_dump().items()
        if v is not None
    ]
    return (
        f"allowance: {seeds} seeds, {rounds} of {settings.per_round} rows, "
        f"at most {' and '.join(limits) or 'rounds × rows'}, {dev} dev questions, "
        f"answers of at most {settings.student.max_new_tokens} tokens; criterion {settings.criterion.name}"
    )


def closing(settings: config.Config, result: Result) -> list[str]:
    past, run_dir, student = (
        result.history,
        shown(result.run_dir),
        shown(result.student),
    )
    after = past.rounds[-1].report if past.rounds else past.baseline
    lines = [
        "",
        f"dev accuracy: {summary.percent(past.baseline)} before, "
        f"{summary.percent(after)} after {len(past.rounds)} rounds",
        *measured.change(past.baseline, after),
    ]
    lines += [summary.round_line(r, finished) for r, finished in enumerate(past.rounds)]
    lines += [
        *summary.yield_lines(past.rounds, settings.budget.accepted),
        summary.spend_line(result.spend),
        "",
    ]
    lines += [*summary.learned(past.baseline, after, make_task(settings.task).dev)]
    lines += [f"everything lies in {run_dir}; the student in {student}", "use it:", ""]
    return [
        *lines,
        *(
            f"    {line}"
            for line in summary.use_lines(student, settings.student.system)
        ),
        "",
    ]


def shown(path: Path) -> Path:
    """As a person would write it: from the current folder, when it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def budget_line(budget: config.BudgetConfig, committed: Budget, accepted: int) -> str:
    """What counts against each limit; of what has none, pairs and tokens only."""
    limits = vars(make_budget(budget))
    kinds = {
        kind: value
        for kind, value in vars(committed).items()
        if limits[kind] is not None or kind in ALWAYS
    }
    said = [
        f"{figures.amount(kind, value)} of "
        + (figures.amount(kind, limits[kind]) if limits[kind] else "no limit")
        for kind, value in kinds.items()
    ]
    if budget.accepted is not None:
        said.append(f"{accepted} of {budget.accepted} accepted rows")
    return "budget: " + ", ".join(said)


def run_facts(result: Result) -> dict[str, Any]:
    return {
        "run_dir": str(result.run_dir),
        "student": str(result.student),
        "baseline": report_facts(result.history.baseline),
        "rounds": [round_facts(r) for r in result.history.rounds],
        "spend": expenses.spend_facts(result.spend),
        "budget_closed_early": result.short,
    }


def round_facts(finished: Any) -> dict[str, Any]:
    transfer = finished.transfer
    return {
        "accepted": len(finished.fresh.rows),
        "rejected": len(finished.fresh.rejected),
        "length_rho": finished.chosen.length_rho,
        "seed_median": transfer.seed_median,
        "row_median": transfer.row_median,
        "row_rho": transfer.row_rho,
        "dev": report_facts(finished.report),
    }


def report_facts(report: Any) -> dict[str, Any]:
    plain: Any = to_plain(report)
    return {key: value for key, value in plain.items() if key != "items"}
