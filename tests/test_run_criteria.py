"""Every criterion runs a round of the real loop; bad settings are refused before any call."""

import json
from pathlib import Path
from typing import Any

import pytest

import teachback
from loopback import loopback
from teachback import api
from teachback.build.task import make_task
from teachback.compare.comparison import run_comparison
from teachback.config.config import Config
from teachback.config.reading import make_config
from teachback.criteria import CRITERIA
from teachback.errors import CriterionError, TeachbackError
from teachback.ledger.queries import open_read_only
from teachback.serve.messages import Messages
from teachback.types import ArrayFile

NAMES = tuple(name for name in CRITERIA if name != "function")
SETTINGS: dict[str, dict[str, Any]] = {
    "disagreement": {"samples": 3},
    "learnability": {"samples": 3},
    "mixture": {"shares": {"loss": 0.5, "random": 0.25, "facility": 0.25}},
    "bandit": {"members": ["loss", "badge"], "explore": 0.5},
}
ROWS = [
    {
        "question": f"{i} + {i} = ?",
        "answer": str(2 * i),
        "solution": f"So {2 * i}.",
        "even": i % 2,
    }
    for i in range(30)
]


def answers(messages: Messages) -> str:
    """Replies as a teacher, a marker or a referee, depending on the prompt."""
    text = messages[-1]["content"]
    if "Mark 1:" in text:
        return f"Well.\nMark 1: {1 + len(text) % 10}\nMark 2: {1 + len(text) % 7}"
    if "Mark: N" in text:
        return (
            "I can't say." if "7 + 7" in text else f"Well.\nMark: {1 + len(text) % 10}"
        )
    return "So 4.\nAnswer: 4"


def settings(folder: Path, tiny: Path, criterion: object, **changes: Any) -> Config:
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    tree = {
        "task": {
            "name": "jsonl",
            "seeds": "q.jsonl",
            "n_seeds": 12,
            "n_dev": 4,
            "n_test": 4,
            "grader": "number",
        },
        "teacher": {"name": "pool", "rows": "q.jsonl"},
        "student": {"model": str(tiny), "max_new_tokens": 6, "precision": "float32"},
        "finetune": {"epochs": 1},
        "criterion": criterion,
        "per_round": 4,
        "rounds": 1,
        "run_dir": str(folder / "run"),
        **changes,
    }
    return make_config(tree, base=folder)


def section(name: str, folder: Path, base_url: str) -> dict[str, Any]:
    endpoint = {"base_url": base_url, "model": "j", "key_env": None}
    if name == "reward":
        return {"name": name, "model": str(reward_model(folder))}
    return {
        "name": name,
        **(endpoint if name in ("judge", "lion") else {}),
        **SETTINGS.get(name, {}),
    }


def reward_model(folder: Path) -> Path:
    """A sequence classifier of one output with random weights, on the tiny student's tokenizer."""
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    from teachback.testing import tiny_student

    tiny = tiny_student(folder / "tiny-reward")
    config = AutoConfig.from_pretrained(tiny, num_labels=1)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(
        folder / "reward"
    )
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder / "reward")
    return folder / "reward"


@pytest.mark.parametrize("name", NAMES)
def test_a_round_by(name: str, tiny: Path, tmp_path: Path) -> None:
    with loopback(answers) as server:
        changes: dict[str, Any] = {}
        if name == "lion":
            endpoint = {"base_url": server.base_url, "model": "t", "key_env": None}
            changes = {
                "teacher": {"name": "openai", "prompts": "math", **endpoint},
                "budget": {"generated": 8},
            }
        result = teachback.run(
            settings(
                tmp_path, tiny, section(name, tmp_path, server.base_url), **changes
            )
        )
    chosen = result.history.rounds[0].chosen
    assert len({pick.seed for pick in chosen.picks}) == 4
    scored = name in CRITERIA and CRITERIA[name].gives_scores
    assert all((pick.score is not None) == scored for pick in chosen.picks)
    assert bool(chosen.scores) == scored


