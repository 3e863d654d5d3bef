"""Plans of made-up seeds and teachers, from what a pair costs."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from teachback.endpoints.endpoint import Endpoint
from teachback.ledger.costs import Price, Usage
from teachback.plan.budget_terms import BudgetTerms
from teachback.plan.criterion_roles import make_per_seed_role
from teachback.plan.estimate import estimate_plan
from teachback.plan.probe_usage import measure_roles
from teachback.plan.run_facts import RunFacts
from teachback.plan.student_load import ItemTokens, StudentLoad, estimate_item_tokens
from teachback.plan.teacher_roles import make_endpoint_holds, make_endpoint_roles
from teachback.plan.teaching_costs import TeachingCosts
from teachback.plan.values import Plan, Range, Scenario
from teachback.student.model_size import ModelSize
from teachback.teachers.openai import PairCalls
from teachback.teachers.prompted_model import PromptedModel
from teachback.teachers.prompts import Prompts
from teachback.types import Example

PROMPTS = Prompts(
    "Like <question>{question}</question>, number {n}.", "Solve: {question}", "f" * 64
)
BASE_URL = "http://127.0.0.1:9/v1"  # nobody answers there
PRICE = Price(2_000_000, 7_000_000, 500_000, 30_000)
SOLUTION = "Ann has 3 and 5 pears, so she has 3 + 5 = 8.\nAnswer: 8"


def make_seeds(lengths: list[int]) -> tuple[Example, ...]:
    return tuple(
        Example(f"s{i}", "q" * n, "8", SOLUTION if n % 2 else None)
        for i, n in enumerate(lengths)
    )


def make_calls(**changes: Any) -> PairCalls:
    endpoint = Endpoint(base_url=BASE_URL, model="m", price=PRICE)
    return replace(PairCalls(endpoint, PROMPTS, 40, 60), **changes)


PAIR_CALLS = [
    make_calls(),
    make_calls(votes=3),
    make_calls(
        prompts=replace(PROMPTS, question=None, pair="Both, like {question}, {n}.")
    ),
    make_calls(
        verifier=Endpoint(
            base_url=BASE_URL,
            model="v",
            price=Price(1_000_000, 1_000_000, None, 9),
        ),
        max_tokens_verifier=50,
    ),
]


MARKS = make_per_seed_role(
    PromptedModel("marker", make_calls().endpoint, "Mark this.", max_tokens=20),
    n_seeds=3,
    calls_per_seed=1,
    low_bytes=[100, 200, 300],
    high_bytes=[200, 300, 400],
    min_reply_tokens=3,
)


def make_teaching(
    calls: PairCalls,
    pool: tuple[Example, ...],
    per_round: int,
    *,
    has_probe: bool = False,
    has_judge: bool = False,
) -> TeachingCosts:
    roles = make_endpoint_roles(calls, pool, per_round, shows_attempt=False)
    scenarios: tuple[Scenario, ...] = ("low", "high")
    if has_probe:
        scenarios = ("low", "high", "expected")
        usages = [
            (f"s{i}", role.name, Usage(30 + i, 10 + 3 * i, 8))
            for i in range(2)
            for role in roles
        ]
        roles = measure_roles(roles, 2, usages)
    hold = make_endpoint_holds(calls, pool, shows_attempt=False)
    holds = dict.fromkeys(scenarios, hold)
    if not has_judge:
        return TeachingCosts(roles, holds)
    return TeachingCosts(roles, holds, (MARKS,), MARKS.price.of(MARKS.worst))


def make_plan(
    terms: BudgetTerms, teaching: TeachingCosts, pool: tuple[Example, ...]
) -> Plan:
    tokens = estimate_item_tokens(
        pool,
        pool,
        instruction_bytes=20,
        attempt_cap=50,
        question_cap=40,
        answer_cap=60,
        row_cap=0,
    )
    if "expected" in teaching.holds:
        tokens = ItemTokens(*[Range(20, 40, 30)] * 4)
    load = StudentLoad(tokens, len(pool), 0, len(pool), 0, 2, "base", 1.0, 1000)
    size = ModelSize(1000, "here")
    facts = RunFacts("run", "openai", {}, "tiny", size, "full", "last", 1e9)
    return estimate_plan(facts, terms, teaching, load)


LENGTHS = st.lists(st.integers(1, 300), min_size=4, max_size=8)
