"""The docs say what there is, their examples run, and their lines fit a screen."""

import ast
import pkgutil
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from teachback.criteria import CRITERIA
from teachback.tasks import TASKS
from teachback.tasks.answer_formats import ANSWER_FORMATS
from teachback.teachers import TEACHERS
from test_imports import ROOMS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/teachback"
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(DOCS.glob("*.md")),
]
MAX_LINE = 120
LONG_LINK = re.compile(r"\[[^\]]*\]\([^)]*\)|https?://\S+")
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PYTHON_FILE = re.compile(r"[\w./-]+\.py\b")
DOTTED_NAME = re.compile(r"\bteachback(?:\.[A-Za-z_]\w*)+")
# Files that stand for a reader's own.
READERS_FILES = {"mine.py", "my_file.py", "convert_hf_to_gguf.py"}


@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "function"])
def test_every_criterion_has_its_row_and_its_section(name: str) -> None:
    text = (DOCS / "choose-a-criterion.md").read_text(encoding="utf-8")
    assert f"\n| `{name}` | {CRITERIA[name].kind} | " in text
    assert f"\n### `{name}`\n" in text


@pytest.mark.parametrize(
    ("page", "names"),
    [("tasks.md", TASKS), ("tasks.md", ANSWER_FORMATS), ("teachers.md", TEACHERS)],
    ids=["tasks", "graders", "teachers"],
)
def test_a_page_names_all_that_is_registered(
    page: str, names: Mapping[str, object]
) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert not [name for name in names if not re.search(rf"`{name}[`/]", text)]


def test_design_lists_the_rooms_and_what_they_use() -> None:
    text = (DOCS / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \|.*\|(.*)\|$", text, re.MULTILINE)
    assert {room: set(re.findall("`(.*?)`", used)) for room, used in rows} == {
        room: {path_of_module(name) for name in used} for room, used in ROOMS.items()
    }


def path_of_module(name: str) -> str:
    """As design.md writes it: run.locks is `run/locks.py`, and the room run is `run/`."""
    path = name.replace(".", "/")
    return f"{path}.py" if "." in name else f"{path}/"


def prose_lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines, without code blocks, table rows and lines that hold a long link."""
    fenced = False
    for number, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    ") or line.lstrip().startswith("|"):
            continue
        elif not any(len(link[0]) > 60 for link in LONG_LINK.finditer(line)):
            yield number, line


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_prose_is_wrapped(page: Path) -> None:
    lines = prose_lines(page.read_text(encoding="utf-8"))
    too_long = [number for number, line in lines if len(line) > MAX_LINE]
    assert not too_long, f"lines of more than {MAX_LINE} characters"


def known_files() -> set[str]:
    """Every ending of a Python file's path in the repository: a/b.py is also b.py."""
    paths = [
        path.relative_to(ROOT)
        for folder in ("src", "tests", "bench")
        for path in (ROOT / folder).rglob("*.py")
    ]
    return {"/".join(path.parts[i:]) for path in paths for i in range(len(path.parts))}


def files_written_on(text: str) -> set[str]:
    """The files that the page's examples add to the package."""
    blocks = PYTHON_BLOCK.findall(text)
    first_lines = [block.split("\n")[0].removeprefix("# ") for block in blocks]
    return {line for line in first_lines if line.startswith("src/")}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_python_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(PYTHON_FILE.findall(text)) - READERS_FILES
    assert not named - known_files() - files_written_on(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_teachback_name_on_a_page_exists(page: Path) -> None:
    for name in set(DOTTED_NAME.findall(page.read_text(encoding="utf-8"))):
        pkgutil.resolve_name(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_a_python_example_imports_exists(page: Path) -> None:
    for block in PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")):
        if block.startswith("# src/"):
            continue  # a file of the package: test_extend.py runs it
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    pkgutil.resolve_name(f"{node.module}.{alias.name}")
