"""The functions of `teachback`, as a script or a notebook uses them."""

import asyncio
import inspect
import json
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

import teachback
from commands import command
from teachback import errors
from teachback.cli import app
from teachback.commands.results import Evaluation
from teachback.config.reading import make_config, read_config, resolve_config
from teachback.report.result_view import ResultView
from teachback.run.directory import Event
from teachback.types import ReportItem
from test_docs import PYTHON_BLOCK

# -- names and options -------------------------------------------------------------------

COMMANDS = {
    command.name: command
    for command in typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
}
FUNCTIONS = sorted({*COMMANDS} & {*teachback.__all__})
# What a command has because it prints, and a function because it returns.
OF_COMMANDS = {"json", "quiet", "yes", "out", "help", "serve", "port"}
OF_FUNCTIONS = {"progress", "listen", "confirm"}
OPTION_NAMES = {"set": "changes", "path": "config"}


def command_parameters(name: str) -> dict[str, Any]:
    """By the name that the function should have: the default, as the command line has it."""
    found = {}
    for parameter in COMMANDS[name].params:
        options = [option.lstrip("-") for option in parameter.opts]
        option = max(options, key=len).replace("-", "_")
        if option not in OF_COMMANDS or (name, option) == ("export", "out"):
            found[OPTION_NAMES.get(option, option)] = parameter.default
    return found


def test_the_functions_are_the_commands_that_return_something() -> None:
    assert FUNCTIONS == [
        "compare",
        "diff",
        "evaluate",
        "export",
        "plan",
        "report",
        "run",
        "runs",
        "select",
    ]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_name_and_the_options_of_its_command(name: str) -> None:
    function = getattr(teachback, name)
    parameters = inspect.signature(function).parameters
    first, *keywords = [key for key in parameters if key not in OF_FUNCTIONS]
    expected = command_parameters(name)
    assert expected.keys() == {first.replace("run_or_config", "config"), *keywords}
    for keyword in keywords:
        default = parameters[keyword].default
        if default is not inspect.Parameter.empty:
            assert default == (expected[keyword] or default), keyword
    assert function.__name__ == name


