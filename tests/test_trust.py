"""A run from somebody else starts nothing of its own without the user's word."""

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import teachback
from teachback import cli
from teachback.config.config import Config
from teachback.config.reading import make_config, read_run_config
from teachback.config.trust import list_actions, remember_actions
from teachback.errors import ConfigError, DataError
from teachback.run.digests import commit_with_digest
from teachback.testing import fake_run

SOURCES = Path(teachback.__file__).parent
TASK = {"name": "prontoqa", "hops": [1, 2], "seeds": 6, "dev": 4, "test": 3}
ENDPOINT = {"base_url": "http://127.0.0.1:9/v1", "model": "j", "key_env": "THEIR_KEY"}
TABLE = {"name": "jsonl", "seeds": "/q.jsonl", "n_dev": 2, "n_test": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEACHBACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def make(**changes: Any) -> Config:
    return make_config({"task": TASK, "rounds": 1, **changes}, base=Path("/"))


ACTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a server": (
        {"student": {"serve": "touch OWNED {path} {port}"}},
        "the command student.serve: touch OWNED {path} {port}",
    ),
    "a server's address": (
        {"student": {"base_url": "http://x/v1", "key_env": "MY_KEY"}},
        "requests to student.base_url: http://x/v1 with the key in $MY_KEY",
    ),
    "a task": (
        {"task": {"name": "own", "function": "mine.py:make"}},
        "the function task.function: /mine.py:make",
    ),
    "a grader": (
        {"task": {**TABLE, "grader": "function", "function": "mine:grade"}},
        "the function task.function: mine:grade, from ",
    ),
    "a criterion": (
        {"criterion": "os:system"},
        "the function criterion.function: os:system, from ",
    ),
    "trackers": (
        {"machine": {"report_to": ["wandb", "mlflow"]}},
        "the trackers machine.report_to: wandb, mlflow",
    ),
    "a judge": (
        {"task": {**TABLE, "grader": "judge"}, "judge": ENDPOINT},
        "requests to judge.base_url: http://127.0.0.1:9/v1 with the key in $THEIR_KEY",
    ),
}


@pytest.mark.parametrize(("changes", "action"), ACTIONS.values(), ids=ACTIONS)
def test_what_a_config_would_start_is_told(
    changes: dict[str, Any], action: str
) -> None:
    (line,) = list_actions(make(**changes))
    assert line.startswith(action)


def test_an_ordinary_config_starts_nothing() -> None:
    assert list_actions(make()) == []


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    fake_run(folder, rounds=1)
    return folder


def poison(run: Path, name: str, **sections: Any) -> None:
    """Change a file of the run as somebody would who means it: with its digest."""
    path = run / name
    tree = json.loads(path.read_bytes())
    for section, values in sections.items():
        is_section = isinstance(values, dict) and "name" not in values
        tree[section] = {**tree[section], **values} if is_section else values
    if name == "config.json":
        commit_with_digest(path, json.dumps(tree).encode())
    else:
        path.write_text(json.dumps(tree))


def invoke(*args: object) -> Result:
    return CliRunner().invoke(cli.app, [*map(str, args)])


EVIL_MODULE = "from pathlib import Path\nPath('OWNED').touch()\ndef make(*_): ...\n"
POISONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "server": (
        "settings.json",
        {"student": {"serve": "sh -c 'touch OWNED; sleep 1' {path} {port}"}},
        "touch OWNED",
    ),
    "address": (
        "settings.json",
        {"student": {"base_url": "http://127.0.0.1:9/v1"}},
        "http://127.0.0.1:9/v1",
    ),
    "trackers": ("settings.json", {"machine": {"report_to": ["wandb"]}}, "wandb"),
    "task": (
        "config.json",
        {"task": {"name": "own", "function": "evil.py:make", "options": {}}},
        r"evil\.py:make",
    ),
    "criterion": (
        "config.json",
        {"criterion": {"name": "function", "function": "evil:make"}},
        "evil:make",
    ),
}


@pytest.mark.parametrize(
    ("name", "changes", "told"), POISONS.values(), ids=list(POISONS)
)
@pytest.mark.parametrize("flags", [{}, {"base": True}, {"split": "dev"}, {"n": 1}])
def test_evaluate_starts_nothing_of_a_run_from_somebody_else(
    tmp_path: Path,
    run: Path,
    name: str,
    changes: dict[str, Any],
    told: str,
    flags: dict[str, Any],
) -> None:
    (tmp_path / "evil.py").write_text(EVIL_MODULE)
    poison(run, name, **changes)
    with pytest.raises(ConfigError, match=rf"(?s)never started.*{told}.*--trust"):
        teachback.evaluate(run, **flags)
    assert not (tmp_path / "OWNED").exists()


