"""`teachback schema`: what editors check a config by."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from commands import command
from teachback.config.schema import make_schema
from teachback.demo.demo_config import DEMO_FILE

RECIPES = [
    DEMO_FILE,
    *sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml")),
]


def complaints(config: Any) -> list[str]:
    plain = json.loads(json.dumps(config, default=str))
    validator = jsonschema.Draft202012Validator(make_schema())
    return [error.json_path for error in validator.iter_errors(plain)]


def demo(**changes: Any) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(DEMO_FILE.read_text())
    return {**tree, **changes}


def test_the_command_prints_a_valid_schema() -> None:
    done = command("schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == json.loads(json.dumps(make_schema()))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_every_recipe_fits(path: Path) -> None:
    assert not complaints(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "changes",
    [
        {"criterion": "badge"},
        {"criterion": "my_module:my_function"},
        {"criterion": {"name": "facility", "weight": "loss"}},
        {"rule": "softmax"},
        {"rule": None},
        {"task": {"name": "reasoning_gym/chain_sum"}},
        {"arms": {"mine": {"criterion": "loss", "finetune.epochs": 1}}},
    ],
    ids=json.dumps,
)
def test_short_forms_fit(changes: dict[str, Any]) -> None:
    assert not complaints(demo(**changes))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"per_rounds": 4}, "$"),
        ({"per_round": 0}, "$.per_round"),
        ({"criterion": "bagde"}, "$.criterion"),
        ({"criterion": {"name": "facility", "wieght": "loss"}}, "$.criterion"),
        ({"teacher": {"name": "pool"}}, "$.teacher"),
        ({"finetune": {"epochs": "many"}}, "$.finetune.epochs"),
    ],
    ids=json.dumps,
)
def test_what_a_run_refuses_does_not_fit(changes: dict[str, Any], where: str) -> None:
    assert where in complaints(demo(**changes))


def test_keys_are_explained_by_the_comments_at_their_fields() -> None:
    schema = make_schema()
    text = schema["properties"]["per_round"]["description"]
    assert text == "m: seeds selected a round."
    teacher = schema["$defs"]["OpenAITeacherSettings"]["properties"]
    inherited = "Up to and without /chat/completions."
    assert teacher["base_url"]["description"] == inherited
