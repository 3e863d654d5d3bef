"""A whole plan, from what a pair costs, what ends a run and what a round asks for."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..student.model_size import ModelSize, finetuning_memory
from .bills import estimate_budget_use, count_bought_pairs, make_role_bills, make_rounds_bills, count_rounds
from .limits import forecast_limits
from .simulation import BudgetTerms, ScenarioRuns
from .student_work import (
    StudentLoad,
    estimate_peak_disk,
    sum_student_work,
    estimate_work_before_rounds,
    estimate_work_by_round,
)
from .teaching_costs import TeachingCosts
from .values import Plan, ProbeSummary, StudentBill


@dataclass(frozen=True)
class RunFacts:
    """What the plan repeats as it is."""

    run_dir: str
    teacher: str
    endpoints: Mapping[str, str]
    model: str
    size: ModelSize
    method: str
    keep: str
    free: float  # bytes where the run will lie
    caveats: tuple[str, ...] = ()


def estimate_plan(
    facts: RunFacts,
    terms: BudgetTerms,
    teaching: TeachingCosts,
    load: StudentLoad,
    probe: ProbeSummary | None = None,
) -> Plan:
    within_budget = teaching.simulate(terms)
    runs = within_budget
    if not terms.open_ended:
        runs = teaching.simulate(terms.without_cost_limits)
    unpriced = {
        role.model for role in teaching.all_roles if role.model and not role.has_price
    }
    return Plan(
        run_dir=facts.run_dir,
        teacher=facts.teacher,
        endpoints=facts.endpoints,
        seeds=terms.seeds,
        per_round=terms.per_round,
        rounds_asked=terms.rounds,
        done=terms.rounds_done,
        rounds=make_rounds_bills(teaching, runs, terms.rounds_done),
        total=make_role_bills(teaching, count_bought_pairs(runs), count_rounds(runs)),
        unpriced=tuple(sorted(unpriced)),
        within=estimate_budget_use(terms, teaching, within_budget),
        ends={scenario: run.ended_by for scenario, run in within_budget.items()},
        stops=forecast_limits(terms, teaching, runs),
        student=make_student_bill(facts, terms, teaching, load, runs),
        probe=probe,
        caveats=facts.caveats,
    )


def make_student_bill(
    facts: RunFacts,
    terms: BudgetTerms,
    teaching: TeachingCosts,
    load: StudentLoad,
    runs: ScenarioRuns,
) -> StudentBill:
    before = estimate_work_before_rounds(load, terms.rounds_done)
    rounds = estimate_work_by_round(load, runs, terms.rounds_done, terms.rows_done)
    return StudentBill(
        model=facts.model,
        size=facts.size,
        before=before,
        rounds=rounds,
        total=sum_student_work([before, *rounds]),
        method=facts.method,
        memory=finetuning_memory(load.parameters, facts.method),
        disk=estimate_peak_disk(
            load.parameters,
            facts.method,
            facts.keep,
            terms.rounds_done + len(rounds),
            estimate_mean_calls(teaching, runs),
        ),
        free=facts.free,
    )


def estimate_mean_calls(teaching: TeachingCosts, runs: ScenarioRuns) -> float:
    """The calls of a run at the high estimate, as the mean over the scenarios."""
    per_pair = sum(role.calls.high for role in teaching.roles)
    per_round = sum(role.calls.high for role in teaching.criterion_roles)
    calls = [
        sum(run.bought) * per_pair + len(run.selected) * per_round
        for run in runs.values()
    ]
    return sum(calls) / len(calls)
