"""What a run did, as plain data: what `--json` prints."""

from collections.abc import Sequence
from typing import Any

from ..ledger.costs import (
    FLOPS_PER_KILOFLOP,
    PICODOLLARS_PER_USD,
    CallCost,
    RoleSpend,
    Spend,
)
from ..run.files import to_plain
from ..types import Example, Report, Round, Selection
from .diagnosis.diagnosis import Diagnosis
from .values import RunSummary


def run_facts(summary: RunSummary) -> dict[str, Any]:
    return {
        "run_dir": str(summary.run_dir),
        "student": str(summary.student),
        "page": None if summary.page is None else str(summary.page),
        "baseline": report_facts(summary.baseline),
        "rounds": [round_facts(finished) for finished in summary.rounds],
        "spend": spend_facts(summary.spend),
        "budget_closed_early": summary.closed_early,
        "diagnosis": diagnosis_facts(summary.diagnosis),
    }


def diagnosis_facts(diagnosis: Diagnosis | None) -> object:
    return None if diagnosis is None else to_plain(diagnosis)


def round_facts(finished: Round) -> dict[str, Any]:
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


def report_facts(report: Report) -> dict[str, Any]:
    """The report without its single questions."""
    plain: Any = to_plain(report)
    return {key: value for key, value in plain.items() if key != "items"}


def pick_facts(selection: Selection, pool: Sequence[Example]) -> list[dict[str, Any]]:
    """One object for each selected seed, the best first."""
    question = {seed.id: seed.question for seed in pool}
    return [
        {
            "rank": pick.rank,
            "id": pick.seed,
            "score": pick.score,
            "question": question[pick.seed],
        }
        for pick in selection.picks
    ]


def point_facts(baseline: Report, rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """One flat object for each point of the learning curve: the untuned student, each round."""
    points = [{"rounds": 0, **accuracy_facts(baseline)}]
    for n_rounds, finished in enumerate(rounds, start=1):
        facts = round_facts(finished)
        del facts["dev"]
        points.append({"rounds": n_rounds, **accuracy_facts(finished.report), **facts})
    # A table has the same columns in every line.
    return [dict.fromkeys(points[-1]) | point for point in points]


def accuracy_facts(report: Report) -> dict[str, Any]:
    names = ("accuracy", "low", "high", "right", "n", "gold_nll")
    return {name: getattr(report, name) for name in names}


def call_facts(calls: Sequence[CallCost]) -> list[dict[str, Any]]:
    facts = []
    for call in calls:
        usd = None if call.usd is None else call.usd / PICODOLLARS_PER_USD
        is_estimated = bool(call.estimated)
        facts.append({**call._asdict(), "usd": usd, "estimated": is_estimated})
    return facts


def role_cost_facts(costs: Sequence[RoleSpend]) -> list[dict[str, Any]]:
    """One object for each role and round."""
    facts = []
    for cost in costs:
        median_s, p95_s = cost.latency_s or (None, None)
        facts.append(
            {
                "role": cost.role,
                "round": cost.round,
                "sent": cost.sent,
                **spend_facts(cost.spend),
                "median_s": median_s,
                "p95_s": p95_s,
            }
        )
    return facts


def spend_facts(spend: Spend) -> dict[str, Any]:
    """The spend in dollars and FLOPs; None where they are unknown."""
    return {
        **vars(spend),
        "usd": None if spend.unpriced_calls else spend.usd / PICODOLLARS_PER_USD,
        "flops": spend.flops * FLOPS_PER_KILOFLOP or None,
        "in_doubt_usd": spend.in_doubt_usd / PICODOLLARS_PER_USD,
    }
