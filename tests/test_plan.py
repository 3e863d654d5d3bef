"""A plan brackets what is bought, stops where the ledger stops, and comes true if probed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import teachback
from teachback import api
from teachback.build.task import make_task
from teachback.config.config import Config
from teachback.config.reading import make_config, read_config
from teachback.endpoints.endpoint import Endpoint
from teachback.errors import ConfigError
from teachback.ledger.costs import Budget, Cost, Price, Usage
from teachback.ledger.ledger import Ledger
from teachback.plan.criterion_roles import make_per_seed_role
from teachback.plan.estimate import RunFacts, estimate_plan
from teachback.plan.layout import MAX_COLUMNS
from teachback.plan.probe_usage import measure_roles
from teachback.plan.render import format_plan
from teachback.plan.role_usage import RoleUsage
from teachback.plan.simulation import (
    COST_KINDS,
    MAX_PLANNED_ROUNDS,
    BudgetTerms,
    PairCosts,
    get_amount,
    simulate_run,
)
from teachback.plan.student_work import ItemTokens, StudentLoad, estimate_item_tokens
from teachback.plan.teacher_roles import make_endpoint_holds, make_endpoint_roles
from teachback.plan.teaching_costs import TeachingCosts
from teachback.plan.values import Plan, Range, RoleBill, Scenario
from teachback.rng import draw
from teachback.run.files import to_json_bytes
from teachback.serve.additions import addition_teacher
from teachback.serve.program import program_teacher
from teachback.serve.server import run_server
from teachback.serve.service import RehearsalOptions
from teachback.student.model_size import SIZE_IN_NAME, ModelSize, find_model_size
from teachback.tasks import prontoqa
from teachback.teachers.openai import PairCalls, worst_pair_cost
from teachback.teachers.prompts import Prompts
from teachback.types import Example

RECIPES = Path(__file__).parents[1] / "recipes"
LOGIC = Path(prontoqa.__file__).parents[1] / "teachers/prompts/logic"
PROMPTS = Prompts(
    "Like <question>{question}</question>, number {n}.", "Solve: {question}", "f" * 64
)
PRICE = Price(2_000_000, 7_000_000, 500_000, 30_000)
SOLUTION = "Ann has 3 and 5 pears, so she has 3 + 5 = 8.\nAnswer: 8"


def seeds(lengths: list[int]) -> tuple[Example, ...]:
    return tuple(
        Example(f"s{i}", "q" * n, "8", SOLUTION if n % 2 else None)
        for i, n in enumerate(lengths)
    )


def pair_calls(**changes: Any) -> PairCalls:
    endpoint = Endpoint(
        base_url="http://127.0.0.1:9/v1", model="m", worst_pair_cost=PRICE
    )
    return replace(PairCalls(endpoint, PROMPTS, 40, 60), **changes)


ASKINGS = [
    pair_calls(),
    pair_calls(votes=3),
    pair_calls(
        prompts=replace(PROMPTS, question=None, pair="Both, like {question}, {n}.")
    ),
    pair_calls(
        verifier=Endpoint(
            base_url="http://127.0.0.1:9/v1",
            model="v",
            worst_pair_cost=Price(1_000_000, 1_000_000, None, 9),
        ),
        max_tokens_verifier=50,
    ),
]


MARKS = make_per_seed_role(
    "marker",
    pair_calls().endpoint,
    n_seeds=3,
    calls_per_seed=1,
    low_bytes=[100, 200, 300],
    high_bytes=[200, 300, 400],
    min_reply_tokens=3,
    reply_cap=20,
)


def teaching(
    asked: PairCalls,
    pool: tuple[Example, ...],
    per_round: int,
    *,
    probe: bool = False,
    judged: bool = False,
) -> TeachingCosts:
    found = make_endpoint_roles(asked, pool, per_round, shows_attempt=False)
    if probe:
        usages = [
            (f"s{i}", role.name, Usage(30 + i, 10 + 3 * i, 8))
            for i in range(2)
            for role in found
        ]
        found = measure_roles(found, 2, usages)
    scenarios: tuple[Scenario, ...] = ("low", "high")
    if probe:
        scenarios = ("low", "high", "expected")
    hold = make_endpoint_holds(asked, pool, shows_attempt=False)
    holds = dict.fromkeys(scenarios, hold)
    if not judged:
        return TeachingCosts(found, holds)
    return TeachingCosts(found, holds, (MARKS,), MARKS.price.of(MARKS.worst))


def planned(
    terms: BudgetTerms, taught: TeachingCosts, pool: tuple[Example, ...]
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
    if "expected" in taught.holds:
        tokens = ItemTokens(*[Range(20, 40, 30)] * 4)
    load = StudentLoad(tokens, len(pool), 0, len(pool), 0, 2, "base", 1.0, 1000)
    size = ModelSize(1000, "here")
    facts = RunFacts("run", "openai", {}, "tiny", size, "full", "last", 1e9)
    return estimate_plan(facts, terms, taught, load)


def bills(plan: Plan) -> list[Range]:
    each: list[RoleBill] = [
        *plan.total,
        *(role for r in plan.rounds for role in r.roles),
    ]
    return [
        x
        for b in each
        for x in (b.calls, b.input_tokens, b.output_tokens, b.usd, b.flops)
        if x is not None
    ]


LENGTHS = st.lists(st.integers(1, 300), min_size=4, max_size=8)


@settings(max_examples=40)
@given(
    LENGTHS,
    st.sampled_from(ASKINGS),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_low_expected_high(
    lengths: list[int],
    asked: PairCalls,
    per_round: int,
    rounds: int,
    probe: bool,
    judged: bool,
) -> None:
    pool = seeds(lengths)
    taught = teaching(asked, pool, per_round, probe=probe, judged=judged)
    plan = planned(BudgetTerms(len(pool), per_round, rounds), taught, pool)
    for value in [
        *bills(plan),
        plan.within.tokens,
        plan.student.total.answering,
        plan.student.total.finetuning,
    ]:
        assert 0 <= value.low <= value.high
        assert value.expected is None or value.low <= value.expected <= value.high
    worst = sum(
        max(worst_pair_cost(e, 999, asked).tokens for e in pool)
        for _ in range(per_round * rounds)
    )
    assert plan.within.tokens.high <= worst + rounds * taught.criterion_worst.tokens
    assert [line for line in format_plan(plan) if len(line) > MAX_COLUMNS] == []
    assert to_json_bytes(plan)


@settings(max_examples=40)
@given(LENGTHS, st.sampled_from(ASKINGS), st.integers(1, 4), st.integers(1, 4))
def test_more_never_costs_less(
    lengths: list[int], asked: PairCalls, per_round: int, rounds: int
) -> None:
    pool = seeds(lengths)
    twice = (*pool, *(replace(e, id=f"{e.id}b") for e in pool))

    def ends(pool: tuple[Example, ...], per_round: int, rounds: int) -> list[float]:
        plan = planned(
            BudgetTerms(len(pool), per_round, rounds),
            teaching(asked, pool, per_round),
            pool,
        )
        values = [
            plan.within.tokens,
            plan.within.usd,
            plan.student.total.answering,
            plan.student.total.finetuning,
        ]
        return [end for value in values if value for end in (value.low, value.high)]

    some = ends(pool, per_round, rounds)
    for more in (
        ends(pool, per_round, rounds + 1),
        ends(pool, per_round + 1, rounds),
        ends(twice, per_round, rounds),
    ):
        assert all(a <= b * (1 + 1e-12) for a, b in zip(some, more, strict=True))


def really(
    terms: BudgetTerms,
    costs: PairCosts,
    usages: list[tuple[RoleUsage, Usage]],
    worsts: list[Cost],
    asks: list[tuple[RoleUsage, Usage]],
) -> list[int]:
    """Pairs that the ledger lets through, by round; the criterion's calls come before."""
    bought = list[int]()
    with Ledger(Path(":memory:"), budget=terms.budget) as ledger:
        for r in range(terms.rounds or 1):
            left = ledger.amount_left(before_round=r)
            wanted = min(
                terms.per_round,
                terms.per_round if left.generated is None else left.generated,
            )
            needed = costs.dearest_hold + costs.criterion_worst
            limits = (
                (needed.tokens, left.teacher_tokens),
                (needed.usd, left.usd),
                (needed.flops, left.flops),
            )
            if wanted < 1 or any(
                limit is not None and (worst or 0) > limit for worst, limit in limits
            ):
                break
            for role, usage in asks:
                assert buy(
                    ledger,
                    "s0",
                    r,
                    costs.criterion_worst,
                    [(role, usage)],
                    [costs.criterion_worst],
                    kind=role.name,
                )
            bought.append(
                sum(
                    buy(ledger, f"s{i}", r, costs.hold, usages, worsts)
                    for i in range(wanted)
                )
            )
    return bought


