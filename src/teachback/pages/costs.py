"""What a run cost: money, tokens and time, by role, step and round; and against its limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..ledger.costs import Budget
from ..report.formatting import format_amount, format_count, format_duration
from ..report.role_costs import COST_COLUMNS, cost_cells, role_cost_notes
from ..run.steps import STEPS
from .gains import format_spent_usd
from .sources import PageSources

MAX_ROUND_COLUMNS = 8  # the latest rounds
AMOUNT_NAMES = {
    "generated": "pairs",
    "teacher_tokens": "teacher tokens",
    "usd": "dollars",
    "flops": "FLOPs",
}


@dataclass(frozen=True)
class Figure:
    """A number in large type."""

    name: str
    value: str


@dataclass(frozen=True)
class LimitRow:
    """What was projected of an amount, and what it came to."""

    name: str
    reserved: str  # at the worst
    spent: str
    limit: str
    share: float | None  # spent of the limit


@dataclass(frozen=True)
class StepTime:
    step: str
    seconds: tuple[str, ...]  # by round
    total: str
    share: float  # of the run


@dataclass(frozen=True)
class Costs:
    figures: tuple[Figure, ...]
    limits: tuple[LimitRow, ...]
    role_columns: tuple[str, ...]
    roles: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    round_columns: tuple[str, ...]
    times: tuple[StepTime, ...]


def collect_costs(sources: PageSources) -> Costs:
    roles = sources.status.role_costs or ()
    first, n_rounds = choose_round_columns(sources)
    return Costs(
        figures=tuple(list_figures(sources)),
        limits=tuple(list_limits(sources)),
        role_columns=COST_COLUMNS,
        roles=tuple(cost_cells(cost) for cost in roles),
        notes=tuple(role_cost_notes(roles)),
        round_columns=tuple(f"round {r}" for r in range(first, n_rounds)),
        times=tuple(list_times(sources, range(first, n_rounds))),
    )


def list_figures(sources: PageSources) -> Iterator[Figure]:
    spend = sources.status.spend
    yield Figure("spent", format_spent_usd(spend))
    tokens = spend.input_tokens + spend.output_tokens
    yield Figure("teacher tokens", format_count(tokens))
    yield Figure("answered calls", f"{spend.calls:,}")
    seconds = sum(sources.seconds.values())
    yield Figure("in all steps", format_duration(seconds) if seconds else "unknown")


def list_limits(sources: PageSources) -> Iterator[LimitRow]:
    """Amounts that have a limit, or of which anything was used."""
    status = sources.status
    yield from list_row_limits(sources)
    for kind, amount in vars(status.committed).items():
        limit = getattr(status.limits, kind)
        if limit is None and not amount:
            continue
        yield LimitRow(
            AMOUNT_NAMES[kind],
            format_reserved(kind, sources.reserved),
            format_amount(kind, amount),
            format_amount(kind, limit) if limit is not None else "no limit",
            amount / limit if limit else None,
        )


def list_row_limits(sources: PageSources) -> Iterator[LimitRow]:
    """Rounds and accepted rows, which no call reserves."""
    status = sources.status
    finished = status.history.rounds
    counts = [
        ("rounds", len(finished), status.max_rounds),
        (
            "accepted rows",
            sum(len(done.fresh.rows) for done in finished),
            status.max_accepted,
        ),
    ]
    for name, n, limit in counts:
        bound = "no limit" if limit is None else f"{limit:,}"
        yield LimitRow(name, "–", f"{n:,}", bound, n / limit if limit else None)


def format_reserved(kind: str, reserved: Budget | None) -> str:
    amount = getattr(reserved, kind, None)
    return "–" if amount is None else format_amount(kind, amount)


def choose_round_columns(sources: PageSources) -> tuple[int, int]:
    """The rounds from the first number to below the second."""
    n_rounds = max((round + 1 for round, _ in sources.seconds), default=0)
    return max(0, n_rounds - MAX_ROUND_COLUMNS), n_rounds


def list_times(sources: PageSources, rounds: Sequence[int]) -> Iterator[StepTime]:
    """In the order of the steps; those that took no time are left out."""
    seconds = sources.seconds
    total = sum(seconds.values())
    for name, step in STEPS.items():
        of_step = sum(s for (_, other), s in seconds.items() if other == name)
        if of_step < 0.5:
            continue
        yield StepTime(
            step.doing,
            tuple(format_seconds(seconds[r, name]) for r in rounds),
            format_duration(of_step),
            of_step / total,
        )


def format_seconds(seconds: float) -> str:
    if 0 < seconds < 0.5:
        return "<1 s"
    return format_duration(seconds) if seconds else "–"