def test_what_is_asked_of_a_judge_is_paid_and_does_not_count_as_generated(
    tiny: Path, tmp_path: Path
) -> None:
    with loopback(answers) as server:
        config = settings(tmp_path, tiny, section("judge", tmp_path, server.base_url))
        bill = {role.role: role for role in api.plan(config).total}
        assert server.calls == 0
        result = teachback.run(config)
        assert server.calls == 12, (
            "one for each candidate: ten times per_round are more than there are"
        )
        assert teachback.run(config).history == result.history
        assert server.calls == 12
        with open_read_only(config.run_dir / "ledger.sqlite") as ledger:
            costs = {one.role: one for one in ledger.costs_by_role()}
    chosen = result.history.rounds[0].chosen
    unmarked = {e.id for e in make_task(config.task).seeds if "7 + 7" in e.question}
    assert unmarked.isdisjoint(id for id, _ in chosen.scores), "no mark, no candidate"
    assert set(costs) == {"teacher", "marker"} == set(bill)
    marker, planned = costs["marker"], bill["marker"]
    assert planned.calls.low == planned.calls.high == 12
    assert (
        0.95 * planned.input_tokens.low
        <= marker.spend.input_tokens
        <= planned.input_tokens.high
    ), "5 bytes a token"
    assert (
        planned.output_tokens.low
        <= marker.spend.output_tokens
        <= planned.output_tokens.high
    )
    assert result.spend.pairs == 4
    assert "got no mark and could not be selected" in chosen.notes[0]


def test_a_round_that_cannot_pay_its_marks_does_not_open(
    tiny: Path, tmp_path: Path
) -> None:
    with loopback(answers) as server:
        given = section("judge", tmp_path, server.base_url)
        result = teachback.run(
            settings(tmp_path, tiny, given, budget={"teacher_tokens": 500})
        )
    assert result.history.rounds == ()
    assert server.calls == 0


def test_a_judge_whose_marks_cannot_be_read_stops_the_run_and_is_quoted(
    tiny: Path, tmp_path: Path
) -> None:
    with loopback(lambda messages: "Lovely!") as server:
        config = settings(tmp_path, tiny, section("judge", tmp_path, server.base_url))
        with pytest.raises(
            CriterionError,
            match=r"left with 0 seeds, and the round needs 4(.|\n)*12 attempts.*'Lovely!'",
        ):
            teachback.run(config)


def test_candidates_are_a_random_part_of_the_pool(tiny: Path, tmp_path: Path) -> None:
    config = settings(
        tmp_path,
        tiny,
        {"name": "disagreement", "samples": 2},
        candidates=6,
        rounds=2,
        rule="balanced",
    )
    rounds = teachback.run(config).history.rounds
    asked = [{seed for seed, _ in r.chosen.scores} for r in rounds]
    assert [len(one) for one in asked] == [6, 6]
    assert asked[0] != asked[1]
    assert all(
        pick.seed in one
        for r, one in zip(rounds, asked, strict=True)
        for pick in r.chosen.picks
    )


@pytest.mark.parametrize(
    ("reuse", "distinct"),
    [(False, [2, 4, 6]), ("evenly", [2, 4, 6, 6]), (True, [2, 2, 2, 2])],
)
def test_seeds_that_are_selected_again(
    reuse: object, distinct: list[int], tiny: Path, tmp_path: Path
) -> None:
    """Counts how many of six seeds a criterion with favourites has selected after each round."""
    (tmp_path / "mine.py").write_text(
        "def last(evidence):\n    return list(range(len(evidence.seeds)))\n"
    )
    six = {
        "name": "jsonl",
        "seeds": "q.jsonl",
        "n_seeds": 6,
        "n_dev": 4,
        "n_test": 4,
        "grader": "number",
    }
    config = settings(
        tmp_path,
        tiny,
        "mine.py:last",
        task=six,
        per_round=2,
        rounds=4,
        reuse_seeds=reuse,
    )
    rounds = teachback.run(config).history.rounds
    picked = [pick.seed for r in rounds for pick in r.chosen.picks]
    assert [len(set(picked[: 2 * (i + 1)])) for i in range(len(rounds))] == distinct


def test_arrays_are_kept_with_the_attempts(tiny: Path, tmp_path: Path) -> None:
    from teachback.run.directory import Run

    config = settings(
        tmp_path, tiny, {"name": "bandit", "members": ["badge", "kcenter"]}
    )
    teachback.run(config)
    with Run(config.run_dir) as run:
        kept = json.loads((config.run_dir / "round-00/attempt.json").read_text())
        shapes = {
            name: run.load_array(ArrayFile(kept[name]["file"])).shape
            for name in ("embedding", "gradient")
        }
    assert shapes == {"embedding": (12, 16), "gradient": (12, 4096)}