def buy(
    ledger: Ledger,
    seed: str,
    r: int,
    hold: Cost,
    usages: list[tuple[RoleUsage, Usage]],
    worsts: list[Cost],
    kind: str = "pair",
) -> bool:
    pair = ledger.reserve(seed, r, r, hold, kind=kind)
    if pair is None:
        return False
    for (role, usage), worst in zip(usages, worsts, strict=True):
        call = ledger.send(pair, role.name, f"{seed} {r} {role.name}".encode(), worst)
        assert call is not None
        ledger.answer(call, "{}", usage, 0.1, role.price)
    ledger.settle(pair)
    return True


@settings(max_examples=60)
@given(
    LENGTHS,
    st.sampled_from(ASKINGS),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from(["teacher_tokens", "usd", "flops", "all"]),
    st.floats(0, 16),
    st.integers(1, 20),
    st.tuples(st.booleans(), st.booleans()),
)
def test_a_limit_stops_where_the_ledger_stops(
    lengths: list[int],
    asked: PairCalls,
    size: tuple[int, int],
    kind: str,
    pairs: float,
    generated: int,
    how: tuple[bool, bool],
) -> None:
    pool, (per_round, rounds), (probe, judged) = seeds(lengths), size, how
    taught = teaching(asked, pool, per_round, probe=probe, judged=judged)
    for scenario in taught.scenarios:
        costs = taught.pair_costs(scenario)
        limits = {
            k: round(
                pairs * (get_amount(costs.hold, k) + get_amount(costs.pair, k)) / 2
            )
            for k in COST_KINDS
        }
        budget = (
            Budget(generated, **limits)
            if kind == "all"
            else Budget(**{kind: limits[kind]})
        )
        terms = BudgetTerms(len(pool), per_round, rounds, budget=budget)
        usages = [(role, role.usage(scenario)) for role in taught.roles]
        # A call's worst case: its share of the hold, which is all that the pair may use
        worsts = [
            role.price.worst(usage.input_tokens, usage.output_tokens)
            for role, usage in usages
        ]
        found = simulate_run(terms, costs)
        asks = [(role, role.usage(scenario)) for role in taught.criterion_roles]
        assert list(found.bought) == really(terms, costs, usages, worsts, asks)