def test_rooms_of_the_same_name_do_not_take_the_place_of_a_function() -> None:
    code = (
        "import teachback\n"
        "from teachback.plan.make import make_plan\n"
        "from teachback.compare.comparison import run_comparison\n"
        "import teachback.run.directory, teachback.plan.values\n"
        "print(*(callable(getattr(teachback, name)) for name in "
        f"{FUNCTIONS!r}), teachback.Config.__name__, teachback.Result.__name__)\n"
        "assert {'Config', 'run'} <= {*dir(teachback)}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == [*["True"] * len(FUNCTIONS), "Config", "Result"]
    with pytest.raises(AttributeError, match="has no attribute 'rank'"):
        teachback.rank  # noqa: B018


def test_importing_teachback_loads_next_to_nothing() -> None:
    code = "import teachback, sys; print({'numpy', 'pydantic', 'rich', 'yaml'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_every_exported_name_is_there() -> None:
    for name in teachback.__all__:
        assert getattr(teachback, name) is not None
    for name, module in teachback._LAZY_MODULES.items():
        assert getattr(import_module(f"teachback.{module}"), name)


def test_the_version_is_the_package_s() -> None:
    project = Path(__file__).parents[1] / "pyproject.toml"
    stated = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    assert teachback.__version__ == version("teachback") == stated
    assert command("--version").stdout == f"teachback {stated}\n"
    done = subprocess.run(
        [sys.executable, "-m", "teachback", "--version"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, f"teachback {stated}\n")


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(teachback.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("teachback se", {"select", "serve-program"}),
        ("teachback compare --inde", {"--independent-draws"}),
    ],
)
def test_the_shell_completes_commands_and_options(
    words: str, expected: set[str]
) -> None:
    position = str(len(words.split()) - 1)
    done = command(
        _TEACHBACK_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=position
    )
    assert {*done.stdout.split()} == expected


def test_the_script_that_makes_a_shell_complete() -> None:
    done = command(
        "--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    )
    assert "complete -o default -F _teachback_completion teachback" in done.stdout


# -- configs -----------------------------------------------------------------------------

TREE: Mapping[str, Any] = {
    "task": {"name": "prontoqa", "hops": [1, 2], "seeds": 12, "dev": 6, "test": 5},
    "student": {"model": "tiny", "max_new_tokens": 8, "precision": "float32"},
    "per_round": 4,
    "rounds": 2,
    "finetune": {"method": "full", "lr": 1e-3, "epochs": 1, "rows_per_step": 4},
    "machine": {"threads": 1},
}


def test_changes_are_a_list_as_set_takes_it_or_values_by_name(tmp_path: Path) -> None:
    config = make_config(TREE)
    (tmp_path / "a.yaml").write_text(json.dumps(TREE), encoding="utf-8")
    listed = ["rounds=3", "finetune.epochs=2", "task.hops=[1, 3]"]
    by_name = {
        "rounds": 3,
        "finetune.epochs": 2,
        "task": {**TREE["task"], "hops": [1, 3]},
    }
    expected = read_config(tmp_path / "a.yaml", listed, tmp_path / "here")
    for source in (tmp_path / "a.yaml", str(tmp_path / "a.yaml"), TREE, config):
        for changes in (listed, by_name):
            assert resolve_config(source, changes, str(tmp_path / "here")) == expected
    assert resolve_config(config) is config
    assert resolve_config(TREE, "rounds=3").rounds == 3
    assert TREE["rounds"] == 2
    with pytest.raises(teachback.TeachbackError, match="did you mean per_round"):
        resolve_config(config, {"per_rund": 3})


def test_a_run_takes_no_changes(tmp_path: Path) -> None:
    for change in ({"changes": ["rounds=1"]}, {"run_dir": tmp_path / "b"}):
        with pytest.raises(teachback.TeachbackError, match="is a run: what it is made"):
            teachback.evaluate(tmp_path / "run", **change)  # type: ignore[arg-type]


# -- results -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tiny: Path) -> dict[str, Any]:
    return {**TREE, "student": {**TREE["student"], "model": str(tiny)}}


@pytest.fixture(scope="module")
def results(
    tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ResultView]:
    """What each function returns, called inside a coroutine as in a notebook."""
    folder = tmp_path_factory.mktemp("python")
    compared = {"arms": ["random", "loss"], "repeats": 1, "jobs": 1}

    async def call_all() -> dict[str, ResultView]:
        return {
            "plan": teachback.plan(tree, run_dir=folder / "run"),
            "run": teachback.run(tree, run_dir=folder / "run"),
            "evaluate": teachback.evaluate(folder / "run", split="dev"),
            "select": teachback.select(tree, 3, run_dir=folder / "run"),
            "export": teachback.export(folder / "run", to="csv", out=folder / "rows"),
            "compare": teachback.compare(
                tree, **compared, changes=["rounds=1"], run_dir=folder / "compared"
            ),
            "diff": teachback.diff(folder / "run", folder / "compared/repeat-0/loss"),
            "runs": teachback.runs(folder),
        }

    return asyncio.run(call_all())


def test_each_result_is_one_line_of_text(results: dict[str, ResultView]) -> None:
    # `report` returns the path of its page.
    assert {*results} == {*FUNCTIONS} - {"report"}
    patterns = {
        "plan": "<PlannedRun: {}: 2 rounds of 4 pairs; 8 pairs in all, ended by rounds>",
        "run": "<Result: {}: dev 0% [0%, 39%] before, 0% [0%, 39%] after 2 rounds; 8 rows; "
        "8 pairs, ",
        "evaluate": "<Evaluation: dev 0% [0%, 39%] right of 6; gold nll ",
        "select": "<RankedSeeds: 3 of 12 seeds, the best first>",
        "export": "<Export: 8 rows in ",
        "compare": "<ComparedArms: {}: test accuracy at the end, mean of 1 repeats: "
        "random 0%, loss 0%>",
        "diff": "<RunDifferences: the runs are equal up to round 0, evaluate; the left ",
        "runs": "<RunTable: ",
    }
    for name, result in results.items():
        folder = getattr(result, "run_dir", "")
        assert repr(result).startswith(patterns[name].format(folder))
        assert "\n" not in repr(result)
        assert len(repr(result)) < 300


def test_each_result_is_a_small_table_in_a_notebook(
    results: dict[str, ResultView],
) -> None:
    heads = {
        "plan": "<th>role</th><th>model</th><th>calls</th>",
        "run": "<th>rounds</th><th>dev accuracy</th>",
        "evaluate": "<th>n</th><th>accuracy</th>",
        "select": "<th>rank</th><th>id</th><th>score</th><th>question</th>",
        "export": "<th>form</th><th>out</th><th>rounds</th><th>rows</th>",
        "compare": "<th>arm</th><th>said</th>",
        "diff": "<th>point</th><th>left</th><th>right</th>",
        "runs": "<th>run</th><th>state</th><th>task</th>",
    }
    for name, result in results.items():
        html = result._repr_html_()
        assert heads[name] in html
        assert html.count("<tr>") <= 22
    assert "<td>–</td>" in results["plan"]._repr_html_()


@pytest.mark.parametrize(
    ("name", "table", "columns", "n"),
    [
        ("run", None, {"rounds", "accuracy", "accepted", "seed_median"}, 3),
        ("run", "rows", {"id", "seed", "question", "text", "answer"}, 8),
        ("run", "calls", {"round", "role", "state", "output_tokens", "usd"}, 8),
        ("select", "seeds", {"rank", "id", "score", "question"}, 3),
        ("evaluate", "items", {"id", "outcome", "text"}, 6),
        ("export", "files", {"form", "out", "rows"}, 1),
        ("plan", "roles", {"role", "calls_low", "usd_high"}, 1),
        ("compare", "rounds", {"arm", "repeat", "rounds", "accuracy"}, 4),
        ("compare", "rows", {"arm", "repeat", "question"}, 8),
        ("compare", "calls", {"arm", "repeat", "role"}, 8),
        ("compare", "findings", {"arm", "said"}, 2),
        ("diff", "rounds", {"point", "left", "right"}, 3),
        ("runs", None, {"folder", "state", "accepted", "after", "usd"}, 3),
    ],
)
def test_each_table_as_a_data_frame(
    name: str,
    table: str | None,
    columns: set[str],
    n: int,
    results: dict[str, ResultView],
) -> None:
    frame = results[name].to_pandas(table)
    assert columns <= {*frame.columns}
    assert len(frame) == n
    if table == "calls":
        assert {*frame.state} == {"answered"}
        assert {*frame["round"]} <= {0, 1}


def test_a_table_that_is_not_there(results: dict[str, ResultView]) -> None:
    with pytest.raises(teachback.TeachbackError) as raised:
        results["run"].to_pandas("steps")
    assert "got: steps" in str(raised.value)
    assert "allowed: rounds or rows or calls" in str(raised.value)


def test_without_pandas_there_is_the_line_that_installs_it(
    results: dict[str, ResultView], monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_installed(module: str) -> bool:
        return module != "pandas"

    monkeypatch.setattr(errors, "is_installed", is_installed)
    with pytest.raises(
        errors.MissingPackages, match=r"pip install 'teachback\[pandas\]'"
    ):
        results["run"].to_pandas()


def test_texts_from_elsewhere_are_text_in_a_notebook(
    results: dict[str, ResultView],
) -> None:
    report = results["evaluate"]
    assert isinstance(report, Evaluation)
    hostile = "<script>alert(1)</script>\x1b[2J&"
    item = ReportItem("a", "wrong", False, hostile, None)

    class Shown(Evaluation):
        def describe(self) -> str:
            return hostile

        def shown_rows(self) -> list[Mapping[str, object]]:
            return [{hostile: item.text, "long": "x" * 500}] * 30

    html = Shown(**{**vars(report), "items": (item,)})._repr_html_()
    assert "<script>" not in html
    assert "\x1b" not in html
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\x1b[2J&amp;" in html
    assert "x" * 201 not in html
    assert "and 10 more: <code>.to_pandas()</code>" in html


def test_results_are_what_the_rooms_return_too(results: dict[str, ResultView]) -> None:
    report: Any = results["evaluate"]
    assert isinstance(report, teachback.Report)
    assert replace(report, n=7).n == 7
    assert results["run"].summarise().rounds  # type: ignore[attr-defined]


# -- progress ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "is_shown"), [(None, False), (True, True), (False, False)]
)
def test_progress_outside_of_a_terminal_is_shown_when_asked_for(
    progress: bool | None,
    is_shown: bool,
    tree: dict[str, Any],
    results: dict[str, ResultView],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    events: list[Event] = []
    teachback.select(
        tree, 2, run_dir=tmp_path / "run", progress=progress, listen=events.append
    )
    out, err = capfd.readouterr()
    assert ("the criterion picks seeds: 2 picked" in err) is is_shown
    assert out == ""
    assert is_shown or err == ""
    assert {event.step for event in events} >= {"attempt", "select"}


def test_quiet_commands_print_the_result_only(
    tree: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps(tree), encoding="utf-8")
    args = ("a.yaml", "--set", "rounds=1", "--quiet")
    for name, *more in (
        ("run",),
        ("evaluate",),
        ("select", "-n", 2),
        ("compare", "--arms", "random,loss", "--repeats", 1, "--jobs", 1),
    ):
        done = command(name, *args, *more, "--run-dir", name, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout


# -- being stopped -----------------------------------------------------------------------


def stop_when(done: Callable[[Event], bool]) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        if done(event):
            signal.raise_signal(signal.SIGINT)

    return listen


@pytest.fixture
def own_handler() -> Iterator[object]:
    """A handler for Ctrl-C like that of an event loop: it does nothing at once."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    yield signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_call_and_the_same_call_goes_on(
    tree: dict[str, Any],
    results: dict[str, ResultView],
    own_handler: object,
    tmp_path: Path,
) -> None:
    async def run(listen: Callable[[Event], None] | None = None) -> teachback.Result:
        return teachback.run(tree, run_dir=tmp_path / "run", listen=listen)

    stop = stop_when(lambda event: event.step == "generate")
    with pytest.raises(KeyboardInterrupt, match="the same call goes on from") as raised:
        asyncio.run(run(stop))
    # No frame of what was stopped is kept alive.
    assert raised.value.__context__ is None
    assert signal.getsignal(signal.SIGINT) is own_handler
    again = asyncio.run(run())
    whole: Any = results["run"]
    assert again.history == whole.history
    assert again.spend == whole.spend


# -- docs --------------------------------------------------------------------------------


def test_the_examples_of_the_page_run_one_after_the_other(
    tree: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = Path(__file__).parents[1] / "docs/python.md"
    (tmp_path / "task.yaml").write_text(
        json.dumps({**tree, "rounds": 1}), encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    namespace: dict[str, Any] = {}
    for block in PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")):
        exec(block.replace("repeats=2", "repeats=1, jobs=1"), namespace)
    printed = capsys.readouterr().out
    assert "<Result: runs/task: dev " in printed
    assert "did you mean per_round?" in printed
    assert namespace["steps"] == []
    assert {"rounds", "accuracy"} <= {*namespace["curve"].columns}


def test_the_page_names_every_function_and_every_table(
    results: dict[str, ResultView],
) -> None:
    text = (Path(__file__).parents[1] / "docs/python.md").read_text(encoding="utf-8")
    for name, result in results.items():
        (line,) = (line for line in text.splitlines() if f"`teachback.{name}(" in line)
        assert line.count("`") == 2 + 2 * len(result.tables())
        assert all(f"`{table}`" in line for table in result.tables())
