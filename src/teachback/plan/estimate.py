"""A whole plan, from what a pair costs, what ends a run and what the student does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..student.model_size import finetuning_memory
from .bills import (
    count_bought_pairs,
    count_rounds,
    estimate_budget_use,
    make_role_bills,
    make_rounds_bills,
)
from .limits import forecast_limits
from .student_work import (
    estimate_peak_disk,
    estimate_work_before_rounds,
    estimate_work_by_round,
    sum_student_work,
)
from .values import Plan, ProbeSummary, StudentBill

if TYPE_CHECKING:
    from .budget_terms import BudgetTerms
    from .run_facts import RunFacts
    from .simulation import ScenarioRuns
    from .student_load import StudentLoad
    from .teaching_costs import TeachingCosts


def estimate_plan(
    facts: RunFacts,
    terms: BudgetTerms,
    teaching: TeachingCosts,
    load: StudentLoad,
    probe: ProbeSummary | None = None,
) -> Plan:
    within_budget = teaching.simulate(terms)
    # The bill is for all that is asked for. Only if nothing else ends the run, it is for
    # what the budget pays
    runs = within_budget
    if not terms.is_open_ended:
        runs = teaching.simulate(terms.without_cost_limits())
    models_without_price = {
        role.model for role in teaching.all_roles if role.model and not role.has_price
    }
    return Plan(
        run_dir=facts.run_dir,
        teacher=facts.teacher,
        endpoints=facts.endpoints,
        seeds=terms.n_seeds,
        per_round=terms.per_round,
        rounds_asked=terms.rounds,
        done=terms.rounds_done,
        rounds=make_rounds_bills(teaching, runs, terms.rounds_done),
        total=make_role_bills(teaching, count_bought_pairs(runs), count_rounds(runs)),
        unpriced=tuple(sorted(models_without_price)),
        within=estimate_budget_use(terms, teaching, within_budget),
        ends={scenario: run.final_limit for scenario, run in within_budget.items()},
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
        finetuning=facts.finetuning,
        method=facts.method,
        warnings=facts.warnings,
        memory=finetuning_memory(load.parameters, facts.method),
        disk=estimate_peak_disk(
            load.parameters,
            facts.method,
            facts.keep,
            terms.rounds_done + len(rounds),
            estimate_mean_calls(teaching, runs),
        ),
        free=facts.free_bytes,
    )


def estimate_mean_calls(teaching: TeachingCosts, runs: ScenarioRuns) -> float:
    """The calls of a run: the high estimate of a pair's, the mean of the scenarios' runs."""
    per_pair = sum(role.calls.high for role in teaching.roles)
    per_round = sum(role.calls.high for role in teaching.criterion_roles)
    calls = [
        sum(run.bought_pairs) * per_pair + len(run.selected_pairs) * per_round
        for run in runs.values()
    ]
    return sum(calls) / len(calls)