@pytest.mark.parametrize("judged", [False, True])
def test_it_says_what_one_pair_and_one_round_need(judged: bool) -> None:
    pool = seeds([30, 50, 80])
    taught, terms = (
        teaching(pair_calls(), pool, 2, judged=judged),
        BudgetTerms(3, 2, 3, budget=Budget(teacher_tokens=100)),
    )
    plan = planned(terms, taught, pool)
    assert plan.ends == {"low": "teacher_tokens", "high": "teacher_tokens"}
    assert plan.within.pairs == Range(0, 0)
    (stop,) = plan.stops
    said = " ".join(" ".join(format_plan(plan)).split())
    held = "Not even one pair fits: a pair is held with its worst case"
    assert f"{held}, so one needs {stop.for_a_pair:,.0f}" in said
    for limit, least in (
        (stop.for_a_pair, 1),
        (stop.for_a_round, 2),
        (stop.for_all, 6),
    ):
        courses = taught.simulate(
            replace(terms, budget=Budget(teacher_tokens=round(limit)))
        )
        assert sum(courses["high"].bought) == least
        short = taught.simulate(
            replace(terms, budget=Budget(teacher_tokens=round(limit) - 1))
        )
        assert sum(short["high"].bought) < least


def test_a_run_without_an_end_is_planned_so_far() -> None:
    free = pair_calls().endpoint.model_copy(update={"price": Price(0, 0)})
    pool, terms = seeds([30, 50]), BudgetTerms(2, 2, None, budget=Budget(usd=5))
    plan = planned(terms, teaching(replace(pair_calls(), endpoint=free), pool, 2), pool)
    assert plan.ends["high"] == "rounds"
    assert [(r.first, r.last) for r in plan.rounds] == [(0, MAX_PLANNED_ROUNDS - 1)]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Qwen/Qwen2.5-1.5B-Instruct", 1.5e9),
        ("meta-llama/Llama-3.2-3B-Instruct", 3e9),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 135e6),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 56e9),
        ("Qwen/Qwen3-30B-A3B", 30e9),
        ("microsoft/phi-2", None),
        ("org/model-4bit", None),
    ],
)
def test_the_size_is_read_from_the_name(name: str, size: float | None) -> None:
    assert SIZE_IN_NAME.search(name) is not None or size is None
    assert find_model_size(name).parameters == size


