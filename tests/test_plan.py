"""A plan brackets what is bought, and needs no student."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning import (
    BASE_URL,
    LENGTHS,
    PAIR_CALLS,
    make_plan,
    make_seeds,
    make_teaching,
)
from teachback import api
from teachback.config.reading import make_config, read_config
from teachback.plan.budget_terms import BudgetTerms
from teachback.plan.layout import MAX_COLUMNS
from teachback.plan.render import format_plan
from teachback.plan.values import Plan, Range, RoleBill
from teachback.run.files import to_json_bytes
from teachback.student.model_size import SIZE_IN_NAME, find_model_size
from teachback.teachers.openai import PairCalls, worst_pair_cost
from teachback.types import Example

RECIPES = Path(__file__).parents[1] / "recipes"


def list_bill_ranges(plan: Plan) -> list[Range]:
    bills: list[RoleBill] = [*plan.total]
    for round_bill in plan.rounds:
        bills += round_bill.roles
    ranges: list[Range] = []
    for bill in bills:
        fields = (
            bill.calls,
            bill.input_tokens,
            bill.output_tokens,
            bill.usd,
            bill.flops,
        )
        ranges += [value for value in fields if value is not None]
    return ranges


@settings(max_examples=40)
@given(
    LENGTHS,
    st.sampled_from(PAIR_CALLS),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_low_expected_high(
    lengths: list[int],
    calls: PairCalls,
    per_round: int,
    rounds: int,
    has_probe: bool,
    has_judge: bool,
) -> None:
    pool = make_seeds(lengths)
    teaching = make_teaching(
        calls, pool, per_round, has_probe=has_probe, has_judge=has_judge
    )
    plan = make_plan(BudgetTerms(len(pool), per_round, rounds), teaching, pool)
    for value in [
        *list_bill_ranges(plan),
        plan.within.tokens,
        plan.student.total.answering,
        plan.student.total.finetuning,
    ]:
        assert 0 <= value.low <= value.high
        assert value.expected is None or value.low <= value.expected <= value.high
    worst_pair = max(worst_pair_cost(seed, 999, calls).tokens for seed in pool)
    worst_round = per_round * worst_pair + teaching.criterion_worst.tokens
    assert plan.within.tokens.high <= rounds * worst_round
    assert [line for line in format_plan(plan) if len(line) > MAX_COLUMNS] == []
    assert to_json_bytes(plan)


@settings(max_examples=40)
@given(LENGTHS, st.sampled_from(PAIR_CALLS), st.integers(1, 4), st.integers(1, 4))
def test_more_never_costs_less(
    lengths: list[int], calls: PairCalls, per_round: int, rounds: int
) -> None:
    pool = make_seeds(lengths)
    double_pool = (*pool, *(replace(seed, id=f"{seed.id}b") for seed in pool))

    def list_ends(
        pool: tuple[Example, ...], per_round: int, rounds: int
    ) -> list[float]:
        plan = make_plan(
            BudgetTerms(len(pool), per_round, rounds),
            make_teaching(calls, pool, per_round),
            pool,
        )
        values = [
            plan.within.tokens,
            plan.within.usd,
            plan.student.total.answering,
            plan.student.total.finetuning,
        ]
        return [end for value in values if value for end in (value.low, value.high)]

    ends = list_ends(pool, per_round, rounds)
    for more_ends in (
        list_ends(pool, per_round, rounds + 1),
        list_ends(pool, per_round + 1, rounds),
        list_ends(double_pool, per_round, rounds),
    ):
        for end, more in zip(ends, more_ends, strict=True):
            assert end <= more * (1 + 1e-12)


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
    def plan_answering(solution: str | None) -> Range:
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
                "base_url": BASE_URL,
                "model": "m",
                "key_env": None,
            },
            "student": {"model": str(tiny), "max_new_tokens": 8},
            "per_round": 2,
            "rounds": 1,
        }
        return api.plan(make_config(tree, base=tmp_path)).student.before.answering

    short = plan_answering(None)
    long = plan_answering("so " * 100)
    assert long.low - short.low == pytest.approx(8 * 301 / 5)
    assert long.high - short.high == pytest.approx(8 * 301 / 2.5)
