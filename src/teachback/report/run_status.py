"""Where a run stands: what `teachback status` prints."""

from typing import Any

from ..ledger.costs import Budget
from .diagnosis.diagnosis import diagnosis_lines
from .facts import diagnosis_facts, role_cost_facts, round_facts, spend_facts
from .formatting import format_accuracy, format_amount
from .role_costs import role_cost_notes, role_cost_table
from .row_yield import yield_lines
from .run_summary import round_line, spend_line
from .values import RunStatus, is_round_open

# These amounts are shown even where they have no limit.
ALWAYS_SHOWN = ("generated", "teacher_tokens")


def status_facts(status: RunStatus) -> dict[str, Any]:
    """What `--json` prints."""
    facts: dict[str, Any] = {
        "rounds": [round_facts(finished) for finished in status.history.rounds],
        "next": status.history.next_step,
        "spend": spend_facts(status.spend),
        "rounds_asked": status.max_rounds,
        "diagnosis": diagnosis_facts(status.diagnosis),
    }
    if status.role_costs is not None:
        facts["costs"] = role_cost_facts(status.role_costs)
    return facts


def status_lines(status: RunStatus) -> list[str]:
    baseline, rounds, _ = status.history
    n_accepted = sum(len(finished.fresh.rows) for finished in rounds)
    lines = [rounds_line(status)]
    if baseline:
        lines.append(f"untuned: dev {format_accuracy(baseline)}")
    lines += [round_line(r, finished) for r, finished in enumerate(rounds)]
    lines += [
        *yield_lines(rounds),
        spend_line(status.spend),
        budget_line(status.limits, status.committed, n_accepted, status.max_accepted),
    ]
    if status.role_costs is not None:
        table = role_cost_table(status.role_costs)
        lines += ["", *table, *role_cost_notes(status.role_costs)]
    if status.diagnosis is not None:
        lines += ["", *diagnosis_lines(status.diagnosis)]
    return lines


def rounds_line(status: RunStatus) -> str:
    history = status.history
    planned = status.max_rounds or "any number of"
    line = f"{status.folder}: {len(history.rounds)} of {planned} rounds finished"
    if is_round_open(history):
        line += f", next: {history.next_step}"
    return line


def budget_line(
    limits: Budget, committed: Budget, n_accepted: int, max_accepted: int | None
) -> str:
    """What counts against each limit.

    Of the amounts without a limit it shows ALWAYS_SHOWN only.
    """
    parts = []
    for kind, amount in vars(committed).items():
        limit = getattr(limits, kind)
        if limit is None and kind not in ALWAYS_SHOWN:
            continue
        bound = format_amount(kind, limit) if limit else "no limit"
        parts.append(f"{format_amount(kind, amount)} of {bound}")
    if max_accepted is not None:
        parts.append(f"{n_accepted} of {max_accepted} accepted rows")
    return "budget: " + ", ".join(parts)
