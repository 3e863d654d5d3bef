"""Where progress is shown: on a terminal, in a notebook, or as plain lines."""

import io
import time
from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple, Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from ..errors import escape_controls
from .console import EscapingConsole
from .formatting import format_duration

BAR_WIDTH = 12
MIN_ELAPSED_S = 1.0  # before that nothing is said of the time left
PACE_PERIOD_S = 600.0  # time left is at the mean pace of so long
NOTEBOOK_WIDTH = 110
NOTEBOOK_INTERVAL_S = 0.2  # between two updates of a cell
MAX_NOTEBOOK_LINES = 200


class BarState(NamedTuple):
    """What one bar shows."""

    title: str
    done: int = 0
    total: int | None = None  # None: unknown
    amount: str = ""  # done and total in words
    detail: str = ""


class ProgressView(Protocol):
    """Shows lines that stay, and bars that change. Each bar has a key."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def print_line(self, line: str) -> None: ...
    def show_bar(self, key: str, state: BarState) -> None: ...
    def remove_bar(self, key: str) -> None: ...


class HiddenView:
    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def print_line(self, line: str) -> None:
        pass

    def show_bar(self, key: str, state: BarState) -> None:
        pass

    def remove_bar(self, key: str) -> None:
        pass


class LinesView(HiddenView):
    """Lines only: for a file or a pipe."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def print_line(self, line: str) -> None:
        self.console.print(
            escape_controls(line), markup=False, highlight=False, soft_wrap=True
        )


class TerminalView(LinesView):
    """Lines, with the bars below them."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.bars = ProgressBars(console)

    def start(self) -> None:
        self.bars.start()

    def stop(self) -> None:
        self.bars.stop()

    def show_bar(self, key: str, state: BarState) -> None:
        self.bars.show(key, state)

    def remove_bar(self, key: str) -> None:
        self.bars.remove(key)


class NotebookView:
    """The same in the output of a cell, which is replaced as things go on.

    rich's own bars would need ipywidgets in the notebook's server.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.n_dropped = 0
        self.console = EscapingConsole(
            file=io.StringIO(),
            width=NOTEBOOK_WIDTH,
            color_system=None,
            force_terminal=False,
            force_jupyter=False,
        )
        self.bars = ProgressBars(self.console)
        self._handle: Any = None
        self._shown_at_s = 0.0

    def start(self) -> None:
        from IPython.display import display

        # Without a front end there is no handle.
        self._handle = display(self._content(), raw=True, display_id=True)

    def stop(self) -> None:
        """What stays in the cell is the lines."""
        self.bars.clear()
        self._refresh()

    def print_line(self, line: str) -> None:
        self.lines.append(escape_controls(line))
        if len(self.lines) > MAX_NOTEBOOK_LINES:
            del self.lines[0]
            self.n_dropped += 1
        self._refresh_soon()

    def show_bar(self, key: str, state: BarState) -> None:
        self.bars.show(key, state)
        self._refresh_soon()

    def remove_bar(self, key: str) -> None:
        self.bars.remove(key)
        self._refresh_soon()

    def _refresh_soon(self) -> None:
        if time.monotonic() - self._shown_at_s >= NOTEBOOK_INTERVAL_S:
            self._refresh()

    def _refresh(self) -> None:
        self._shown_at_s = time.monotonic()
        if self._handle:
            self._handle.update(self._content(), raw=True)

    def _content(self) -> dict[str, str]:
        lines = [f"… {self.n_dropped} earlier lines"] if self.n_dropped else []
        lines += self.lines
        if self.bars.tasks:
            with self.console.capture() as capture:
                self.console.print(self.bars.get_renderable())
            lines += [line.rstrip() for line in capture.get().splitlines()]
        text = "\n".join(lines)
        return {
            "text/plain": text,
            "text/html": f"<pre style='white-space: pre-wrap'>{escape(text)}</pre>",
        }


class CutColumn(TextColumn):
    """Text that is cut where the terminal is too narrow, so that a bar stays one line.

    rich narrows columns that may wrap before others. Here the text itself may not.
    """

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False, table_column=Column())

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap = True
        text.overflow = "ellipsis"
        return text


class TimeLeftColumn(ProgressColumn):
    max_refresh = 0.5  # seconds

    def render(self, task: Task) -> Text:
        seconds = estimate_seconds_left(task)
        return Text("" if seconds is None else f"{format_duration(seconds)} left")


def estimate_seconds_left(task: Task) -> float | None:
    """At the pace of late, or else at that since the beginning. None: nothing is known."""
    if task.finished or task.remaining is None:
        return None
    if task.time_remaining:
        return task.time_remaining
    if not task.completed or (task.elapsed or 0) < MIN_ELAPSED_S:
        return None
    return (task.elapsed or 0) * task.remaining / task.completed


class ProgressBars(Progress):
    """A line for each key, in the order of the keys. They vanish at the end."""

    def __init__(self, console: Console) -> None:
        # Before rich's own: that renders the bars at once.
        self._key_tasks: dict[str, TaskID] = {}
        self._titles: dict[str, str] = {}
        super().__init__(
            CutColumn("{task.description}"),
            BarColumn(BAR_WIDTH, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeLeftColumn(Column(no_wrap=True)),
            CutColumn("{task.fields[detail]}"),
            console=console,
            transient=True,
            speed_estimate_period=PACE_PERIOD_S,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        ids = {task: key for key, task in self._key_tasks.copy().items()}
        yield self.make_tasks_table(
            sorted(self.tasks, key=lambda task: ids.get(task.id, ""))
        )

    def show(self, key: str, state: BarState) -> None:
        # A new title is another piece of work: its speed is measured anew.
        if self._titles.get(key) != state.title:
            self.remove(key)
            self._titles[key] = state.title
            self._key_tasks[key] = self.add_task(
                escape_controls(state.title),
                total=None,
                amount="",
                detail="",
            )
        self.update(
            self._key_tasks[key],
            completed=state.done,
            total=state.total,
            amount=state.amount,
            detail=escape_controls(state.detail),
        )

    def remove(self, key: str) -> None:
        task = self._key_tasks.pop(key, None)
        self._titles.pop(key, None)
        if task is not None:
            self.remove_task(task)

    def clear(self) -> None:
        for key in list(self._key_tasks):
            self.remove(key)
