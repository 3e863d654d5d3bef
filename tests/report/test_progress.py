"""Progress on a terminal, in a notebook, and in a file."""

import io
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from teachback.ledger.costs import Budget, Meter

# The function `teachback.report` hides the room of its name from a dotted path.
from teachback.report import progress_views
from teachback.report.console import EscapingConsole
from teachback.report.progress import (
    Progress,
    choose_console,
    run_with_progress,
    stderr,
)
from teachback.report.progress_views import (
    MAX_NOTEBOOK_LINES,
    BarState,
    HiddenView,
    LinesView,
    NotebookView,
    ProgressBars,
    TerminalView,
)
from teachback.run.directory import Event
from teachback.run.steps import ALL_RUNS
from teachback.types import Curation

METER = Meter(
    Budget(3, 1000, 10**10, None), Budget(100, None, 5 * 10**12, None), pairs=100
)


def part(done: int, total: int, step: str = "transfer", **more: Any) -> Event:
    return Event("part", 0, step, done=done, total=total, **more)


def make_terminal(width: int = 150) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, color_system=None
    )


def bar_lines(progress: Progress, width: int = 150) -> list[str]:
    """The bars as they stand, without the bars' own characters."""
    assert isinstance(progress.view, TerminalView)
    console = make_terminal(width)
    console.print(progress.view.bars.get_renderable())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= width for line in text.splitlines())
    words = text.translate(str.maketrans("━╸╺", "   ")).splitlines()
    return [" ".join(line.split()) for line in words]


def show_all(console: Console, *events: Event) -> Progress:
    progress = Progress(console)
    for event in events:
        progress.show(event)
    return progress


def test_a_bar_counts_and_says_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    progress = Progress(make_terminal())
    assert isinstance(progress.view, TerminalView)
    bars = progress.view.bars
    bars.get_time = lambda: seconds[0]
    progress.show(Event("start", 0, "generate"))
    assert bar_lines(progress) == ["round 0 · the teacher writes"]
    seconds[0] = 10.0
    progress.show(part(4, 32, "generate", value=METER))
    (line,) = bar_lines(progress)
    assert line == (
        "round 0 · the teacher writes 4/32 drafts 70 s left "
        "$0.01 spent, $0.333 projected, $4.99 remaining"
    )
    # From the second on: at the pace of late.
    seconds[0] = 12.0
    progress.show(part(8, 32, "generate", value=METER))
    assert "8/32 drafts 12 s left" in bar_lines(progress)[0]
    progress.show(part(32, 32, "generate"))
    assert bar_lines(progress) == ["round 0 · the teacher writes 32/32 drafts"]


def test_each_run_of_a_comparison_has_one_line_until_it_ends() -> None:
    progress = show_all(
        make_terminal(),
        part(0, 6, ALL_RUNS),
        Event("start", 0, "attempt", unit="repeat 1, loss"),
        part(64, 500, unit="repeat 0, random"),
        part(3, 9, "finetune", unit="repeat 1, loss"),
    )
    random = "repeat 0, random · round 0 · the same student answers the new rows"
    loss = "repeat 1, loss · round 0 · finetuning 3/9 steps"
    first, *others = bar_lines(progress)
    assert first.startswith(f"{random} 64/500 questions")
    assert others == [loss, "all runs 0/6 runs"]
    progress.show(part(1, 6, ALL_RUNS, unit="repeat 0, random"))
    assert bar_lines(progress)[0] == loss
    assert bar_lines(progress)[1].startswith("all runs 1/6 runs")
    assert len(bar_lines(progress)) == 2


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_bar_stays_one_line_on_a_narrow_terminal(width: int) -> None:
    unit = "repeat 11, an_arm_with_a_long_name"
    progress = show_all(
        make_terminal(), part(3, 32, "generate", value=METER, unit=unit)
    )
    (line,) = bar_lines(progress, width)
    assert "3/32 drafts" in line
    assert line.startswith("r")


