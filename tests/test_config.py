"""The config: every wrong value is an error that says what, got what and allowed what.

No wrong value is replaced by a default.
"""

from pathlib import Path

import pytest

from teachback.config.reading import make_config, read_config
from teachback.config.run_identity import identify_config, list_free_settings
from teachback.demo.demo_config import DEMO_FILE
from teachback.errors import ConfigError

RECIPES = Path(__file__).parents[1] / "recipes"
TASK = {"task": {"name": "prontoqa"}, "rounds": 1}


def write(folder: Path, text: str) -> Path:
    path = folder / "task.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"finetune": {"learning_rate": 1}},
            r"unknown key finetune\.learning_rate.*allowed: .*lr",
        ),
        ({"critereon": "loss"}, r"unknown key critereon; did you mean criterion\?"),
        (
            {"task": {"name": "prontoqa", "hop": [1, 2]}},
            r"unknown key task\.hop; did you mean hops\?",
        ),
        (
            {"finetune": {"epochs": 0}},
            r"finetune\.epochs: .*greater than or equal to 1 \(got 0\)",
        ),
        ({"finetune": {"lr": float("nan")}}, r"finetune\.lr: .*finite"),
        (
            {"criterion": "lossy"},
            r"criterion: no 'lossy'; did you mean loss\?  \(allowed: random, loss, .*",
        ),
        (
            {"task": {"name": "prontoqa", "hops": [3, 1]}},
            r"from the fewest to the most",
        ),
        (
            {"reuse_seeds": "evnly"},
            r"reuse_seeds: true, false and evenly are allowed \(got 'evnly'\)",
        ),
        (
            {"task": {"name": "gsm9k"}},
            r"task: no 'gsm9k'; did you mean gsm8k\?  \(allowed: prontoqa, gsm8k, math, ",
        ),
        ({"task": {"name": "jsonl"}}, r"task\.seeds is missing"),
        ({"rounds": None}, r"nothing ends this run"),
        (
            {"teacher": {"name": "openai", "model": "m"}},
            r"teacher\.base_url is missing",
        ),
        (
            {"budget": {"generated": "many"}},
            r"budget\.generated: .*integer.*got 'many'",
        ),
    ],
)
def test_wrong_values_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config({**TASK, **change})


def test_set_changes_one_value_as_yaml(tmp_path: Path) -> None:
    path = write(tmp_path, "task: {name: prontoqa}\nrounds: 2\n")
    config = read_config(
        path,
        ["finetune.lr=1e-3", "task.hops=[2, 4]", "budget.generated=7", "rounds=null"],
    )
    assert (
        config.finetune.lr,
        config.task.hops,
        config.budget.generated,
        config.rounds,
    ) == (
        1e-3,
        (2, 4),
        7,
        None,
    )  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="--set takes a name and a value"):
        read_config(path, ["finetune.lr"])
    with pytest.raises(
        ConfigError, match=r"unknown key finetune\.lrr; did you mean lr"
    ):
        read_config(path, ["finetune.lrr=1"])


@pytest.mark.parametrize("text", ["", "- a\n", "task: [\n", "task: {name: prontoqa"])
def test_what_is_no_config(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read_config(write(tmp_path, text))
    with pytest.raises(ConfigError, match=r"missing\.yaml can't be read"):
        read_config(tmp_path / "missing.yaml")


def test_paths_are_relative_to_the_file_and_take_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path,
        "task: {name: jsonl, seeds: $HERE/s.jsonl, dev: d.jsonl}\n"
        "rounds: 1\nstudent: {model: ../m}\n",
    )
    monkeypatch.setenv("HERE", "/data")
    monkeypatch.chdir("/")
    config = read_config(path)
    assert config.task.seeds == Path("/data/s.jsonl")
    assert config.task.dev == tmp_path / "d.jsonl"  # type: ignore[union-attr]
    assert config.student.model == str(tmp_path / "../m")
    assert config.run_dir == Path("/runs/task")
    assert (
        read_config(path, ["student.model=smollm2-135m"]).student.model
        == "smollm2-135m"
    )
    monkeypatch.delenv("HERE")
    with pytest.raises(
        ConfigError,
        match=r"task\.seeds names an environment variable that is not set\n.*\$HERE",
    ):
        read_config(path)


def test_identity_leaves_out_what_may_differ_from_start_to_start() -> None:
    one = make_config(TASK)
    two = make_config(
        {
            **TASK,
            "rounds": 9,
            "budget": {"generated": 5},
            "machine": {"threads": 1},
            "run_dir": "/else",
            "keep": "all",
        }
    )
    assert identify_config(one) == identify_config(two)
    assert identify_config(one) != identify_config(
        make_config({**TASK, "per_round": 8})
    )
    remote = {"name": "openai", "model": "m", "base_url": "http://a"}
    here, there = (
        {**TASK, "teacher": {**remote, **x}}
        for x in ({}, {"base_url": "http://b", "in_flight": 2})
    )
    assert identify_config(make_config(here)) == identify_config(make_config(there))
    assert list_free_settings(make_config(there))["teacher"]["in_flight"] == 2  # type: ignore[index]


@pytest.mark.parametrize(
    "recipe", [DEMO_FILE, *sorted(RECIPES.glob("*.yaml"))], ids=lambda p: p.stem
)
def test_every_recipe_is_valid(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHBACK_DATA", "/data")
    read_config(recipe)
