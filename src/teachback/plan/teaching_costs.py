"""What the teacher and the criterion cost, by scenario."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..ledger.costs import Cost
from .role_usage import NO_COST, PairHolds, RoleUsage, sum_role_costs
from .simulation import BudgetTerms, PairCosts, SimulatedRun, simulate_run
from .values import Scenario


@dataclass(frozen=True)
class TeachingCosts:
    roles: tuple[RoleUsage, ...]  # of a pair; each has `expected` if the holds have it
    holds: Mapping[Scenario, PairHolds]
    criterion_roles: tuple[RoleUsage, ...] = ()  # of a round, beside its pairs
    criterion_worst: Cost = NO_COST  # the most that these can cost in a round

    @property
    def all_roles(self) -> tuple[RoleUsage, ...]:
        return (*self.criterion_roles, *self.roles)

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        if "expected" in self.holds:
            return ("low", "high", "expected")
        return ("low", "high")

    def pair_costs(self, scenario: Scenario) -> PairCosts:
        """The low scenario buys the cheapest seeds and reuses all of the probe's pairs.

        The high scenario does the opposite.
        """
        holds = self.holds[scenario]
        if scenario == "low":
            hold, dearest, reused_share = holds.cheapest, holds.dearest, 1.0
        elif scenario == "high":
            hold, dearest, reused_share = holds.dearest_late, holds.dearest_late, 0.0
        else:
            hold, dearest, reused_share = holds.median, holds.dearest, None
        return PairCosts(
            sum_role_costs(self.roles, scenario),
            hold,
            dearest,
            reused_share,
            criterion=sum_role_costs(self.criterion_roles, scenario),
            criterion_worst=self.criterion_worst,
        )

    def simulate(self, terms: BudgetTerms) -> dict[Scenario, SimulatedRun]:
        return {
            scenario: simulate_run(terms, self.pair_costs(scenario))
            for scenario in self.scenarios
        }
