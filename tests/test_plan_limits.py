"""A plan stops where the ledger stops, and says what would be enough."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning import (
    LENGTHS,
    PAIR_CALLS,
    make_calls,
    make_plan,
    make_seeds,
    make_teaching,
)
from teachback.ledger.costs import Budget, Cost, Price, Usage
from teachback.ledger.ledger import Ledger
from teachback.plan.budget_terms import BudgetTerms
from teachback.plan.render import format_plan
from teachback.plan.role_usage import RoleUsage
from teachback.plan.simulation import (
    COST_KINDS,
    MAX_PLANNED_ROUNDS,
    PairCosts,
    get_amount,
    simulate_run,
)
from teachback.plan.values import Range
from teachback.teachers.openai import PairCalls


def buy_rounds(
    terms: BudgetTerms,
    costs: PairCosts,
    usages: list[tuple[RoleUsage, Usage]],
    worst_costs: list[Cost],
    criterion_usages: list[tuple[RoleUsage, Usage]],
) -> list[int]:
    """Pairs that the ledger lets through, by round; the criterion's calls come before."""
    bought_pairs = list[int]()
    with Ledger(Path(":memory:"), budget=terms.budget) as ledger:
        for r in range(terms.rounds or 1):
            left = ledger.amount_left(before_round=r)
            n_pairs = terms.per_round
            if left.generated is not None:
                n_pairs = min(n_pairs, left.generated)
            needed = costs.dearest_hold + costs.criterion_worst
            limits = (
                (needed.tokens, left.teacher_tokens),
                (needed.usd, left.usd),
                (needed.flops, left.flops),
            )
            if n_pairs < 1 or any(
                limit is not None and (worst or 0) > limit for worst, limit in limits
            ):
                break
            for role, usage in criterion_usages:
                assert buy(
                    ledger,
                    "s0",
                    r,
                    costs.criterion_worst,
                    [(role, usage)],
                    [costs.criterion_worst],
                    kind=role.name,
                )
            bought = [
                buy(ledger, f"s{i}", r, costs.hold, usages, worst_costs)
                for i in range(n_pairs)
            ]
            bought_pairs.append(sum(bought))
    return bought_pairs


def buy(
    ledger: Ledger,
    seed: str,
    r: int,
    hold: Cost,
    usages: list[tuple[RoleUsage, Usage]],
    worst_costs: list[Cost],
    kind: str = "pair",
) -> bool:
    pair = ledger.reserve(seed, r, r, hold, kind=kind)
    if pair is None:
        return False
    for (role, usage), worst in zip(usages, worst_costs, strict=True):
        call = ledger.charge_call(
            pair, role.name, f"{seed} {r} {role.name}".encode(), worst
        )
        assert call is not None
        ledger.answer(call, "{}", usage, 0.1, role.price)
    ledger.settle(pair)
    return True


@settings(max_examples=60)
@given(
    LENGTHS,
    st.sampled_from(PAIR_CALLS),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from(["teacher_tokens", "usd", "flops", "all"]),
    st.floats(0, 16),
    st.integers(1, 20),
    st.tuples(st.booleans(), st.booleans()),
)
def test_a_limit_stops_where_the_ledger_stops(
    lengths: list[int],
    calls: PairCalls,
    size: tuple[int, int],
    kind: str,
    pairs: float,
    generated: int,
    options: tuple[bool, bool],
) -> None:
    pool = make_seeds(lengths)
    per_round, rounds = size
    has_probe, has_judge = options
    teaching = make_teaching(
        calls, pool, per_round, has_probe=has_probe, has_judge=has_judge
    )
    for scenario in teaching.scenarios:
        costs = teaching.pair_costs(scenario)
        limits = {}
        for name in COST_KINDS:
            amount = get_amount(costs.hold, name) + get_amount(costs.pair, name)
            limits[name] = round(pairs * amount / 2)
        budget = Budget(generated, **limits)
        if kind != "all":
            budget = Budget(**{kind: limits[kind]})
        terms = BudgetTerms(len(pool), per_round, rounds, budget=budget)
        usages = [(role, role.usage(scenario)) for role in teaching.roles]
        # A call's worst case: its share of the hold, which is all that the pair may use
        worst_costs = [
            role.price.worst(usage.input_tokens, usage.output_tokens)
            for role, usage in usages
        ]
        criterion_usages = [
            (role, role.usage(scenario)) for role in teaching.criterion_roles
        ]
        simulated = simulate_run(terms, costs)
        bought = buy_rounds(terms, costs, usages, worst_costs, criterion_usages)
        assert list(simulated.bought_pairs) == bought


@pytest.mark.parametrize("has_judge", [False, True])
def test_it_says_what_one_pair_and_one_round_need(has_judge: bool) -> None:
    pool = make_seeds([30, 50, 80])
    teaching = make_teaching(make_calls(), pool, 2, has_judge=has_judge)
    terms = BudgetTerms(3, 2, 3, budget=Budget(teacher_tokens=100))
    plan = make_plan(terms, teaching, pool)
    assert plan.ends == {"low": "teacher_tokens", "high": "teacher_tokens"}
    assert plan.within.pairs == Range(0, 0)
    (forecast,) = plan.stops
    text = " ".join(" ".join(format_plan(plan)).split())
    advice = "Not even one pair fits: a pair is held with its worst case"
    assert f"{advice}, so one needs {forecast.for_a_pair:,.0f}" in text

    def count_pairs(limit: int) -> int:
        runs = teaching.simulate(replace(terms, budget=Budget(teacher_tokens=limit)))
        return sum(runs["high"].bought_pairs)

    for limit, n_pairs in (
        (forecast.for_a_pair, 1),
        (forecast.for_a_round, 2),
        (forecast.for_all, 6),
    ):
        assert count_pairs(round(limit)) == n_pairs
        assert count_pairs(round(limit) - 1) < n_pairs


def test_a_run_without_an_end_is_planned_so_far() -> None:
    free_endpoint = make_calls().endpoint.model_copy(update={"price": Price(0, 0)})
    pool = make_seeds([30, 50])
    teaching = make_teaching(make_calls(endpoint=free_endpoint), pool, 2)
    terms = BudgetTerms(2, 2, None, budget=Budget(usd=5))
    plan = make_plan(terms, teaching, pool)
    assert plan.ends["high"] == "rounds"
    assert [(r.first, r.last) for r in plan.rounds] == [(0, MAX_PLANNED_ROUNDS - 1)]
