"""Progress on the console: a live line on a terminal, plain lines elsewhere."""

import signal
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from ..errors import escape_controls
from ..ledger.costs import Meter
from ..run.directory import Event
from ..run.steps import STEPS
from ..types import Attempts, CarryOver, Curation, Draft, Report, Reserve, Selection
from .formatting import format_accuracy, format_amount

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Progress:
    """Shows the events of a run. It must be entered in the main thread.

        with Progress(console) as progress:
            teachback.run(config, listen=progress.show)

    Ctrl-C or SIGTERM raises KeyboardInterrupt at once, and again at the next event: some libraries
    swallow it while they are imported.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._interrupted = False
        self._status: Status | None = None
        if console.is_terminal:
            self._status = Status("", console=console)

    def __enter__(self) -> Self:
        self._handlers_before = {
            number: signal.signal(number, self._interrupt) for number in STOP_SIGNALS
        }
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        if self._status:
            self._status.stop()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def show(self, event: Event) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        prefix = f"{event.unit} · " if event.unit else ""
        if event.kind == "note":
            self.print_line(f"{prefix}{event.value}")
            return
        step = STEPS[event.step]
        title = f"{prefix}round {event.round} · {step.doing}"
        if event.kind == "done":
            for line in describe_result(event.value):
                self.print_line(f"{title}: {line}  ({event.seconds:.0f} s)")
            return
        if not self._status:
            return
        parts = [title]
        if event.kind == "part":
            parts.append(f"{event.done}/{event.total} {step.unit}")
        if isinstance(event.value, Meter):
            parts.append(format_meter(event.value))
        # Status takes a str for markup, and would drop what stands in brackets.
        self._status.update(Text(escape_controls(" · ".join(parts))))

    def print_line(self, line: str) -> None:
        self.console.print(
            escape_controls(line), markup=False, highlight=False, soft_wrap=True
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
