"""The calls, tokens and money of a plan's rounds, by role."""

from collections.abc import Mapping
from functools import partial
from itertools import groupby

from ..ledger.costs import FLOPS_PER_KILOFLOP, PICODOLLARS_PER_USD, Cost
from .role_usage import RoleUsage, sum_role_costs
from .simulation import BudgetTerms, ScenarioRuns
from .teaching_costs import TeachingCosts
from .values import (
    BudgetUse,
    Range,
    RoleBill,
    RoundsBill,
    Scenario,
    ScenarioCounts,
    ScenarioValues,
)

# Factors from the ledger's units to dollars and FLOPs
DISPLAY_UNITS = {"usd": 1 / PICODOLLARS_PER_USD, "flops": FLOPS_PER_KILOFLOP}


def count_bought_pairs(runs: ScenarioRuns) -> dict[Scenario, int]:
    return {scenario: sum(run.bought) for scenario, run in runs.items()}


def count_rounds(runs: ScenarioRuns) -> dict[Scenario, int]:
    return {scenario: len(run.selected) for scenario, run in runs.items()}


def make_role_bills(
    teaching: TeachingCosts,
    pairs: ScenarioCounts,
    rounds: ScenarioCounts,
) -> tuple[RoleBill, ...]:
    """The criterion's roles for so many rounds, and the teacher's for so many pairs."""
    criterion = (make_role_bill(role, rounds) for role in teaching.criterion_roles)
    return (*criterion, *(make_role_bill(role, pairs) for role in teaching.roles))


def make_role_bill(role: RoleUsage, times: ScenarioCounts) -> RoleBill:
    """times: how many pairs, or how many rounds for a role of the criterion."""
    calls = ScenarioValues()
    input_tokens = ScenarioValues()
    output_tokens = ScenarioValues()
    costs = dict[Scenario, Cost]()
    for scenario, n in times.items():
        usage = role.usage(scenario)
        calls[scenario] = role.calls.at(scenario) * n
        input_tokens[scenario] = usage.input_tokens * n
        output_tokens[scenario] = usage.output_tokens * n
        costs[scenario] = role.price.of(usage)
    return RoleBill(
        role.name,
        role.model,
        Range.of(calls),
        Range.of(input_tokens),
        Range.of(output_tokens),
        make_cost_range("usd", costs, times),
        make_cost_range("flops", costs, times),
    )


def make_cost_range(
    kind: str, costs: Mapping[Scenario, Cost], times: ScenarioCounts
) -> Range | None:
    """In dollars or FLOPs; None if a cost is unknown."""
    values = ScenarioValues()
    for scenario, cost in costs.items():
        amount = getattr(cost, kind)
        if amount is None:
            return None
        values[scenario] = amount * times[scenario] * DISPLAY_UNITS[kind]
    return Range.of(values)


def make_rounds_bills(
    teaching: TeachingCosts, runs: ScenarioRuns, rounds_done: int
) -> tuple[RoundsBill, ...]:
    """One bill for each stretch of rounds that are alike."""
    n_rounds = max(len(run.selected) for run in runs.values())
    by_round = map(partial(_count_round_pairs, runs), range(n_rounds))
    bills, first = list[RoundsBill](), rounds_done
    for pairs, alike in groupby(by_round):
        n_alike = len(list(alike))
        selected = {scenario: n for scenario, n, _ in pairs}
        bought = {scenario: n for scenario, _, n in pairs}
        opened = {scenario: int(n > 0) for scenario, n, _ in pairs}
        bills.append(
            RoundsBill(
                first,
                first + n_alike - 1,
                Range.of(selected),
                Range.of(bought),
                make_role_bills(teaching, bought, opened),
            )
        )
        first += n_alike
    return tuple(bills)


def _count_round_pairs(runs: ScenarioRuns, r: int) -> tuple[tuple[Scenario, int, int], ...]:
    """(scenario, pairs selected, pairs bought) of the r-th round that is to come."""
    counts = list[tuple[Scenario, int, int]]()
    for scenario, run in runs.items():
        opened = r < len(run.selected)
        selected, bought = (run.selected[r], run.bought[r]) if opened else (0, 0)
        counts.append((scenario, selected, bought))
    return tuple(counts)


def estimate_budget_use(
    terms: BudgetTerms, teaching: TeachingCosts, runs: ScenarioRuns
) -> BudgetUse:
    bought, rounds = count_bought_pairs(runs), count_rounds(runs)
    pair = {scenario: sum_role_costs(teaching.roles, scenario) for scenario in runs}
    criterion = {
        scenario: sum_role_costs(teaching.criterion_roles, scenario) for scenario in runs
    }

    def cost_with_spent(kind: str) -> Range | None:
        pairs_cost = make_cost_range(kind, pair, bought)
        criterion_cost = make_cost_range(kind, criterion, rounds)
        if pairs_cost is None or criterion_cost is None:
            return None
        spent = (getattr(terms.spent, kind) or 0) * DISPLAY_UNITS[kind]
        return pairs_cost + criterion_cost + Range(spent, spent, spent)

    pairs, tokens = ScenarioValues(), ScenarioValues()
    for scenario, n in bought.items():
        pairs[scenario] = n
        criterion_tokens = rounds[scenario] * criterion[scenario].tokens
        tokens[scenario] = n * pair[scenario].tokens + criterion_tokens
    spent_pairs = terms.spent.generated or 0
    spent_tokens = terms.spent.teacher_tokens or 0
    return BudgetUse(
        Range.of(pairs) + Range(spent_pairs, spent_pairs, spent_pairs),
        Range.of(tokens) + Range(spent_tokens, spent_tokens, spent_tokens),
        cost_with_spent("usd"),
        cost_with_spent("flops"),
    )
