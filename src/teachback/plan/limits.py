"""Where each limit of the budget, taken alone, would end the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .bills import DISPLAY_UNITS
from .role_usage import RoleUsage, sum_role_costs
from .simulation import COST_KINDS, ScenarioRuns, SimulatedRun, get_amount
from .values import (
    LimitForecast,
    LimitHit,
    Range,
    Scenario,
    ScenarioCounts,
    ScenarioValues,
)

if TYPE_CHECKING:
    from .budget_terms import BudgetTerms
    from .teaching_costs import TeachingCosts


class LimitUse(NamedTuple):
    """What counts against a limit, in the ledger's units."""

    start: int  # until now
    per_pair: ScenarioCounts
    per_round: ScenarioCounts  # the criterion's calls
    hold: int  # what must be free for the dearest pair and its round's criterion

    def sufficient_value(self, n_pairs: int, n_rounds: int = 1) -> int:
        """The lowest limit that n pairs fit into, at the high estimate.

        The last pair needs its whole hold, the others only what they use.
        """
        earlier_pairs = max(0, n_pairs - 1) * self.per_pair["high"]
        earlier_rounds = max(0, n_rounds - 1) * self.per_round["high"]
        return self.start + earlier_pairs + earlier_rounds + self.hold


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
    use = _measure_limit_use(limit, terms, teaching)
    use_by_scenario = ScenarioValues()
    for scenario, run in runs.items():
        pairs = _count_pairs(limit, run) * use.per_pair[scenario]
        criterion = len(run.selected_pairs) * use.per_round[scenario]
        use_by_scenario[scenario] = (use.start + pairs + criterion) * unit

    hits = _find_limit_hits(limit, terms, teaching)
    pairs_of_round = min(terms.per_round, terms.n_seeds)
    all_pairs = _count_pairs(limit, runs["high"])
    all_rounds = len(runs["high"].selected_pairs)
    return LimitForecast(
        limit,
        value * unit,
        Range.of(use_by_scenario),
        for_a_pair=use.sufficient_value(1) * unit,
        for_a_round=use.sufficient_value(pairs_of_round) * unit,
        for_all=use.sufficient_value(all_pairs, all_rounds) * unit,
        low=hits.get("low"),
        high=hits.get("high"),
        expected=hits.get("expected"),
    )


def _count_pairs(limit: str, run: SimulatedRun) -> int:
    """A pair that a probe has bought yields a row too, but is not bought again."""
    return sum(run.selected_pairs if limit == "accepted" else run.bought_pairs)


def _measure_limit_use(
    limit: str, terms: BudgetTerms, teaching: TeachingCosts
) -> LimitUse:
    scenarios = teaching.scenarios
    if limit == "accepted":
        start = terms.rows_done
    else:
        start = getattr(terms.spent, limit) or 0
    if limit not in COST_KINDS:
        # A limit on pairs or rows: each counts as one, and the criterion's calls don't count
        one_each = dict.fromkeys(scenarios, 1)
        return LimitUse(start, one_each, dict.fromkeys(scenarios, 0), hold=1)

    hold = teaching.holds["high"].dearest_late + teaching.criterion_worst
    return LimitUse(
        start,
        _sum_amounts(limit, teaching.roles, scenarios),
        _sum_amounts(limit, teaching.criterion_roles, scenarios),
        hold=get_amount(hold, limit),
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
    for scenario, run in teaching.simulate(terms.with_only(limit)).items():
        if run.final_limit != limit:
            continue
        n_rounds = terms.rounds_done + len(run.selected_pairs)
        hits[scenario] = LimitHit(
            run.closing_round,
            sum(run.bought_pairs),
            opened=run.closing_round < n_rounds,
        )
    return hits