def test_the_size_is_counted_in_the_weights(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM

    assert (
        find_model_size(str(tiny)).parameters
        == AutoModelForCausalLM.from_pretrained(tiny).num_parameters()
    )


@pytest.mark.parametrize("prices", [False, True])
def test_gsm8k_is_planned_without_its_student(
    prices: bool, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHBACK_DATA", str(data))
    changes = ["budget.usd=5"] if prices else ["prices={}", "budget={generated: 500}"]
    changes.append("task.path=$TEACHBACK_DATA")
    config = read_config(RECIPES / "gsm8k.yaml", changes, tmp_path / "run")
    plan = api.plan(config)
    assert plan.student.size.parameters == 1.5e9
    assert [(r.first, r.last, r.pairs) for r in plan.rounds] == [
        (0, 4, Range(100, 100))
    ]
    assert plan.unpriced == (() if prices else ("gpt-4o",))
    assert 100_000 < plan.within.tokens.low < plan.within.tokens.high < 2_000_000
    lines = format_plan(plan)
    assert all(len(line) <= MAX_COLUMNS for line in lines)
    assert any("from the name: 1.5B" in line for line in lines)
    assert (
        any(
            "USD 5.00: not reached at the low estimate; reached in round" in line
            for line in lines
        )
        == prices
    )
    assert any("unknown: add prices.gpt-4o" in line for line in lines) != prices
    assert not (tmp_path / "run").exists(), "nothing is written"


def test_gold_solutions_are_read_once_more_in_every_evaluation(
    tmp_path: Path, tiny: Path
) -> None:
    def before(solution: str | None) -> Range:
        rows = [
            {"question": f"What is {i}?", "answer": "x", "solution": solution}
            for i in range(8)
        ]
        (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (tmp_path / "q.jsonl").write_text(
            "\n".join(json.dumps({"question": f"Why {i}?"}) for i in range(9))
        )
        tree = {
            "task": {"name": "jsonl", "seeds": "q.jsonl", "dev": "d.jsonl"},
            "teacher": {
                "name": "openai",
                "base_url": "http://127.0.0.1:9/v1",
                "model": "m",
                "key_env": None,
            },
            "student": {"model": str(tiny), "max_new_tokens": 8},
            "per_round": 2,
            "rounds": 1,
        }
        return api.plan(make_config(tree, base=tmp_path)).student.before.answering

    short, long = before(None), before("so " * 100)
    assert long.low - short.low == pytest.approx(8 * 301 / 5)
    assert long.high - short.high == pytest.approx(8 * 301 / 2.5)


# -- a probe ---------------------------------------------------------------------------


def rehearsal(tiny: Path, folder: Path, base_url: str, **changes: Any) -> Config:
    teacher = {
        "name": "openai",
        "base_url": base_url,
        "model": "m",
        "key_env": None,
        "prompts": "logic",
    }
    tree: dict[str, Any] = {
        "task": {"name": "prontoqa", "hops": [1, 3], "seeds": 24, "dev": 8, "test": 4},
        "student": {"model": str(tiny), "max_new_tokens": 12, "precision": "float32"},
        "teacher": {**teacher, "max_tokens_question": 200, "max_tokens_answer": 200},
        "prices": {
            "m": {"as_of": "2025-01-01", "input": 2, "output": 8, "parameters": 7e9}
        },
        "criterion": "random",
        "per_round": 8,
        "rounds": 3,
        "budget": {"usd": 5},
        "finetune": {"epochs": 1, "rows_per_step": 4},
        "run_dir": str(folder),
    }
    return make_config({**tree, **changes})


def service(config: Config) -> RehearsalOptions:
    task, drawn = make_task(config.task), partial(draw, config.seed, config.repeat)
    templates: Mapping[str, str] = {
        path.stem: path.read_text() for path in LOGIC.glob("*.txt")
    }
    return RehearsalOptions(
        program_teacher(task, drawn, templates, prontoqa.solve_prontoqa)
    )


def test_a_probed_bill_comes_true(tiny: Path, tmp_path: Path) -> None:
    config = rehearsal(tiny, tmp_path / "run", "http://127.0.0.1:9/v1")
    with run_server(service(config)) as server:
        config = rehearsal(tiny, tmp_path / "run", server.base_url)
        plan = api.plan(config, probe=6)
        assert server.calls == 12
        assert plan.probe is not None
        assert plan.probe.pairs == 6
        assert plan.student.total.seconds is not None
        assert api.plan(config, probe=6).within == plan.within, (
            "the probe's answers are in the ledger"
        )
        assert server.calls == 12
        result = teachback.run(config)
        sent = [request.raw for request in server.requests]
    assert len(sent) == len({*sent}), "nothing is sent twice"
    spend, within = result.spend, plan.within
    assert 24 <= spend.pairs <= 30
    assert len(sent) == 2 * spend.pairs
    for real, range_ in (
        (spend.tokens, within.tokens),
        (spend.usd / 1e12, within.usd),
        (spend.pairs, within.pairs),
    ):
        assert range_ is not None
        assert range_.expected == pytest.approx(real, rel=0.15)
    with pytest.raises(ConfigError, match="has begun to buy"):
        api.plan(config, probe=2)
    assert api.plan(config).done == 3


@pytest.mark.parametrize("n", [-1, 1, 25])
def test_a_probe_that_cannot_be(n: int, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 to 24, the number of seeds"):
        api.plan(rehearsal(tiny, tmp_path / "run", "http://127.0.0.1:9/v1"), probe=n)
    assert not (tmp_path / "run").exists()


def test_a_probe_with_attempts_leaves_the_run_its_own_pairs(
    tiny: Path, tmp_path: Path
) -> None:
    with run_server(RehearsalOptions(addition_teacher)) as server:
        config = rehearsal(tiny, tmp_path / "run", server.base_url, rounds=1)
        config = config.model_copy(
            update={"teacher": config.teacher.model_copy(update={"show_attempt": True})}
        )
        plan = api.plan(config, probe=2)
        assert plan.probe is not None
        assert not plan.probe.kept
        assert teachback.run(config).spend.pairs == 10


def test_a_program_is_probed_too(tiny: Path, tmp_path: Path) -> None:
    config = rehearsal(
        tiny,
        tmp_path / "run",
        "http://127.0.0.1:9/v1",
        teacher={"name": "program"},
        prices={},
        budget={},
    )
    plan = api.plan(config, probe=6)
    assert plan.within.usd == Range(0, 0, 0)
    assert plan.within.tokens.expected == pytest.approx(
        teachback.run(config).spend.tokens, rel=0.15
    )
