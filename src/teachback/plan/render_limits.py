"""The budget's part of a plan's text: the total, what ends the run, and each limit."""

from collections.abc import Sequence
from math import ceil

from ..report.formatting import format_count, format_usd_exactly
from .layout import (
    SCENARIO_ORDER,
    format_count_range,
    format_usd_range,
    wrap_with_label,
)
from .values import BudgetUse, LimitForecast, LimitHit, Plan, Scenario

LIMIT_NAMES = {"teacher_tokens": "teacher tokens", "usd": "USD", "flops": "FLOPs"}


def format_budget(plan: Plan) -> list[str]:
    use = describe_budget_use(plan.within)
    if plan.probe:
        use += ", the probe's included"
    lines = [
        *wrap_with_label("bill", use),
        *wrap_with_label("ends by", describe_end(plan)),
    ]
    for limit in plan.stops:
        lines += wrap_with_label("limit", describe_limit(limit, plan))
    return lines


def describe_budget_use(use: BudgetUse) -> str:
    cost = f"USD {format_usd_range(use.usd)}" if use.usd else "money unknown"
    if use.flops:
        cost += f", {format_count_range(use.flops)} FLOPs"
    return f"{format_count_range(use.pairs)} pairs, {format_count_range(use.tokens)} tokens, {cost}"


def describe_end(plan: Plan) -> str:
    """What ends the run, by scenario if the scenarios differ."""
    ends = {
        scenario: LIMIT_NAMES.get(plan.ends[scenario], plan.ends[scenario])
        for scenario in SCENARIO_ORDER
        if scenario in plan.ends
    }
    if len({*ends.values()}) == 1:
        return ends["low"]
    return ", ".join(f"{end} ({scenario})" for scenario, end in ends.items())


def describe_limit(limit: LimitForecast, plan: Plan) -> str:
    name = LIMIT_NAMES.get(limit.limit, limit.limit)
    title = f"{name} {format_limit_amount(limit, limit.value)}"
    condition = ", if every row is accepted" if limit.limit == "accepted" else ""
    hit_by_scenario = collect_hits(limit)
    hits = [hit for hit in hit_by_scenario.values() if hit]
    if not hits:
        amount = "all"
        if limit.used.high < limit.value:
            amount = format_used_amounts(limit)
        return f"{title}: not reached{condition}; {amount} of it used"

    if len({*hit_by_scenario.values()}) == 1:
        place = describe_hit(hits[0])
    else:
        places = [
            f"{describe_hit(hit)} at the {scenario} estimate"
            for scenario, hit in hit_by_scenario.items()
        ]
        place = "; ".join(places)
    return f"{title}: {place}{condition}{write_advice(limit, plan, hits)}"


def collect_hits(limit: LimitForecast) -> dict[Scenario, LimitHit | None]:
    """Where the limit ends each scenario; without a probe nothing is expected."""
    hits: dict[Scenario, LimitHit | None] = {"low": limit.low, "high": limit.high}
    if limit.used.expected is not None:
        hits["expected"] = limit.expected
    return {scenario: hits[scenario] for scenario in SCENARIO_ORDER if scenario in hits}


def describe_hit(hit: LimitHit | None) -> str:
    if hit is None:
        return "not reached"
    preposition = "in" if hit.opened else "before"
    return f"reached {preposition} round {hit.round}, after {hit.pairs:,} pairs"


def write_advice(limit: LimitForecast, plan: Plan, hits: Sequence[LimitHit]) -> str:
    """What to set the limit to; empty if it is high enough.

    hits: where the limit ends the run, in the scenarios in which it does.
    """
    if limit.value >= limit.for_all:
        return ""
    for_all = ""
    if plan.rounds_asked is not None:
        amount = format_sufficient_amount(limit, limit.for_all)
        for_all = f"all rounds at the high estimate need {amount}"

    fewest_pairs = min(hit.pairs for hit in hits)
    counts_pairs = limit.limit in ("generated", "accepted")
    if counts_pairs or fewest_pairs >= plan.per_round:
        return f"; {for_all}" if for_all else ""

    unit = "pair" if fewest_pairs == 0 else "round"
    pair = format_sufficient_amount(limit, limit.for_a_pair)
    whole_round = format_sufficient_amount(limit, limit.for_a_round)
    advice = (
        f". Not even one {unit} fits: a pair is held with its worst case, "
        f"so one needs {pair}, a round {whole_round}"
    )
    return f"{advice}, {for_all}" if for_all else advice


def format_limit_amount(limit: LimitForecast, value: float) -> str:
    if limit.limit == "usd":
        return format_usd_exactly(value)
    if limit.limit == "flops":
        return format_count(value)
    return f"{value:,.0f}"


def format_sufficient_amount(limit: LimitForecast, value: float) -> str:
    """The amount, rounded up, so that a limit of exactly this amount is high enough."""
    if limit.limit != "usd":
        return format_limit_amount(limit, value)
    if value >= 1:
        return format_usd_exactly(ceil(value * 10**2) / 10**2)
    return f"{ceil(value * 10**6) / 10**6:g}"


def format_used_amounts(limit: LimitForecast) -> str:
    use = limit.used
    low = format_limit_amount(limit, use.low)
    high = format_limit_amount(limit, use.high)
    if use.low == use.high:
        return low
    if use.expected is None:
        return f"{low}-{high}"
    return f"{format_limit_amount(limit, use.expected)} ({low}-{high})"
