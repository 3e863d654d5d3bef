"""The docs say what there is, their examples run, and their lines fit a screen."""

import ast
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from inspect import isfunction
from itertools import pairwise
from pathlib import Path

import pytest
from bench.study.gains import picture, read_gains, table_lines
from typer.main import get_command

from teachback import api
from teachback.cli import app
from teachback.config.config import Config
from teachback.criteria import CRITERIA
from teachback.run.steps import STEPS, STEPS_ON_REQUEST
from teachback.tasks import TASKS
from teachback.tasks.answer_formats import ANSWER_FORMATS
from teachback.teachers import TEACHERS
from test_imports import ROOMS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/teachback"
DOCS = ROOT / "docs"
SITE_PAGES = sorted(DOCS.rglob("*.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *SITE_PAGES,
]
# Pages of the site that are made when it is built: docs/hooks/made_pages.py.
MADE_PAGES = {DOCS / "reference/config.md", DOCS / "reference/cli.md"}
MAX_LINE = 120
LINK = re.compile(r"\]\(([^)\s]+)\)")
LONG_LINK = re.compile(r"\[[^\]]*\]\([^)]*\)|https?://\S+")
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CODE_BLOCK = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
PYTHON_FILE = re.compile(r"[\w./-]+\.py\b")
DOTTED_NAME = re.compile(r"\bteachback(?:\.[A-Za-z_]\w*)+")
# Files that stand for a reader's own.
READERS_FILES = {
    "mine.py",
    "my_file.py",
    "convert_hf_to_gguf.py",
    "make_questions.py",
}


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=page_name)
every_site_page = pytest.mark.parametrize("page", SITE_PAGES, ids=page_name)


@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "function"])
def test_every_criterion_has_its_row_and_its_section(name: str) -> None:
    text = (DOCS / "criteria.md").read_text(encoding="utf-8")
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


def test_the_page_of_the_loop_lists_every_step_in_order() -> None:
    text = (DOCS / "how-it-works/loop.md").read_text(encoding="utf-8")
    steps = re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)
    assert steps == [name for name in STEPS if name not in STEPS_ON_REQUEST]
    assert all(f"`{name}`" in text for name in STEPS_ON_REQUEST)


def test_the_reference_has_every_function() -> None:
    text = (DOCS / "reference/api.md").read_text(encoding="utf-8")
    functions = [name for name, value in vars(api).items() if isfunction(value)]
    assert functions
    assert not [
        name for name in functions if f"\n::: teachback.api.{name}\n" not in text
    ]


def test_the_findings_are_the_records() -> None:
    """Their table and their picture, made anew from bench/results/."""
    gains = read_gains()
    text = (DOCS / "findings.md").read_text(encoding="utf-8")
    assert "\n".join(table_lines(gains)) in text
    assert picture(gains) == (DOCS / "pictures/gains.svg").read_text(encoding="utf-8")


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


@every_page
def test_prose_is_wrapped(page: Path) -> None:
    lines = prose_lines(page.read_text(encoding="utf-8"))
    too_long = [number for number, line in lines if len(line) > MAX_LINE]
    assert not too_long, f"lines of more than {MAX_LINE} characters"


@every_site_page
def test_a_page_says_who_it_is_for(page: Path) -> None:
    """In the first sentence below its only title."""
    lines = page.read_text(encoding="utf-8").split("\n")
    assert lines[0].startswith("# ")
    text = [line for line in lines[1:] if line and not line.startswith("*")]
    assert text[0].startswith("For ")


@every_site_page
def test_a_page_has_one_title(page: Path) -> None:
    lines = [line for _, line in prose_lines(page.read_text(encoding="utf-8"))]
    assert len([line for line in lines if line.startswith("# ")]) == 1


@every_site_page
def test_lists_begin_after_an_empty_line(page: Path) -> None:
    """Otherwise the site shows them as part of the paragraph above."""
    lines = page.read_text(encoding="utf-8").split("\n")
    prose = dict(prose_lines("\n".join(lines)))
    items = {n for n, line in prose.items() if re.match(r"(-|\d+\.) ", line)}
    for (_, before), (number, line) in pairwise(enumerate(lines, start=1)):
        if number in items and before:
            assert before.startswith((" ", "- ")) or re.match(r"\d+\. ", before), line
        assert not re.match(r" {1,3}- ", prose.get(number, "")), "nest by four spaces"


@every_page
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    """Anchors, and names of the reference: `make check` builds the site, where each must exist."""
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(CODE_BLOCK.sub("", text)):
        if link.startswith(("http://", "https://", "#")):
            continue
        target = (page.parent / link.split("#")[0]).resolve()
        assert target.exists() or target in MADE_PAGES, link
        is_inside = DOCS in target.parents or DOCS not in page.parents
        assert is_inside, f"{link} is not on the site"


@pytest.mark.slow
def test_the_site_builds_and_asks_no_other_host(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="teachback[docs] is not installed")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=300,
    )
    pages = {
        path: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")
    }
    loaded = re.compile(
        r"<(?:script|img|iframe)[^>]* src=.?(\w+:)?//|<link[^>]*stylesheet[^>]* href=.?\w*:?//"
    )
    assert not [path for path, text in pages.items() if loaded.search(text)]
    for key in Config.model_fields:
        assert f"<code>{key}</code>" in pages[tmp_path / "reference/config.html"]
    for name in get_command(app).commands:
        assert f"teachback {name}" in pages[tmp_path / "reference/cli.html"]


def known_files() -> set[str]:
    """Every ending of a Python file's path in the repository: a/b.py is also b.py."""
    paths = [
        path.relative_to(ROOT)
        for folder in ("src", "tests", "bench", "docs")
        for path in (ROOT / folder).rglob("*.py")
    ]
    return {"/".join(path.parts[i:]) for path in paths for i in range(len(path.parts))}


def files_written_on(text: str) -> set[str]:
    """The files that the page's examples add to the package."""
    blocks = PYTHON_BLOCK.findall(text)
    first_lines = [block.split("\n")[0].removeprefix("# ") for block in blocks]
    return {line for line in first_lines if line.startswith("src/")}


@every_page
def test_every_python_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(PYTHON_FILE.findall(text)) - READERS_FILES
    assert not named - known_files() - files_written_on(text)


@every_page
def test_every_teachback_name_on_a_page_exists(page: Path) -> None:
    for name in set(DOTTED_NAME.findall(page.read_text(encoding="utf-8"))):
        pkgutil.resolve_name(name)


@every_page
def test_what_a_python_example_imports_exists(page: Path) -> None:
    for block in PYTHON_BLOCK.findall(page.read_text(encoding="utf-8")):
        if block.startswith("# src/"):
            continue  # a file of the package: test_extend.py runs it
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    pkgutil.resolve_name(f"{node.module}.{alias.name}")
