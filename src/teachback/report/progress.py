"""What a listener shows while a run is at work: a live line on a terminal, plain lines elsewhere."""

import signal
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from ..ledger.costs import Meter
from ..run.directory import Event
from ..types import Attempts, Curated, Draft, Report, Reserve, Selection, Transfer
from .figures import amount
from .summary import percent

DOING = {
    "baseline": "the untuned student answers dev",
    "start": "finetuning on the rows that are given",
    "attempt": "the student answers every seed",
    "gather": "what the criterion needs to know",
    "select": "the criterion picks seeds",
    "generate": "the teacher writes",
    "verify": "checking the drafts",
    "transfer": "the same student answers the new rows",
    "finetune": "finetuning",
    "evaluate": "the new student answers dev",
    "test": "the student answers test",
    "test-baseline": "the untuned student answers test",
    "reserve": "the untuned student reads the reserve",
}
UNIT = {"finetune": "steps", "start": "steps", "generate": "drafts"}


class Progress:
    """with Progress(console) as progress: teachback.run(config, listen=progress.hear)

    Ctrl-C raises KeyboardInterrupt where it strikes, and again at the next event: some libraries swallow it while they
    are imported. Enter it in the main thread.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._interrupted = False
        self._status: Status | None = (
            Status("", console=console) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self._status:
            self._status.stop()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def hear(self, event: Event) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        where = f"{event.unit} · " if event.unit else ""
        what = f"{where}round {event.round} · {DOING.get(event.step, event.step)}"
        if event.kind == "note":
            self.say(f"{where}{event.value}")
        elif event.kind == "done":
            for line in result(event.value):
                self.say(f"{what}: {line}  ({event.seconds:.0f} s)")
        elif self._status:
            part = (
                f" · {event.done}/{event.total} {UNIT.get(event.step, 'questions')}"
                if event.kind == "part"
                else ""
            )
            self._status.update(
                what
                + part
                + (f" · {bill(event.value)}" if isinstance(event.value, Meter) else "")
            )

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def bill(meter: Meter) -> str:
    """Spent, projected and remaining, of whatever is limited; the tokens where nothing is."""
    spent, limits = vars(meter.spent), vars(meter.limits)
    kinds = [
        kind for kind in limits if limits[kind] is not None and kind != "generated"
    ] or ["teacher_tokens"]
    parts = []
    for kind in kinds:
        said = f"{amount(kind, spent[kind])} spent"
        if meter.pairs and spent["generated"]:
            whole = (
                spent[kind] * max(meter.pairs, spent["generated"]) // spent["generated"]
            )
            said += f", {amount(kind, whole if limits[kind] is None else min(whole, limits[kind]))} projected"
        if limits[kind] is not None:
            said += f", {amount(kind, limits[kind] - spent[kind])} remaining"
        parts.append(said)
    return "; ".join(parts)


def result(value: object) -> list[str]:
    """What is worth a line when a step has committed."""
    match value:
        case Report():
            return [f"{percent(value)} right of {value.n}"]
        case Selection():
            return [
                f"{len(value.picks)} picked",
                *(f"note: {note}" for note in value.notes),
            ]
        case Reserve():
            return [
                f"{len(value.rows)} rows",
                *(f"note: {note}" for note in value.notes),
            ]
        case (Draft(), *_) if lost := sum(
            isinstance(d, Draft) and d.reason is not None for d in value
        ):
            return [f"{len(value)} drafts, {lost} of them unusable"]
        case Curated():
            notes = (f"note: {note}" for note in value.notes)
            return [
                f"{len(value.rows)} rows accepted, {len(value.rejected)} not",
                *notes,
            ]
        case Transfer() if (
            value.seed_median is not None and value.row_median is not None
        ):
            return [
                f"median loss {value.seed_median:.3f} on the seeds, {value.row_median:.3f} on their rows"
            ]
        case Attempts():
            truncated = sum(a.truncated for a in value.rows)
            return [
                f"{len(value.rows)} answers"
                + (f", {truncated} truncated" if truncated else "")
            ]
        case _:
            return []
