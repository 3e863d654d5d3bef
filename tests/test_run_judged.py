"""A task whose answers no program compares.

A judge grades dev from the same budget, each answer once.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import teachback
from loopback import loopback
from teachback import Result
from teachback.config.config import Config
from teachback.config.reading import make_config
from teachback.errors import ConfigError
from teachback.ledger.queries import open_read_only
from teachback.ledger.settings import BudgetSettings
from teachback.run import history
from teachback.serve.messages import Messages


def likes_long_words(messages: Messages) -> str:
    answer = (
        messages[-1]["content"]
        .partition("The student answered:")[2]
        .partition("Does the")[0]
        .strip()
    )
    return "CORRECT" if len(answer) % 2 else "INCORRECT"


def settings(folder: Path, tiny: Path, base_url: str, **changes: Any) -> Config:
    rows = [
        {"question": f"Who wrote book {i}?", "answer": f"author {i}"} for i in range(40)
    ]
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tree = {
        "task": {
            "name": "jsonl",
            "seeds": "q.jsonl",
            "n_seeds": 12,
            "n_dev": 6,
            "n_test": 5,
            "grader": "judge",
        },
        "judge": {"base_url": base_url, "model": "j", "key_env": None, "max_tokens": 8},
        "teacher": {"name": "pool", "rows": "q.jsonl"},
        "student": {"model": str(tiny), "max_new_tokens": 8, "precision": "float32"},
        "finetune": {"epochs": 1},
        "per_round": 4,
        "rounds": 2,
        "run_dir": str(folder / "run"),
        **changes,
    }
    return make_config(tree, base=folder)


def test_dev_and_test_are_judged_and_paid_for(tmp_path: Path, tiny: Path) -> None:
    with loopback(likes_long_words) as server:
        config = settings(tmp_path, tiny, server.base_url)
        result: Result = teachback.run(config)
        reports = [result.history.baseline, *(r.report for r in result.history.rounds)]
        whole = [
            item
            for report in reports
            for item in report.items
            if item.outcome != "truncated"
        ]
        different = {(item.id, item.text) for item in whole}
        assert server.calls == len(different)
        assert all(
            item.outcome == ("right" if len(item.text) % 2 else "wrong")
            for item in whole
            if item.text
        )
        assert teachback.run(config).history == result.history
        teachback.evaluate(config.run_dir)
        with open_read_only(config.run_dir / "ledger.sqlite") as ledger:
            costs = ledger.costs_by_role()
        assert {one.role for one in costs} == (
            {"teacher", "judge"} if server.calls else {"teacher"}
        )
        assert result.spend.pairs == 8, "judging does not count as generated"


def test_a_round_opens_only_if_its_judging_can_be_paid_too(
    tmp_path: Path, tiny: Path
) -> None:
    with loopback(likes_long_words) as server:
        plenty = settings(
            tmp_path, tiny, server.base_url, budget={"teacher_tokens": 200_000}
        )
        worst = (
            6 * 4500
        )  # of judging dev once: a request may hold 4,000 bytes of an answer
        little = plenty.model_copy(
            update={"budget": BudgetSettings(teacher_tokens=worst)}
        )
        result: Result = teachback.run(little)
        assert not result.history.rounds
        assert history.read_history(little.run_dir).next_step == "open"
        assert len(teachback.run(plenty).history.rounds) == 2


def test_the_judge_and_its_section_belong_together(tmp_path: Path, tiny: Path) -> None:
    config = settings(tmp_path, tiny, "http://127.0.0.1:9/v1")
    tree = config.model_dump(mode="json")
    with pytest.raises(ConfigError, match="belong together"):
        make_config({**tree, "judge": None})
    with pytest.raises(ConfigError, match="belong together"):
        make_config({**tree, "task": {**tree["task"], "grader": "exact"}})
    with pytest.raises(ConfigError, match="costs money and no budget limits it"):
        make_config(
            {**tree, "prices": {"j": {"as_of": "2026-01-01", "input": 1, "output": 1}}}
        )
