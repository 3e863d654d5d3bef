"""Each command with each extra missing: one line with the pip command, and nothing begun."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from commands import Done
from teachback.doctor.packages import PURPOSES, module_of_package
from teachback.errors import (
    EXTRA_MODULES,
    EXTRA_OF_MODULE,
    MissingPackages,
    is_installed,
    make_pip_line,
    require_modules,
)
from teachback.testing import fake_run
from teachback.trackers import TRACKERS

ROOT = Path(__file__).parents[1]
# Of those who develop teachback.
OWN_EXTRAS = {"bench", "slow", "dev", "docs"}

# Runs commands in one process, in which some modules can't be imported.
BLOCKED = """\
import json, sys
blocked, commands, tests = json.loads(sys.argv[1])
for module in blocked:
    sys.modules[module] = None
sys.path.insert(0, tests)
from commands import command
print(json.dumps([command(*words) for words in commands]))
"""

CONFIGS = {
    "program": "task: {name: prontoqa, seeds: 8, dev: 4, test: 4}",
    "openai": "task: {name: prontoqa, seeds: 8, dev: 4, test: 4}\n"
    "teacher: {name: openai, base_url: 'http://127.0.0.1:9/v1', model: m, key_env: null}",
    "served": "task: {name: prontoqa, seeds: 8, dev: 4, test: 4}\n"
    "student: {base_url: 'http://127.0.0.1:9/v1'}\ncriterion: random",
    "qlora": "task: {name: prontoqa, seeds: 8, dev: 4, test: 4}\nfinetune: {method: qlora}",
    "math": "task: {name: jsonl, seeds: rows.jsonl, n_dev: 2, grader: math}\n"
    "teacher: {name: pool, rows: rows.jsonl}",
    "gym": "task: {name: reasoning_gym/chain_sum, seeds: 8, dev: 4, test: 4}",
    "hub": "task: {name: hub, dataset: nobody/nothing}\n"
    "teacher: {name: openai, base_url: 'http://127.0.0.1:9/v1', model: m, key_env: null}",
    "parquet": "task: {name: jsonl, seeds: rows.parquet, n_dev: 2, grader: exact}\n"
    "teacher: {name: pool, rows: rows.parquet}",
    **{
        tracker: "task: {name: prontoqa, seeds: 8, dev: 4, test: 4}\n"
        f"track: [{tracker}]"
        for tracker in TRACKERS
    },
    "gsm8k": "task: {name: gsm8k}\nteacher: {name: pool, rows: rows.jsonl}",
}


def with_all_commands(config: str) -> list[list[str]]:
    return [
        ["run", config, "--yes"],
        ["evaluate", config],
        ["select", config, "-n", "2"],
        ["compare", config, "--jobs", "1", "--run-dir", f"compared-{config}"],
    ]


# By extra: the commands that can't do without it.
COMMANDS: dict[str, list[list[str]]] = {
    "student": [
        *with_all_commands("program.yaml"),
        ["demo"],
        ["demo", "--quick"],
        ["plan", "program.yaml", "--probe", "2"],
    ],
    "teacher": [
        *with_all_commands("openai.yaml"),
        *with_all_commands("served.yaml"),
        ["plan", "openai.yaml", "--probe", "2"],
        ["serve-program", "program.yaml"],
    ],
    "qlora": [
        ["run", "qlora.yaml", "--yes"],
        ["compare", "qlora.yaml"],
        ["plan", "qlora.yaml", "--probe", "2"],
    ],
    "math": with_all_commands("math.yaml"),
    "gym": [
        *with_all_commands("gym.yaml"),
        ["plan", "gym.yaml"],
        ["serve-program", "gym.yaml"],
    ],
    "hub": [
        *with_all_commands("hub.yaml"),
        ["plan", "hub.yaml"],
        ["run", "gsm8k.yaml"],
        ["plan", "gsm8k.yaml"],
    ],
    "files": [
        ["init", "rows.parquet"],
        *with_all_commands("parquet.yaml"),
        ["plan", "parquet.yaml"],
    ],
    **{
        tracker: [
            ["run", f"{tracker}.yaml", "--yes"],
            ["compare", f"{tracker}.yaml", "--jobs", "1"],
        ]
        for tracker in TRACKERS
    },
    # `compare` goes without the page, and to_pandas is no command: see below.
    "plots": [],
    "pandas": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extras")
    rows = [
        {"question": f"What is x^{i}?", "answer": f"\\frac{{x}}{{{i}}}"}
        for i in range(2, 52)
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / "rows.jsonl").write_text(lines)
    (folder / "rows.parquet").write_bytes(b"PAR1 and so on PAR1")
    for name, text in CONFIGS.items():
        (folder / f"{name}.yaml").write_text(f"{text}\nper_round: 2\nrounds: 1\n")
    return folder


def run_without(
    modules: Iterable[str], commands: Sequence[Sequence[object]], folder: Path
) -> list[Done]:
    words = [list(map(str, command)) for command in commands]
    given = json.dumps([list(modules), words, str(Path(__file__).parent)])
    process = subprocess.run(
        [sys.executable, "-c", BLOCKED, given],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert process.returncode == 0, process.stderr
    return [Done(*done) for done in json.loads(process.stdout.splitlines()[-1])]


@pytest.mark.parametrize("extra", [extra for extra in COMMANDS if COMMANDS[extra]])
def test_each_command_without_an_extra_it_needs_says_the_pip_line(
    extra: str, folder: Path
) -> None:
    for words, done in zip(
        COMMANDS[extra],
        run_without(EXTRA_MODULES[extra], COMMANDS[extra], folder),
        strict=True,
    ):
        what = f"{' '.join(words)}: {done}"
        assert done.returncode == 2, what
        lines = done.stderr.splitlines()
        errors = [i for i, line in enumerate(lines) if line.startswith("error: ")]
        assert errors == [len(lines) - 1], what
        assert re.search(
            rf"needs .*not installed: pip install 'teachback\[{extra}\]'$", lines[-1]
        ), what
        assert done.stdout == "", what
    assert not list(folder.rglob("ledger.sqlite"))


def test_what_needs_no_extra_works_without_any(folder: Path) -> None:
    fake_run(folder / "finished", rounds=1)
    commands: list[list[object]] = [
        ["--help"],
        ["--version"],
        ["schema"],
        ["init", "rows.jsonl", "--grader", "exact", "--force"],
        ["plan", "program.yaml"],
        ["plan", "openai.yaml"],
        ["status", "finished"],
        ["status", "finished", "--costs"],
        ["show", "finished"],
    ]
    every_module = {module for modules in EXTRA_MODULES.values() for module in modules}
    for words, done in zip(
        commands, run_without(every_module, commands, folder), strict=True
    ):
        assert done.returncode == 0, f"{words}: {done}"
        assert done.stdout, words


def test_the_doctor_without_any_extra_lists_them_all(folder: Path) -> None:
    every_module = {module for modules in EXTRA_MODULES.values() for module in modules}
    commands = [["doctor"], ["doctor", "openai.yaml"], ["doctor", "math.yaml"]]
    demo, openai, math = run_without(every_module, commands, folder)
    assert [done.returncode for done in (demo, openai, math)] == [2, 2, 2]
    for extra in EXTRA_MODULES:
        assert f"pip install 'teachback[{extra}]'" in demo.stdout
    assert demo.stderr == ""
    assert "fix: pip install 'teachback[student]'\n" in demo.stdout
    assert "fix: pip install 'teachback[student,teacher]'\n" in openai.stdout
    assert "fix: pip install 'teachback[student,math]'\n" in math.stdout


@pytest.mark.parametrize("module", EXTRA_MODULES["student"])
def test_one_missing_package_is_named(module: str, folder: Path) -> None:
    """An extra that is installed in part."""
    config = "served.yaml" if module == "aiohttp" else "program.yaml"
    command = "compare" if module == "psutil" else "run"
    (done,) = run_without([module], [[command, config, "--yes"]], folder)
    extra = "teacher" if module == "aiohttp" else "student"
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        f"needs {module}, which is not installed: pip install 'teachback[{extra}]'"
    )


def test_a_finder_that_refuses_a_module_is_a_missing_module() -> None:
    class Refuses:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "surely_not_loaded":
                raise ModuleNotFoundError(name)

    sys.meta_path.insert(0, Refuses)  # type: ignore[arg-type]
    try:
        assert not is_installed("surely_not_loaded")
    finally:
        sys.meta_path.remove(Refuses)  # type: ignore[arg-type]


def test_several_missing_packages_are_one_line_and_one_command() -> None:
    with pytest.raises(MissingPackages) as missing:
        require_modules("this", ["json", "no_such_torch", "no_such_other"])
    assert str(missing.value) == (
        "this needs no_such_torch, no_such_other, which are not installed: "
        "pip install no_such_torch no_such_other"
    )
    assert make_pip_line(["torch", "math_verify", "peft", "rensa"]) == (
        "pip install 'teachback[student,math]' rensa"
    )


# -- the table and pyproject.toml --------------------------------------------------------


def test_the_extras_of_the_code_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = {
        extra: {module_of_package(re.split("[<>=~!]", line)[0]) for line in lines}
        for extra, lines in project["optional-dependencies"].items()
        if extra not in OWN_EXTRAS
    }
    assert packages == {extra: set(modules) for extra, modules in EXTRA_MODULES.items()}
    assert PURPOSES.keys() == EXTRA_MODULES.keys() == COMMANDS.keys()


def test_packages_are_imported_by_their_own_names() -> None:
    """So that the name of a requirement is the name of its module."""
    distributions = packages_distributions()
    for module in EXTRA_OF_MODULE:
        if module in distributions:
            assert module in {module_of_package(name) for name in distributions[module]}
