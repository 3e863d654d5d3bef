"""A function of one's own: found in the folder or installed, hashed as it runs, named when it
fails.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from teachback.config.functions import import_function
from teachback.errors import ConfigError
from teachback.graders.function import make_function_grader
from teachback.types import Example, Grade, Grader

E = Example("row-7", "?", "5")
SOURCE = """
from dataclasses import dataclass
from teachback.types import Grade

@dataclass
class Box:
    value: "int"

def contains(example, text):
    return example.answer in text

def graded(example, text):
    return Grade("timed_out", "x", False, "too slow")

def crashes(example, text):
    return text.no_such_thing

def returns(example, text):
    return {"none": None, "one": 1, "outcome": Grade("fine")}[text]

def one(text):
    return True

number = 5
"""


def make_grader(spec: str, folder: Path) -> tuple[Grader, bytes]:
    """The grader of the user's function, and the source of its module."""
    function, source = import_function(
        spec,
        folder,
        "task.function",
        "(example, text)",
        "return example.answer in text",
    )
    return make_function_grader(function, spec), source


@pytest.fixture(autouse=True)
def unchanged_path() -> Iterator[None]:
    before = list(sys.path)
    yield
    assert sys.path == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checks.py").write_text(SOURCE)
    return tmp_path


@pytest.mark.parametrize("spec", ["checks:contains", "checks.py:contains"])
def test_found_in_the_folder(folder: Path, spec: str) -> None:
    grader, source = make_grader(spec, folder)
    assert source == SOURCE.encode()
    assert grader.grade(E, "it is\nAnswer: 5") == Grade("right", "5", True)
    assert grader.grade(E, "Answer: 6").outcome == "wrong"
    assert "checks" not in sys.modules
    assert not (folder / "__pycache__").exists()


def test_found_below_the_folder_and_by_absolute_path(folder: Path) -> None:
    deep = folder / "a" / "b.py"
    deep.parent.mkdir()
    deep.write_text("from checks import contains\ndef f(e, t): return contains(e, t)\n")
    for spec in ("a.b:f", "a/b.py:f", f"{deep}:f"):
        assert make_grader(spec, folder)[0].grade(E, "5").outcome == "right"
    sys.modules.pop("checks")


def test_found_among_installed_modules(tmp_path: Path) -> None:
    grader, source = make_grader("operator:contains", tmp_path)
    assert b"def contains" in source
    with pytest.raises(
        ConfigError, match="operator:contains failed on the example 'row-7'"
    ):
        grader.grade(E, "5")


def test_an_edited_file_and_its_namesake_elsewhere_run_as_they_are(
    tmp_path: Path,
) -> None:
    """No stale bytecode, and no module kept because another of its name was loaded before."""
    for where, answer in (("x", "True"), ("x", "bool()"), ("y", "True")):
        path = tmp_path / where / "same.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"def f(e, t): return {answer:6}\n")
        grader, source = make_grader("same:f", path.parent)
        assert source == path.read_bytes()
        assert grader.grade(E, "5").outcome == (
            "right" if answer == "True" else "wrong"
        )


def test_the_folder_comes_before_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "operator.py").write_text("def contains(e, t): return True\n")
    assert make_grader("operator:contains", tmp_path)[0].grade(E, "").outcome == "right"


def test_a_grade_is_passed_on(folder: Path) -> None:
    assert make_grader("checks:graded", folder)[0].grade(E, "x") == Grade(
        "timed_out", "x", False, "too slow"
    )


def test_without_gold_any_text_parses(folder: Path) -> None:
    parse = make_grader("checks:crashes", folder)[0].parse
    assert parse("?", "so\nAnswer: 5") == Grade("right", "5")
    assert parse("?", " some text\n") == Grade("right", "some text")
    assert parse("?", " \n").outcome == "unparsed"


@pytest.mark.parametrize(
    ("name", "text", "got"),
    [
        ("crashes", "5", "AttributeError: 'str' object has no attribute"),
        ("returns", "none", r"it returned None \(NoneType\)"),
        ("returns", "one", r"it returned 1 \(int\)"),
        ("returns", "outcome", "Grade"),
        ("returns", "else", "KeyError: 'else'"),
    ],
)
def test_a_failing_function_is_named_with_the_example(
    folder: Path, name: str, text: str, got: str
) -> None:
    grade = make_grader(f"checks:{name}", folder)[0].grade
    with pytest.raises(
        ConfigError,
        match=f"checks:{name} failed on the example 'row-7'\n  got: .*{got}(.|\n)*fix: let it",
    ):
        grade(E, text)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("checks", "names no function\n.*'checks'\n  allowed: my_module:my_function"),
        ("checks:", "names no function"),
        (":f", "names no function"),
        (
            "checks:missing",
            r"no function missing\(example, text\)\n  got: the functions contains, graded, ",
        ),
        ("checks:number", "got: something else of that name"),
        ("checks:one", r"fix: write one: def one\(example, text\)"),
        ("no/such.py:f", "such.py is not there"),
        (
            "no_such_module_anywhere:f",
            "no module no_such_module_anywhere in .*\n  got: ModuleNotFoundError",
        ),
        ("sys:exit", "no file whose source"),
        ("broken:f", "broken.py can't be loaded\n  got: SyntaxError"),
        ("raises:f", "raises.py can't be loaded\n  got: ZeroDivisionError"),
        ("leaves:f", "leaves.py can't be loaded\n  got: SystemExit"),
    ],
)
def test_what_cannot_be_loaded_is_refused(
    folder: Path, spec: str, message: str
) -> None:
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "raises.py").write_text("1 / 0\n")
    (folder / "leaves.py").write_text("raise SystemExit(0)\n")
    with pytest.raises(ConfigError, match=message):
        make_grader(spec, folder)
    kept = {
        str(getattr(module, "__file__", "")) for module in list(sys.modules.values())
    }
    assert not kept & {
        str(folder / name) for name in ("broken.py", "raises.py", "leaves.py")
    }