def test_the_command_says_what_would_be_started(tmp_path: Path, run: Path) -> None:
    poison(run, "settings.json", student={"serve": "touch OWNED {path} {port}"})
    refused = invoke("evaluate", run)
    assert isinstance(refused.exception, ConfigError)  # which `main` prints
    status = invoke("status", run, "--costs")
    assert status.exit_code == 0, status.output
    assert not (tmp_path / "OWNED").exists()
    assert "--trust" in invoke("evaluate", "--help").output


def test_with_the_users_word_it_starts(tmp_path: Path, run: Path) -> None:
    (tmp_path / "evil.py").write_text(EVIL_MODULE)
    criterion = {"name": "function", "function": "evil:other"}
    poison(run, "config.json", criterion=criterion)
    with pytest.raises(ConfigError, match="evil has no function other"):
        teachback.evaluate(run, trust=True)
    assert (tmp_path / "OWNED").exists()


def test_what_the_user_has_started_is_known(tmp_path: Path, run: Path) -> None:
    poison(run, "settings.json", student={"serve": "mine {path} {port}"})
    remember_actions(make(student={"serve": "mine {path} {port}"}))
    config = read_run_config(run, trust=False)
    assert config.student.serve == "mine {path} {port}"
    poison(run, "settings.json", student={"serve": "mine {path} {port} --and more"})
    with pytest.raises(ConfigError, match="and more"):
        read_run_config(run, trust=False)
    assert read_run_config(run).student.serve, "looking at it starts nothing"


def test_a_cache_that_can_not_be_written_ends_no_run(
    tmp_path: Path, cache: Path
) -> None:
    cache.write_text("a file")
    remember_actions(make(student={"serve": "mine {path} {port}"}))
    assert cache.read_text() == "a file"


def test_a_damaged_config_is_told_as_such(run: Path) -> None:
    path = run / "config.json"
    path.write_bytes(path.read_bytes().replace(b'"per_round": 4', b'"per_round": 5'))
    for trust in (None, False, True):
        with pytest.raises(DataError, match=r"config\.json can't be read back"):
            read_run_config(run, trust=trust)
    path.write_text("{")
    with pytest.raises(DataError, match=r"config\.json can't be read back"):
        read_run_config(run)


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"student": 3}'])
def test_settings_that_can_not_be_read_are_written_by_the_next_start(
    run: Path, content: str
) -> None:
    (run / "settings.json").write_text(content)
    with pytest.raises(ConfigError):
        read_run_config(run)
    fake_run(run, rounds=1)
    assert read_run_config(run).rounds == 1


def test_there_is_no_run_where_there_is_none(tmp_path: Path, run: Path) -> None:
    for folder in (tmp_path / "nothing", tmp_path):
        with pytest.raises(ConfigError, match="no run in"):
            read_run_config(folder)
    shutil.rmtree(run)


# -- models ------------------------------------------------------------------------------


def calls_of(name: str) -> list[tuple[str, ast.Call]]:
    """Every call of a method of that name in the package, with its place."""
    found = []
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and isinstance(
                node.func, ast.Attribute
            )
            if is_call and node.func.attr == name:  # type: ignore[attr-defined]
                found.append((f"{path.name}:{node.lineno}", node))  # type: ignore[attr-defined,arg-type]
    return found


def test_no_model_brings_code_or_pickles() -> None:
    """Without the first, transformers would ask on the terminal: "run the custom code? [y/N]"."""
    for place, call in calls_of("from_pretrained"):
        loaded = ast.unparse(call.func)
        options = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if "gguf_file" in options or loaded.startswith(("PeftModel", "GenerationConf")):
            continue  # the packaged student; what this process has just saved; plain JSON
        assert options.get("trust_remote_code") == "False", place
        if "Model" in loaded:
            assert options.get("use_safetensors") == "True", place


def test_arrays_are_no_pickles() -> None:
    for place, call in calls_of("load"):
        if ast.unparse(call.func).startswith("np."):
            options = {word.arg: ast.unparse(word.value) for word in call.keywords}
            assert options.get("allow_pickle") == "False", place
