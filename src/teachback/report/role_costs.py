"""What the calls of a run cost, by role and round: `teachback status RUN --costs`."""

from collections.abc import Sequence

from ..ledger.costs import FLOPS_PER_KILOFLOP, PICODOLLARS_PER_USD, RoleSpend
from .formatting import format_count, format_usd

COST_COLUMNS = (
    "round",
    "role",
    "calls",  # answered ones
    "tries",  # sent ones, answered or not
    "tokens in",
    "cached",
    "out",
    "thinking",
    "USD",
    "FLOPs",
    "median s",
    "95 %",
)
CHARGE_NOTES = {
    "refused_calls": "tries were turned away, at no cost",
    "in_doubt_calls": "calls are in doubt: charged in full",
    "estimated_calls": "calls came without usage: charged at their worst case",
}


def role_cost_table(costs: Sequence[RoleSpend]) -> list[str]:
    """A header, then one line for each role and round."""
    rows = [COST_COLUMNS, *map(cost_cells, costs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells))
    return lines


def cost_cells(cost: RoleSpend) -> tuple[str, ...]:
    """The cells of one line, in the order of COST_COLUMNS."""
    spend = cost.spend
    median = percentile_95 = ""
    if cost.latency_s:
        median, percentile_95 = (f"{seconds:.2f}" for seconds in cost.latency_s)
    usd = flops = "unknown"
    if not spend.unpriced_calls:
        usd = format_usd(spend.usd / PICODOLLARS_PER_USD)
    if spend.flops:
        flops = format_count(spend.flops * FLOPS_PER_KILOFLOP)
    return (
        # Grading the baseline and a plan's probe are charged to round -1.
        "before" if cost.round < 0 else str(cost.round),
        cost.role,
        str(spend.calls),
        str(cost.sent),
        f"{spend.input_tokens:,}",
        f"{spend.cached_tokens:,}",
        f"{spend.output_tokens:,}",
        f"{spend.reasoning_tokens:,}",
        usd,
        flops,
        median,
        percentile_95,
    )


def role_cost_notes(costs: Sequence[RoleSpend]) -> list[str]:
    """What the table leaves out: calls that were refused, in doubt or estimated."""
    lines = []
    for name, meaning in CHARGE_NOTES.items():
        n_calls = sum(getattr(cost.spend, name) for cost in costs)
        if n_calls:
            lines.append(f"{n_calls} {meaning}")
    return lines
