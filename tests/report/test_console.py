"""Texts from elsewhere reach the terminal as text: their escape sequences are shown, not obeyed."""

import ast
import io
import json
from collections.abc import Iterator
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

import teachback
from commands import command
from teachback.errors import DataError, TeacherDown, escape_controls
from teachback.report.console import EscapingConsole, print_json
from teachback.report.progress import Progress
from teachback.report.progress_views import TerminalView
from teachback.report.run_summary import newly_right_lines
from teachback.run.directory import Event
from teachback.types import Curation, Example, Outcome, Report, ReportItem

HOSTILE = (
    "2+2?\x1b]0;owned\x07\x1b[2J\x1b]52;c;cm0=\x07\x1b]8;;http://evil.example\x07click\x9b31m"
    "\rAnswer: 4\x00\x08\x7f\u202e\u2066\u200b\ufeff\U000e0041\u2028"
)
SHOWN = (
    r"2+2?\x1b]0;owned\x07\x1b[2J\x1b]52;c;cm0=\x07\x1b]8;;http://evil.example\x07click\x9b31m"
    r"\x0dAnswer: 4\x00\x08\x7f\u202e\u2066\u200b\ufeff\U000e0041\u2028"
)
ANY_TEXT = st.text(st.characters(categories=None))


def is_hidden(character: str) -> bool:
    return (
        category(character) in {"Cc", "Cf", "Zl", "Zp", "Cs"}
        and character not in "\n\t"
    )


def test_hidden_characters_become_escapes_and_others_stay() -> None:
    assert escape_controls(HOSTILE) == SHOWN
    assert escape_controls("\ud800") == r"\ud800"
    usual = "a\tb\nc é 漢字 → 😀 1\xa0000 \\x1b"
    assert escape_controls(usual) == usual
    assert escape_controls("one\r\ntwo\rthree") == "one\ntwo\\x0dthree"


@given(ANY_TEXT)
def test_nothing_hidden_is_left_of_any_text(text: str) -> None:
    shown = escape_controls(text)
    assert not any(map(is_hidden, shown))
    assert escape_controls(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_a_console_prints_as_text_or_in_a_table(is_terminal: bool) -> None:
    file = io.StringIO()
    console = EscapingConsole(
        file=file,
        force_terminal=is_terminal,
        width=500,
        markup=False,
        color_system=None,
    )
    table = Table("arm", HOSTILE, title=HOSTILE)
    table.add_row("loss", HOSTILE)
    console.print(HOSTILE, soft_wrap=True)
    console.print(table)
    printed = file.getvalue()
    assert printed.count(SHOWN) == 4
    without_style = (
        printed.replace("\x1b[3m", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
    )
    assert not any(map(is_hidden, without_style))


def report(outcome: Outcome, text: str) -> Report:
    item = ReportItem("a", outcome, outcome == "right", text, None)
    return Report("dev", 1, 0, 0.0, 0.0, 1.0, 0.0, {}, (item,))


def test_questions_and_answers_in_a_summary() -> None:
    before, after = report("wrong", "no"), report("right", f"one\n{HOSTILE}")
    lines = newly_right_lines(before, after, [Example("a", HOSTILE)])
    assert f"  asked   {SHOWN}" in lines
    assert f"  now     one\n          {SHOWN}" in lines


@pytest.mark.parametrize("part", ["what", "got", "allowed", "fix"])
def test_an_error_shows_what_it_got(part: str) -> None:
    error = TeacherDown(**{"what": "the teacher refuses", part: HOSTILE})
    assert SHOWN in str(error)
    assert not any(map(is_hidden, str(error)))


def hostile_events() -> Iterator[Event]:
    yield Event("note", 0, "curate", value=HOSTILE, unit=HOSTILE)
    yield Event("start", 0, "generate", unit=HOSTILE)
    yield Event("part", 0, "generate", done=1, total=2, unit=HOSTILE)
    yield Event("done", 0, "curate", value=Curation((), (), notes=(HOSTILE,)))


def test_the_live_line_and_the_lines_of_progress() -> None:
    """On a console of the caller's own."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=800, color_system=None)
    with Progress(console) as progress:
        for event in hostile_events():
            progress.show(event)
            console.file.flush()
            assert isinstance(progress.view, TerminalView)
            console.print(progress.view.bars.get_renderable())
    printed = file.getvalue()
    assert printed.count(SHOWN) >= 5
    for sequence in ("\x1b]", "\x07", "\x9b", "\u202e", "\x1b[2J", "\u200b"):
        assert sequence not in printed


@given(ANY_TEXT)
def test_json_stays_the_same_value_without_hidden_characters(text: str) -> None:
    value = {text: [text, 1, None], "é": "漢字\u2028"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", file := io.StringIO())
        print_json(value)
        print_json(value, indent=None)
    indented, line = file.getvalue().rsplit("\n", 2)[:2]
    assert json.loads(indented) == json.loads(line) == value
    assert not any(map(is_hidden, file.getvalue()))
    assert "漢字" in line


def test_a_hostile_file_on_the_command_line(tmp_path: Path) -> None:
    """The names of its columns are in the error."""
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"id": 1, HOSTILE: "x"}), encoding="utf-8"
    )
    (tmp_path / "a.yaml").write_text(
        "task: {name: jsonl, seeds: a.jsonl, n_dev: 1, grader: exact}\n"
        "student: {model: nowhere}\nteacher: {name: pool, rows: a.jsonl}\nrounds: 1\n",
        encoding="utf-8",
    )
    done = command("plan", "a.yaml", cwd=tmp_path)
    assert done.returncode == DataError.exit_code
    assert SHOWN in done.stderr
    assert not any(map(is_hidden, done.stderr + done.stdout))


def test_nothing_else_prints() -> None:
    """But the rehearsal server, whose lines are its own, and what talks to a parent process."""
    allowed = {
        "print": {
            "report/console.py",
            "serve/server.py",
            "graders/math_worker.py",
            "student/engines/process.py",
        },
        "Console": set(),
    }
    package = Path(teachback.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = path.relative_to(package).as_posix()
                assert name in allowed.get(node.func.id, {name}), (
                    f"{name}:{node.lineno}"
                )
