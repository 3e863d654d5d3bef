"""What a run does, while it does it: bars and lines on a terminal or in a notebook, plain lines
elsewhere.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from rich.console import Console

from ..ledger.costs import Meter
from ..run.directory import Event
from ..run.steps import ALL_RUNS, STEPS
from ..types import Attempts, CarryOver, Curation, Draft, Report, Reserve, Selection
from .console import stderr
from .failures import StopHandler, find_first_error
from .formatting import format_accuracy, format_amount
from .progress_views import (
    BarState,
    HiddenView,
    LinesView,
    NotebookView,
    ProgressView,
    TerminalView,
)

_Value = TypeVar("_Value")
_Listener = Callable[[Event], None]

STOPPED_CALL_MESSAGE = (
    "stopped. What is finished is kept; the same call goes on from here."
)
# Below the bars of single runs, whose keys are their names
ALL_RUNS_KEY = "\U0010ffff"


def run_with_progress(
    work: Callable[[_Listener], _Value],
    progress: bool | None = None,
    listen: _Listener | None = None,
) -> _Value:
    """What work(listen) returns, with its events shown.

    progress None: they are shown on a terminal and in a notebook, unless the caller listens.
    True: elsewhere too, as plain lines. Raises KeyboardInterrupt when it is stopped.
    """
    shown = Progress(choose_console(progress, has_listener=listen is not None))

    def show(event: Event) -> None:
        shown.show(event)
        if listen:
            listen(event)

    try:
        with shown:
            return work(show)
    except BaseException as error:
        if not isinstance(find_first_error(error), KeyboardInterrupt):
            raise
    # A new error: the old one's frames would keep the student in memory.
    raise KeyboardInterrupt(STOPPED_CALL_MESSAGE)


def choose_console(progress: bool | None, *, has_listener: bool) -> Console | None:
    is_watched = stderr.is_terminal or stderr.is_jupyter
    is_shown = (is_watched and not has_listener) if progress is None else progress
    return stderr if is_shown else None


def choose_view(console: Console | None) -> ProgressView:
    if console is None:
        return HiddenView()
    if console.is_jupyter:
        return NotebookView()
    return TerminalView(console) if console.is_terminal else LinesView(console)


class Progress:
    """Shows the events of a run.

        with Progress(console) as progress:
            teachback.run(config, listen=progress.show)

    Ctrl-C or SIGTERM raises KeyboardInterrupt at once, and again at the next event: some libraries
    swallow it while they are imported. Only in the main thread: others get no signals.
    """

    def __init__(self, console: Console | None) -> None:
        """console None: nothing is shown."""
        self.view = choose_view(console)
        self._interrupted = False
        self._handlers_before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._catch_signals()
        self.view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        self.view.stop()

    def _catch_signals(self) -> None:
        """Ctrl-C unless it is ignored; SIGTERM unless it has a handler of the user's own."""
        usual = (signal.SIG_DFL, signal.default_int_handler)
        on_sigterm = signal.getsignal(signal.SIGTERM)
        catchable = {
            signal.SIGINT: signal.getsignal(signal.SIGINT)
            not in (signal.SIG_IGN, None),
            signal.SIGTERM: on_sigterm in usual or isinstance(on_sigterm, StopHandler),
        }
        self._handlers_before = {
            number: signal.signal(number, self._interrupt)
            for number, is_catchable in catchable.items()
            if is_catchable
        }

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        before = self._handlers_before.get(number)
        if isinstance(before, StopHandler):
            before(number, frame)
        raise KeyboardInterrupt

    def show(self, event: Event) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        prefix = f"{event.unit} · " if event.unit else ""
        if event.kind == "note":
            self.view.print_line(f"{prefix}{event.value}")
            return
        if event.step == ALL_RUNS:
            self._show_runs(event)
            return
        step = STEPS[event.step]
        title = f"{prefix}round {event.round} · {step.doing}"
        if event.kind == "done":
            for line in describe_result(event.value):
                self.view.print_line(f"{title}: {line}  ({event.seconds:.0f} s)")
            return
        state = BarState(title)
        if event.kind == "part":
            state = count_parts(title, event, step.unit)
        self.view.show_bar(event.unit, state)

    def _show_runs(self, event: Event) -> None:
        """A run of a comparison has ended. Its bar goes, and the bar of all runs grows."""
        if event.unit:
            self.view.remove_bar(event.unit)
        self.view.show_bar(ALL_RUNS_KEY, count_parts("all runs", event, "runs"))


def count_parts(title: str, event: Event, unit: str) -> BarState:
    meter = event.value
    return BarState(
        title,
        event.done,
        event.total,
        amount=f"{event.done}/{event.total} {unit}",
        detail=format_meter(meter) if isinstance(meter, Meter) else "",
    )


def format_meter(meter: Meter) -> str:
    """Spent, projected and remaining amounts of each limit; the tokens if there is none.

    The limit on pairs is left out: the progress of the step already counts them.
    """
    limited_kinds = [
        kind
        for kind, limit in vars(meter.limits).items()
        if limit is not None and kind != "generated"
    ]
    kinds = limited_kinds or ["teacher_tokens"]
    return "; ".join(_format_amounts(meter, kind) for kind in kinds)


def _format_amounts(meter: Meter, kind: str) -> str:
    spent = vars(meter.spent)[kind]
    limit = vars(meter.limits)[kind]
    finished_pairs = meter.spent.generated
    parts = [f"{format_amount(kind, spent)} spent"]
    if meter.pairs and finished_pairs:
        # All pairs at the mean price of the finished ones.
        projected = spent * max(meter.pairs, finished_pairs) // finished_pairs
        if limit is not None:
            projected = min(projected, limit)
        parts.append(f"{format_amount(kind, projected)} projected")
    if limit is not None:
        parts.append(f"{format_amount(kind, limit - spent)} remaining")
    return ", ".join(parts)


def describe_result(value: object) -> list[str]:
    """The lines to print when a step has returned this value. Some values need none."""
    match value:
        case Report():
            return [f"{format_accuracy(value)} right of {value.n}"]
        case Selection():
            return [f"{len(value.picks)} picked", *_note_lines(value.notes)]
        case Reserve():
            return [f"{len(value.rows)} rows", *_note_lines(value.notes)]
        case Curation():
            counts = f"{len(value.rows)} rows accepted, {len(value.rejected)} not"
            return [counts, *_note_lines(value.notes)]
        case Attempts():
            n_truncated = sum(attempt.truncated for attempt in value.rows)
            suffix = f", {n_truncated} truncated" if n_truncated else ""
            return [f"{len(value.rows)} answers{suffix}"]
        case CarryOver(seed_median=float(seeds), row_median=float(rows)):
            return [f"median loss {seeds:.3f} on the seeds, {rows:.3f} on their rows"]
        case (Draft(), *_):
            drafts = [draft for draft in value if isinstance(draft, Draft)]
            n_unusable = sum(draft.reason is not None for draft in drafts)
            if not n_unusable:
                return []
            return [f"{len(drafts)} drafts, {n_unusable} of them unusable"]
        case _:
            return []


def _note_lines(notes: Sequence[str]) -> list[str]:
    return [f"note: {note}" for note in notes]
