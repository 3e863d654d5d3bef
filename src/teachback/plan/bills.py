"""The calls, tokens and money of a plan's rounds, by role."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from ..ledger.costs import FLOPS_PER_KILOFLOP, PICODOLLARS_PER_USD, Cost
from .role_usage import RoleUsage, sum_role_costs
from .values import (
    BudgetUse,
    Range,
    RoleBill,
    RoundsBill,
    Scenario,
    ScenarioCounts,
    ScenarioValues,
)

if TYPE_CHECKING:
    from .budget_terms import BudgetTerms
    from .simulation import ScenarioRuns
    from .teaching_costs import TeachingCosts

# Factors from the ledger's units to dollars and FLOPs
DISPLAY_UNITS = {"usd": 1 / PICODOLLARS_PER_USD, "flops": FLOPS_PER_KILOFLOP}


def count_bought_pairs(runs: ScenarioRuns) -> dict[Scenario, int]:
    return {scenario: sum(run.bought_pairs) for scenario, run in runs.items()}


def count_rounds(runs: ScenarioRuns) -> dict[Scenario, int]:
    return {scenario: len(run.selected_pairs) for scenario, run in runs.items()}


def make_role_bills(
    teaching: TeachingCosts,
    pairs: ScenarioCounts,
    rounds: ScenarioCounts,
) -> tuple[RoleBill, ...]:
    """The criterion's roles for so many rounds, and the teacher's for so many pairs."""
    criterion_bills = [
        make_role_bill(role, rounds) for role in teaching.criterion_roles
    ]
    teacher_bills = [make_role_bill(role, pairs) for role in teaching.roles]
    return (*criterion_bills, *teacher_bills)


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
    """The costs times their counts, in dollars or FLOPs; None if a cost is unknown.

    kind: "usd" or "flops".
    """
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
    """One bill for each stretch of consecutive rounds that are alike."""
    n_rounds = max(len(run.selected_pairs) for run in runs.values())
    by_round = map(partial(_count_round_pairs, runs), range(n_rounds))
    bills = list[RoundsBill]()
    first = rounds_done
    for pairs, stretch in groupby(by_round):
        next_first = first + len(list(stretch))
        selected_pairs = {scenario: n for scenario, n, _ in pairs}
        bought_pairs = {scenario: n for scenario, _, n in pairs}
        # The criterion is asked once in each round that opens in this scenario
        rounds = {scenario: int(n > 0) for scenario, n, _ in pairs}
        bills.append(
            RoundsBill(
                first,
                next_first - 1,
                Range.of(selected_pairs),
                Range.of(bought_pairs),
                make_role_bills(teaching, bought_pairs, rounds),
            )
        )
        first = next_first
    return tuple(bills)


def _count_round_pairs(
    runs: ScenarioRuns, r: int
) -> tuple[tuple[Scenario, int, int], ...]:
    """(scenario, pairs selected, pairs bought) of the r-th round that is to come."""
    counts = list[tuple[Scenario, int, int]]()
    for scenario, run in runs.items():
        if r < len(run.selected_pairs):
            counts.append((scenario, run.selected_pairs[r], run.bought_pairs[r]))
        else:
            counts.append((scenario, 0, 0))
    return tuple(counts)


def estimate_budget_use(
    terms: BudgetTerms, teaching: TeachingCosts, runs: ScenarioRuns
) -> BudgetUse:
    """What the ledger holds now, and what these runs add to it."""
    n_pairs = count_bought_pairs(runs)
    n_rounds = count_rounds(runs)
    pair_costs = {
        scenario: sum_role_costs(teaching.roles, scenario) for scenario in runs
    }
    criterion_costs = {
        scenario: sum_role_costs(teaching.criterion_roles, scenario)
        for scenario in runs
    }

    def add_spent(kind: str) -> Range | None:
        pairs_cost = make_cost_range(kind, pair_costs, n_pairs)
        criterion_cost = make_cost_range(kind, criterion_costs, n_rounds)
        if pairs_cost is None or criterion_cost is None:
            return None
        spent = (getattr(terms.spent, kind) or 0) * DISPLAY_UNITS[kind]
        return pairs_cost + criterion_cost + Range(spent, spent, spent)

    pairs = ScenarioValues()
    tokens = ScenarioValues()
    for scenario, n in n_pairs.items():
        pairs[scenario] = n
        criterion_tokens = n_rounds[scenario] * criterion_costs[scenario].tokens
        tokens[scenario] = n * pair_costs[scenario].tokens + criterion_tokens
    spent_pairs = terms.spent.generated or 0
    spent_tokens = terms.spent.teacher_tokens or 0
    return BudgetUse(
        Range.of(pairs) + Range(spent_pairs, spent_pairs, spent_pairs),
        Range.of(tokens) + Range(spent_tokens, spent_tokens, spent_tokens),
        add_spent("usd"),
        add_spent("flops"),
    )
