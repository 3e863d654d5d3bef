"""What the teacher and the criterion cost, by scenario."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..build.judges import (
    make_answering_teacher,
    make_marking_judge,
    make_referee,
    worst_criterion_cost,
)
from ..build.teacher import make_teacher_context
from ..config.config import Config
from ..criteria.judge import MarkingJudgeSettings
from ..criteria.lion import LionSettings
from ..ledger.costs import Cost
from ..teachers.openai_teacher import OpenAITeacherSettings, make_pair_calls
from ..types import Task
from .config_queries import count_scored_seeds, shows_attempt
from .criterion_roles import make_marking_roles, make_referee_roles
from .probe_usage import measure_roles
from .role_usage import NO_COST, PairHolds, RoleUsage, sum_role_costs
from .simulation import PairCosts, SimulatedRun, simulate_run
from .teacher_roles import (
    make_endpoint_holds,
    make_endpoint_roles,
    make_unpaid_holds,
    make_unpaid_roles,
)
from .values import Scenario

if TYPE_CHECKING:
    from .budget_terms import BudgetTerms
    from .probe import ProbePurchase


@dataclass(frozen=True)
class TeachingCosts:
    # Of a pair. Each has `expected` if the holds have it
    roles: tuple[RoleUsage, ...]
    holds: Mapping[Scenario, PairHolds]
    criterion_roles: tuple[RoleUsage, ...] = ()  # of a round, beside its pairs
    criterion_worst: Cost = NO_COST  # the most that these can cost in a round

    @property
    def all_roles(self) -> tuple[RoleUsage, ...]:
        return (*self.criterion_roles, *self.roles)

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        return tuple(self.holds)

    def pair_costs(self, scenario: Scenario) -> PairCosts:
        """The low scenario buys the cheapest seeds and reuses all of the probe's pairs.

        The high scenario does the opposite.
        """
        holds = self.holds[scenario]
        reused_share: float | None
        if scenario == "low":
            hold = holds.cheapest
            dearest_hold = holds.dearest
            reused_share = 1.0
        elif scenario == "high":
            hold = holds.dearest_late
            dearest_hold = holds.dearest_late
            reused_share = 0.0
        else:
            hold = holds.median
            dearest_hold = holds.dearest
            reused_share = None
        return PairCosts(
            sum_role_costs(self.roles, scenario),
            hold,
            dearest_hold,
            reused_share,
            criterion=sum_role_costs(self.criterion_roles, scenario),
            criterion_worst=self.criterion_worst,
        )

    def simulate(self, terms: "BudgetTerms") -> dict[Scenario, SimulatedRun]:
        return {
            scenario: simulate_run(terms, self.pair_costs(scenario))
            for scenario in self.scenarios
        }


def make_teaching_costs(
    config: Config, task: Task, purchase: "ProbePurchase | None"
) -> TeachingCosts:
    """purchase: a probe's; None: no probe, so all is estimated and nothing expected."""
    scenarios: tuple[Scenario, ...] = ("low", "high")
    if purchase:
        scenarios = ("low", "high", "expected")

    teacher = config.teacher
    shows = shows_attempt(config)
    if isinstance(teacher, OpenAITeacherSettings):
        calls = make_pair_calls(teacher, make_teacher_context(config, task))
        roles = make_endpoint_roles(
            calls, task.seeds, config.per_round, shows_attempt=shows
        )
        hold = make_endpoint_holds(calls, task.seeds, shows_attempt=shows)
        holds = dict.fromkeys(scenarios, hold)
        if purchase:
            roles = measure_roles(roles, purchase.pairs, purchase.calls)
    else:
        roles = make_unpaid_roles(task.seeds, config.per_round)
        if purchase:
            roles = measure_roles(roles, purchase.pairs, purchase.calls)
        # An unpaid teacher holds what a pair uses, so the probe's usage comes first
        holds = {scenario: make_unpaid_holds(roles, scenario) for scenario in scenarios}
    return TeachingCosts(
        roles,
        holds,
        make_criterion_roles(config, task),
        worst_criterion_cost(config, task, task.seeds),
    )


def make_criterion_roles(config: Config, task: Task) -> tuple[RoleUsage, ...]:
    """The paid calls of the criterion in a round, for as many seeds as it scores."""
    n_seeds = count_scored_seeds(config, task)
    attempt_cap = config.student.max_new_tokens
    criterion = config.criterion
    if isinstance(criterion, MarkingJudgeSettings):
        judge = make_marking_judge(config, criterion)
        return make_marking_roles(judge, task, n_seeds, attempt_cap)
    if isinstance(criterion, LionSettings):
        teacher = make_answering_teacher(config, task)
        referee = make_referee(config, criterion)
        return make_referee_roles(teacher, referee, task, n_seeds, attempt_cap)
    return ()
