"""Where each limit of the budget, taken alone, would end the run."""

from collections.abc import Sequence

from .bills import DISPLAY_UNITS
from .role_usage import RoleUsage, sum_role_costs
from .simulation import (
    COST_KINDS,
    BudgetTerms,
    ScenarioRuns,
    SimulatedRun,
    get_amount,
)
from .teaching_costs import TeachingCosts
from .values import LimitForecast, LimitHit, Range, Scenario, ScenarioValues


def forecast_limits(
    terms: BudgetTerms, teaching: TeachingCosts, runs: ScenarioRuns
) -> tuple[LimitForecast, ...]:
    """One forecast for each limit that is set.

    runs: without the limits on costs. The number of rounds counts in any case.
    """
    limits = {**vars(terms.budget), "accepted": terms.accepted}
    return tuple(
        forecast_limit(limit, value, terms, teaching, runs)
        for limit, value in limits.items()
        if value is not None
    )


def forecast_limit(
    limit: str,
    value: int,
    terms: BudgetTerms,
    teaching: TeachingCosts,
    runs: ScenarioRuns,
) -> LimitForecast:
    unit = DISPLAY_UNITS.get(limit, 1)
    start, per_pair, per_round, hold = _measure_limit_use(limit, terms, teaching)

    used = ScenarioValues()
    for scenario, run in runs.items():
        pairs = _count_pairs(limit, run) * per_pair[scenario]
        criterion = len(run.selected) * per_round[scenario]
        used[scenario] = (start + pairs + criterion) * unit

    def enough_for(pairs: int, rounds: int = 1) -> float:
        """The last pair needs its whole hold, the others only what they use."""
        earlier_pairs = max(0, pairs - 1) * per_pair["high"]
        earlier_rounds = max(0, rounds - 1) * per_round["high"]
        return (start + earlier_pairs + earlier_rounds + hold) * unit

    hits = _find_limit_hits(limit, terms, teaching)
    high = runs["high"]
    return LimitForecast(
        limit,
        value * unit,
        Range.of(used),
        for_a_pair=enough_for(1),
        for_a_round=enough_for(min(terms.per_round, terms.seeds)),
        for_all=enough_for(_count_pairs(limit, high), len(high.selected)),
        low=hits.get("low"),
        high=hits.get("high"),
        expected=hits.get("expected"),
    )


def _count_pairs(limit: str, run: SimulatedRun) -> int:
    """A pair that a probe has bought yields a row too, but is not bought again."""
    return sum(run.selected if limit == "accepted" else run.bought)


def _measure_limit_use(
    limit: str, terms: BudgetTerms, teaching: TeachingCosts
) -> tuple[int, dict[Scenario, int], dict[Scenario, int], int]:
    """What the limit counts: the start, a pair, a round's criterion, the last hold."""
    if limit == "accepted":
        start = terms.rows_done
    else:
        start = getattr(terms.spent, limit) or 0
    if limit not in COST_KINDS:
        one_each = dict.fromkeys(teaching.scenarios, 1)
        return start, one_each, dict.fromkeys(teaching.scenarios, 0), 1

    hold = teaching.holds["high"].dearest_late + teaching.criterion_worst
    return (
        start,
        _sum_amounts(limit, teaching.roles, teaching.scenarios),
        _sum_amounts(limit, teaching.criterion_roles, teaching.scenarios),
        get_amount(hold, limit),
    )


def _sum_amounts(
    kind: str, roles: Sequence[RoleUsage], scenarios: Sequence[Scenario]
) -> dict[Scenario, int]:
    return {
        scenario: get_amount(sum_role_costs(roles, scenario), kind)
        for scenario in scenarios
    }


def _find_limit_hits(
    limit: str, terms: BudgetTerms, teaching: TeachingCosts
) -> dict[Scenario, LimitHit]:
    """Where the limit ends the run, in the scenarios in which it does."""
    hits = {}
    for scenario, run in teaching.simulate(terms.only(limit)).items():
        if run.ended_by != limit:
            continue
        rounds = terms.rounds_done + len(run.selected)
        hits[scenario] = LimitHit(
            run.closing_round, sum(run.bought), opened=run.closing_round < rounds
        )
    return hits