def test_arms_that_keep_arrays_compare_with_one_that_does_not(
    tiny: Path, tmp_path: Path
) -> None:
    """Each arm attempts the pool as if alone. The untuned student answers dev only once."""
    config = settings(tmp_path, tiny, "random")
    run_comparison(
        config, ["badge", "loss", "kcenter"], 1, jobs=1, listen=lambda event: None
    )
    arms = {
        arm: config.run_dir / "repeat-0" / arm / "round-00"
        for arm in ("badge", "loss", "kcenter")
    }
    assert (
        len({(folder / "baseline.json").read_bytes() for folder in arms.values()}) == 1
    )
    for arm, folder in arms.items():
        teachback.run(settings(tmp_path, tiny, arm, run_dir=str(tmp_path / arm)))
        for step in ("attempt", "select", "evaluate"):
            assert (tmp_path / arm / f"round-00/{step}.json").read_bytes() == (
                folder / f"{step}.json"
            ).read_bytes()


OWN = """
def longest(evidence):
    return [attempt.n_tokens for attempt in evidence.attempts]

def first(evidence, m, draws):
    return list(evidence.candidates)[:m]

def broken(evidence):
    return [float("nan")] * len(evidence.seeds)
"""


def test_a_criterion_of_ones_own(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(OWN)
    given = {"name": "function", "function": "mine.py:first", "kind": "chooser"}
    chosen = teachback.run(settings(tmp_path, tiny, given)).history.rounds[0].chosen
    ids = [pick.seed for pick in chosen.picks]
    assert ids == sorted(ids)
    (tmp_path / "mine.py").write_text(OWN + "\n")
    with pytest.raises(TeachbackError, match="inputs of the run"):
        teachback.run(settings(tmp_path, tiny, given))
    with pytest.raises(CriterionError, match="12 scores that are no numbers"):
        teachback.run(
            settings(tmp_path, tiny, "mine.py:broken", run_dir=str(tmp_path / "other"))
        )


REFUSED = {
    "a rule for a chooser": (
        {"criterion": "badge", "rule": "top"},
        "badge picks the seeds itself",
    ),
    "an unknown criterion": (
        {"criterion": "los"},
        r"criterion: no 'los'; did you mean loss",
    ),
    "an unknown setting": (
        {"criterion": {"name": "disagreement", "sample": 4}},
        "criterion.sample; did you mean samples",
    ),
    "an unknown need": (
        {
            "criterion": {
                "name": "function",
                "function": "json:loads",
                "needs": ["wisdom"],
            }
        },
        r"unknown needs\n.*wisdom",
    ),
    "no function": (
        {"criterion": "json:lods"},
        r"json has no function lods\(evidence\)",
    ),
    "few candidates": (
        {"criterion": "learnability", "candidates": 2},
        "candidates is below per_round",
    ),
    "bad candidates": (
        {"criterion": "learnability", "candidates": "many"},
        "candidates",
    ),
    "lion without its teacher": (
        {
            "criterion": {
                "name": "lion",
                "base_url": "http://127.0.0.1:1",
                "model": "j",
                "key_env": None,
            }
        },
        "lion compares the student with teacher.name: openai",
    ),
    "a mixture of nothing": (
        {"criterion": {"name": "mixture", "shares": {}}},
        "criterion.shares",
    ),
    "a bandit's twin": (
        {"criterion": {"name": "bandit", "members": ["loss", "loss"]}},
        "each once",
    ),
    "a field that isn't there": (
        {"criterion": "loss", "rule": {"name": "stratified", "by": "depth"}},
        "12 seeds have no depth",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tiny: Path, tmp_path: Path) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(TeachbackError, match=message):
        teachback.run(settings(tmp_path, tiny, **{"criterion": "loss", **changes}))


@pytest.mark.parametrize(
    ("name", "lacking"), [("true_loss", "gold solutions"), ("wrong", "gold answers")]
)
def test_seeds_without_gold_are_named(
    name: str, lacking: str, tiny: Path, tmp_path: Path
) -> None:
    rows = [
        {"question": f"Why {i}?", **({"answer": "4"} if i > 10 else {})}
        for i in range(12)
    ]
    config = settings(tmp_path, tiny, name)
    (tmp_path / "seeds.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
    )
    files = {
        "seeds": tmp_path / "seeds.jsonl",
        "dev": tmp_path / "q.jsonl",
        "n_seeds": None,
        "n_test": None,
    }
    task = config.task.model_copy(update=files)
    with pytest.raises(
        TeachbackError, match=f"{name} needs {lacking}, and 1[12] seeds have none"
    ):
        teachback.run(config.model_copy(update={"task": task}))
