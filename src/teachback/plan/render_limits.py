"""The budget's lines of a plan: what is used, what ends the run, what each limit does."""

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
    """What ends the run; by scenario, where that differs."""
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
    assumed = ", if every row is accepted" if limit.limit == "accepted" else ""
    hits = collect_hits(limit)
    reached = [hit for hit in hits.values() if hit]
    if not reached:
        used = "all"
        if limit.used.high < limit.value:
            used = format_used_amounts(limit)
        return f"{title}: not reached{assumed}; {used} of it used"

    if len({*hits.values()}) == 1:
        where = describe_hit(reached[0])
    else:
        parts = [
            f"{describe_hit(hit) if hit else 'not reached'} at the {scenario} estimate"
            for scenario, hit in hits.items()
        ]
        where = "; ".join(parts)
    return f"{title}: {where}{assumed}{write_advice(limit, plan, reached)}"


def collect_hits(limit: LimitForecast) -> dict[Scenario, LimitHit | None]:
    """Where the limit ends each scenario; without a probe nothing is expected."""
    hits: dict[Scenario, LimitHit | None] = {"low": limit.low, "high": limit.high}
    if limit.used.expected is not None:
        hits["expected"] = limit.expected
    return {scenario: hits[scenario] for scenario in SCENARIO_ORDER if scenario in hits}


def describe_hit(hit: LimitHit) -> str:
    where = "in" if hit.opened else "before"
    return f"reached {where} round {hit.round}, after {hit.pairs:,} pairs"


def write_advice(limit: LimitForecast, plan: Plan, reached: Sequence[LimitHit]) -> str:
    """What to set the limit to."""
    for_all = ""
    if plan.rounds_asked is not None:
        amount = format_sufficient_amount(limit, limit.for_all)
        for_all = f"all rounds at the high estimate need {amount}"

    if limit.value >= limit.for_all:
        return ""
    fewest = min(hit.pairs for hit in reached)
    counts_pairs = limit.limit in ("generated", "accepted")
    if counts_pairs or fewest >= plan.per_round:
        return f"; {for_all}" if for_all else ""

    what = "Not even one pair fits" if fewest == 0 else "Not even one round fits"
    pair = format_sufficient_amount(limit, limit.for_a_pair)
    whole_round = format_sufficient_amount(limit, limit.for_a_round)
    needs = (
        f"a pair is held with its worst case, so one needs {pair}, "
        f"a round {whole_round}"
    )
    return f". {what}: {needs}" + (f", {for_all}" if for_all else "")


def format_limit_amount(limit: LimitForecast, value: float) -> str:
    if limit.limit == "usd":
        return format_usd_exactly(value)
    if limit.limit == "flops":
        return format_count(value)
    return f"{value:,.0f}"


def format_sufficient_amount(limit: LimitForecast, value: float) -> str:
    """The amount, rounded up: a limit that is set to it is high enough."""
    if limit.limit != "usd":
        return format_limit_amount(limit, value)
    if value >= 1:
        return format_usd_exactly(ceil(value * 10**2) / 10**2)
    return f"{ceil(value * 10**6) / 10**6:g}"


def format_used_amounts(limit: LimitForecast) -> str:
    used = limit.used
    low, high = (
        format_limit_amount(limit, used.low),
        format_limit_amount(limit, used.high),
    )
    if used.low == used.high:
        return low
    if used.expected is None:
        return f"{low}-{high}"
    return f"{format_limit_amount(limit, used.expected)} ({low}-{high})"