def test_lines_stay_and_bars_go() -> None:
    console = make_terminal()
    with Progress(console) as progress:
        progress.show(part(1, 2))
        progress.show(Event("done", 0, "curate", value=Curation((), ()), seconds=2.0))
        progress.show(Event("note", 0, "curate", value="[bold]look[/]"))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "round 0 · curate: 0 rows accepted, 0 not  (2 s)" in printed
    assert "[bold]look[/]" in printed
    # The last thing that is written clears the bar.
    assert printed.rstrip("\n").endswith("\x1b[2K")


def test_a_file_gets_lines_and_no_bars() -> None:
    console = Console(file=io.StringIO())
    with Progress(console) as progress:
        progress.show(part(1, 2))
        progress.show(Event("note", 0, "curate", value="look"))
    assert isinstance(progress.view, LinesView)
    assert console.file.getvalue() == "look\n"  # type: ignore[attr-defined]


# -- notebooks ---------------------------------------------------------------------------


class Handle:
    def __init__(self, shown: list[dict[str, str]]) -> None:
        self.shown = shown

    def update(self, content: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(content)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What a cell has shown, one state after the other."""
    states: list[dict[str, str]] = []

    def display(content: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        states.append(content)
        assert raw
        assert display_id
        return Handle(states)

    module = ModuleType("IPython.display")
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(progress_views, "NOTEBOOK_INTERVAL_S", 0.0)
    return states


def test_a_cell_shows_bars_and_keeps_the_lines(shown: list[dict[str, str]]) -> None:
    console = EscapingConsole(stderr=True, force_jupyter=True)
    with Progress(console) as progress:
        assert isinstance(progress.view, NotebookView)
        progress.show(part(64, 500))
        assert "64/500 questions" in shown[-1]["text/plain"]
        assert "━" in shown[-1]["text/html"]
        progress.show(Event("note", 0, "curate", value="<b>\x1b[2J"))
    assert shown[-1]["text/plain"] == "<b>\\x1b[2J"
    assert "&lt;b&gt;\\x1b[2J</pre>" in shown[-1]["text/html"]
    assert len(shown) == 4


def test_a_cell_keeps_the_last_lines(shown: list[dict[str, str]]) -> None:
    view = NotebookView()
    view.start()
    for number in range(MAX_NOTEBOOK_LINES + 5):
        view.print_line(f"line {number}")
    lines = shown[-1]["text/plain"].splitlines()
    assert lines[:2] == ["… 5 earlier lines", "line 5"]
    assert len(lines) == MAX_NOTEBOOK_LINES + 1


def test_a_cell_is_not_updated_at_every_event(
    shown: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_views, "NOTEBOOK_INTERVAL_S", 60.0)
    view = NotebookView()
    view.start()
    for done in range(1000):
        view.show_bar("", BarState("a", done, 1000))
    view.stop()
    assert len(shown) <= 3


# -- where it is shown -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "has_listener", "is_terminal", "is_shown"),
    [
        (None, False, True, True),
        (None, True, True, False),
        (None, False, False, False),
        (True, True, False, True),
        (False, False, True, False),
    ],
)
def test_who_sees_progress(
    progress: bool | None,
    has_listener: bool,
    is_terminal: bool,
    is_shown: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stderr, "_force_terminal", is_terminal)
    chosen = choose_console(progress, has_listener=has_listener)
    assert chosen is (stderr if is_shown else None)
    assert isinstance(Progress(None).view, HiddenView)


def test_an_interruption_that_cleaning_up_hides_is_still_one() -> None:
    def work(listen: Callable[[Event], None]) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("while cleaning up")

    with pytest.raises(KeyboardInterrupt, match="stopped"):
        run_with_progress(work, False)


def test_another_error_is_itself() -> None:
    def work(listen: Callable[[Event], None]) -> None:
        raise ValueError("it")

    with pytest.raises(ValueError, match="it"):
        run_with_progress(work, False)


def test_a_thread_that_is_not_the_main_one_takes_no_signals() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(run_with_progress, lambda listen: 3, False).result() == 3


def test_bars_of_the_same_title_keep_their_pace() -> None:
    bars = ProgressBars(make_terminal())
    bars.show("a", BarState("one", 1, 4))
    bars.show("a", BarState("one", 2, 4))
    assert [(task.description, task.completed) for task in bars.tasks] == [("one", 2)]
    bars.show("a", BarState("two"))
    assert [(task.description, task.total) for task in bars.tasks] == [("two", None)]
