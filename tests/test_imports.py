"""The import arrow, and what may not be loaded before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src/teachback"
HEAVY = {"torch", "transformers", "ray", "openai", "peft", "aiohttp", "scipy"}


def imports(path: Path) -> set[str]:
    """The teachback modules that a file imports anywhere, as paths like "criteria.select"."""
    here = path.relative_to(PACKAGE).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [
                *here[: len(here) - node.level],
                *((node.module or "").split(".") if node.module else []),
            ]
            found |= (
                {".".join([*base, alias.name]) for alias in node.names}
                if not node.module
                else {".".join(base)}
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "teachback"
        ):
            found.add((node.module or "").removeprefix("teachback").strip("."))
    return found


FILES = {
    p.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): imports(p)
    for p in PACKAGE.rglob("*.py")
}


def test_types_and_errors_stand_on_the_ground() -> None:
    assert FILES["types"] == set()
    assert FILES["errors"] == set()
    assert FILES["draws"] == set()


def test_the_loop_knows_types_and_rundir_only() -> None:
    assert FILES["loop"] == {"types", "rundir"}


def test_only_those_above_it_import_the_loop_the_wiring_and_the_config() -> None:
    above = {
        "wire",
        "wire_asking",
        "wire_criteria",
        "wire_grading",
        "wire_student",
        "wire_tasks",
        "wire_teachers",
        "plan.asks",
        "plan.wiring",
        "api",
        "cli",
        "telling",
        "testing",
        "compare.comparison",
        "compare.side_by_side",
        "compare.units",
        "__init__",
    }
    for low in ("loop", "wire"):
        assert {name for name, used in FILES.items() if low in used} <= above
    assert {name for name, used in FILES.items() if "config" in used} <= above
    assert {name for name, used in FILES.items() if "cli" in used} == set()


@pytest.mark.parametrize(
    "room", ["graders", "tasks", "criteria", "teachers", "curate", "student"]
)
def test_rooms_do_not_reach_into_each_other(room: str) -> None:
    others = {
        "tasks",
        "criteria",
        "teachers",
        "curate",
        "student",
        "report",
        "compare",
    } - {room}
    for name, used in FILES.items():
        if name.split(".")[0] == room:
            assert not {u.split(".")[0] for u in used} & others, name


def test_the_loop_is_short() -> None:
    assert len((PACKAGE / "loop.py").read_text().splitlines()) <= 120


@pytest.mark.parametrize(
    "command",
    [
        "import teachback",
        "import sys\nsys.argv = ['teachback', '--help']\nimport teachback.cli\n"
        "try: teachback.cli.main()\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_is_loaded(command: str) -> None:
    code = (
        f"{command}\nimport sys\nprint('LOADED', sorted({HEAVY!r} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip().endswith("LOADED []")
