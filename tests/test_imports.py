"""The import arrow, and what may not be loaded before it is needed."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src/teachback"
HEAVY = {"torch", "transformers", "ray", "openai", "peft", "aiohttp", "scipy"}

# Everybody may use these.
GROUND = {"types", "errors", "rng"}

# What each room may use beside the ground. A name with a dot is a single module of that room.
ROOMS: Mapping[str, set[str]] = {
    "run": set(),
    "metrics": set(),
    "curate": set(),
    "graders": set(),
    "files": set(),
    "ledger": {"run.locks"},
    "endpoints": {"ledger.costs"},
    "criteria": {"endpoints.settings", "metrics.statistics"},
    "tasks": {"graders", "files", "curate.lookalikes"},
    "teachers": {"endpoints", "files.find_files", "ledger"},
    "student": {"endpoints", "run"},
    "report": {
        "run",
        "ledger.costs",
        "metrics.statistics",
        "curate.draft_yield",
    },
    "pages": {"run", "report", "ledger.costs", "metrics.statistics"},
    "trackers": {"run", "report", "ledger.costs"},
    "init": {"tasks", "graders", "files"},
    "serve": {"endpoints", "teachers", "tasks"},
}
# What stands above the rooms, from the lowest to the highest. Each may use the rooms and what
# stands before it.
ABOVE = [
    "config",
    "loop",
    "build",
    "plan",
    "compare",
    "demo",
    "doctor",
    "export",
    "commands",
    "api",
    "testing",
    "cli",
]

UPPER_ROOMS = {*ABOVE} - {"loop", "api", "testing"}


def modules_in(path: Path) -> set[str]:
    """The teachback modules that a file imports anywhere, such as "criteria.select"."""
    here = path.relative_to(PACKAGE).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        module = [*here[: len(here) - node.level], *(node.module or "").split(".")]
        module = [part for part in module if part]
        for alias in node.names:
            target = PACKAGE.joinpath(*module, alias.name)
            is_module = target.is_dir() or target.with_suffix(".py").exists()
            found.add(".".join([*module, alias.name] if is_module else module))
    return found


IMPORTS = {
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): modules_in(
        path
    )
    for path in PACKAGE.rglob("*.py")
}


def room_of(module: str) -> str:
    return module.split(".")[0]


def foreign_imports(room: str) -> set[str]:
    """What the modules of a room import from other rooms, the ground aside."""
    used = set()
    for name, imports in IMPORTS.items():
        if room_of(name) == room:
            used |= {
                module for module in imports if room_of(module) not in {room, *GROUND}
            }
    return used


def test_the_package_holds_these_rooms_and_no_others() -> None:
    folders = {
        path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()
    }
    assert folders == {*ROOMS, *UPPER_ROOMS}
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert files <= {"__init__", "__main__", "api", "loop", "testing", *GROUND}


@pytest.mark.parametrize("name", sorted(GROUND))
def test_types_errors_and_rng_stand_on_the_ground(name: str) -> None:
    assert IMPORTS[name] == set()


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_reaches_into_no_other_than_these(room: str) -> None:
    allowed = ROOMS[room]
    assert not {
        module
        for module in foreign_imports(room)
        if module not in allowed and room_of(module) not in allowed
    }


@pytest.mark.parametrize("name", ABOVE)
def test_what_stands_above_the_rooms_uses_what_stands_below_it(name: str) -> None:
    below = {*ROOMS, *ABOVE[: ABOVE.index(name)]}
    assert {room_of(module) for module in foreign_imports(name)} <= below


def test_the_loop_knows_types_and_the_run_only() -> None:
    assert IMPORTS["loop"] == {"types", "run.directory"}


def test_no_imports_in_a_circle() -> None:
    """Rooms import each other in one direction, and so do modules within a room."""
    known = {
        name.removesuffix(".__init__"): imports for name, imports in IMPORTS.items()
    }
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"{' → '.join(path[path.index(name) :])} → {name}"
        if name in finished:
            return
        for module in known.get(name, set()) & known.keys():
            visit(module, (*path, name))
        finished.add(name)

    for name in sorted(known):
        visit(name, ())


@pytest.mark.parametrize("room", sorted({*ROOMS, *UPPER_ROOMS}))
def test_every_room_says_what_it_is_for(room: str) -> None:
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))
    assert text
    assert text[0].isupper()
    assert "." in text


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "build").glob("*.py")), ids=lambda p: p.name
)
def test_build_turns_names_into_objects_and_does_nothing_else(path: Path) -> None:
    """No file over 150 lines, no file opened, no loop over rows: neither a statement nor a
    comprehension.
    """
    text = path.read_text()
    assert len(text.splitlines()) <= 150
    nodes = list(ast.walk(ast.parse(text)))
    loops = (ast.For, ast.While, ast.comprehension)
    assert not [ast.dump(node) for node in nodes if isinstance(node, loops)]
    calls = {
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else getattr(node.func, "id", "")
        for node in nodes
        if isinstance(node, ast.Call)
    }
    assert not calls & {
        "open",
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "unlink",
    }


def test_the_loop_is_short() -> None:
    assert len((PACKAGE / "loop.py").read_text().splitlines()) <= 130


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
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip().endswith("LOADED []")
