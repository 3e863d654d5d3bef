"""A plan comes true if a probe has measured the pairs."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import teachback
from planning import BASE_URL
from teachback import api
from teachback.build.task import make_task
from teachback.config.config import Config
from teachback.config.reading import make_config
from teachback.errors import ConfigError
from teachback.plan.values import Range
from teachback.rng import draw
from teachback.serve.additions import addition_teacher
from teachback.serve.program import program_teacher
from teachback.serve.server import run_server
from teachback.serve.service import RehearsalOptions
from teachback.tasks import prontoqa

LOGIC = Path(prontoqa.__file__).parents[1] / "teachers/prompts/logic"


def make_rehearsal_config(
    tiny: Path, folder: Path, base_url: str, **changes: Any
) -> Config:
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


def make_server_options(config: Config) -> RehearsalOptions:
    task = make_task(config.task)
    make_random = partial(draw, config.seed, config.repeat)
    templates: Mapping[str, str] = {
        path.stem: path.read_text() for path in LOGIC.glob("*.txt")
    }
    return RehearsalOptions(
        program_teacher(task, make_random, templates, prontoqa.solve_prontoqa)
    )


def test_a_probed_bill_comes_true(tiny: Path, tmp_path: Path) -> None:
    config = make_rehearsal_config(tiny, tmp_path / "run", BASE_URL)
    with run_server(make_server_options(config)) as server:
        config = make_rehearsal_config(tiny, tmp_path / "run", server.base_url)
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
        requests = [request.raw for request in server.requests]
    assert len(requests) == len({*requests}), "nothing is sent twice"
    spend = result.spend
    within = plan.within
    assert 24 <= spend.pairs <= 30
    assert len(requests) == 2 * spend.pairs
    for amount, planned_range in (
        (spend.tokens, within.tokens),
        (spend.usd / 1e12, within.usd),
        (spend.pairs, within.pairs),
    ):
        assert planned_range is not None
        assert planned_range.expected == pytest.approx(amount, rel=0.15)
    with pytest.raises(ConfigError, match="has begun to buy"):
        api.plan(config, probe=2)
    assert api.plan(config).done == 3


@pytest.mark.parametrize("n", [-1, 1, 25])
def test_a_probe_that_cannot_be(n: int, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 to 24, the number of seeds"):
        api.plan(make_rehearsal_config(tiny, tmp_path / "run", BASE_URL), probe=n)
    assert not (tmp_path / "run").exists()


def test_a_probe_with_attempts_leaves_the_run_its_own_pairs(
    tiny: Path, tmp_path: Path
) -> None:
    with run_server(RehearsalOptions(addition_teacher)) as server:
        config = make_rehearsal_config(
            tiny, tmp_path / "run", server.base_url, rounds=1
        )
        config = config.model_copy(
            update={
                "teacher": config.teacher.model_copy(update={"show_attempt": True}),
                # The server's sums are no answers to the task's questions.
                "budget": config.budget.model_copy(update={"min_yield": 0.0}),
            }
        )
        plan = api.plan(config, probe=2)
        assert plan.probe is not None
        assert not plan.probe.kept
        assert teachback.run(config).spend.pairs == 10


def test_a_program_is_probed_too(tiny: Path, tmp_path: Path) -> None:
    config = make_rehearsal_config(
        tiny,
        tmp_path / "run",
        BASE_URL,
        teacher={"name": "program"},
        prices={},
        budget={},
    )
    plan = api.plan(config, probe=6)
    assert plan.within.usd == Range(0, 0, 0)
    assert plan.within.tokens.expected == pytest.approx(
        teachback.run(config).spend.tokens, rel=0.15
    )
