"""Listens to a run, and passes on what each round brought."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ..ledger.costs import Spend
from ..report.console import stderr
from ..run.directory import Event, Run
from ..run.history import read_round, read_step
from ..types import Report, Round
from .process import TrackerProcess, end_processes
from .round_facts import make_round_facts, name_metrics
from .tracker import TrackedRun

# A new database of mlflow takes 15 s on a busy machine.
END_S = 60.0
# After an error, or Ctrl-C.
END_AFTER_ERROR_S = 10.0


@dataclass(frozen=True)
class TrackingPlan:
    """What to track, and how."""

    trackers: Sequence[str]
    # Python code of the trackers' processes, which ends in worker.serve_run.
    program: str
    # describe_run(id): what trackers hear of the run
    describe_run: Callable[[str], TrackedRun]
    # read_spend(n): of the rounds before that one
    read_spend: Callable[[int], Spend]
    # The last step of a round: evaluate; test, where arms are compared.
    last_step: str
    # The run's page, if it is there at the end.
    report: Path
    # How long the run waits at its end, for all trackers together.
    end_s: float = END_S


class RunTracking:
    """While it is open, trackers hear of the run: first of the rounds that are finished already.

    The run's own listener hears as before. Whatever a tracker does, the run goes on: process.py
    says how.
    """

    def __init__(self, run: Run, plan: TrackingPlan) -> None:
        self._run = run
        self._plan = plan
        self._run_listener = run.listen
        self._has_begun = False
        self._processes: list[TrackerProcess] = []
        self._past: list[Round] = []  # as far as they were sent
        self._reported: set[str] = set()  # trackers whose failure was printed

    def __enter__(self) -> Self:
        if self._plan.trackers:
            self._run.listen = self._handle_event
            self._send_finished()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._run.listen = self._run_listener
        if self._plan.report.exists():
            self._send({"report": str(self._plan.report.absolute())})
        end_s = self._plan.end_s
        end_processes(
            self._processes, min(end_s, END_AFTER_ERROR_S) if error else end_s
        )
        self._report_processes()

    def _handle_event(self, event: Event) -> None:
        self._run_listener(event)
        if event.kind != "done":
            return
        if event.step in ("baseline", self._plan.last_step):
            self._send_finished()
            return
        for process in self._processes:
            process.exchange()
        self._report_processes()

    def _send_finished(self) -> None:
        """Sends every step that is finished and was not sent yet."""
        if not self._has_begun:
            baseline = read_step(self._round_folder(0), "baseline")
            if baseline is None:
                return
            self._begin()
            test = read_step(self._round_folder(0), "test-baseline")
            self._send_step(baseline, test)
        while True:
            folder = self._round_folder(len(self._past))
            if not (folder / f"{self._plan.last_step}.json").exists():
                break
            self._past.append(read_round(folder))
            self._send_step(self._past[-1].report, read_step(folder, "test"))
        self._report_processes()

    def _begin(self) -> None:
        self._has_begun = True
        run = self._plan.describe_run(find_run_id(self._run.folder))
        for name in self._plan.trackers:
            try:
                process = TrackerProcess(name, run, self._plan.program)
            except OSError as error:  # no memory, or too many processes
                print_failure(name, str(error))
            else:
                self._processes.append(process)

    def _send_step(self, report: Report, test: Report | None) -> None:
        given = read_step(self._round_folder(0), "given") or ()
        facts = make_round_facts(
            report,
            self._plan.read_spend(len(self._past)),
            self._past,
            given_rows=len(given),
            test=test,
        )
        self._send({"step": facts.rounds, "metrics": name_metrics(facts)})

    def _send(self, message: dict[str, object]) -> None:
        for process in self._processes:
            process.send(message)

    def _report_processes(self) -> None:
        """One line on stderr for each tracker that has failed; a note where the others keep it."""
        for process in self._processes:
            if process.failure and process.name not in self._reported:
                self._reported.add(process.name)
                print_failure(process.name, process.failure)
            elif process.place and not process.failure:
                self._run.note_once("track", f"{process.name}: {process.place}")

    def _round_folder(self, round: int) -> Path:
        return self._run.folder / f"round-{round:02d}"


def print_failure(tracker: str, why: str) -> None:
    """Printed, not noted: a caller that listens or is quiet would miss it."""
    stderr.print(f"tracker {tracker} hears no more of this start: {why}")


def find_run_id(folder: Path) -> str:
    """The same at every start, also after the folder was moved; another one for any other run.

    The first line of timings.jsonl tells runs apart that compute the same, by the second in which
    they began.
    """
    parts = [(folder / name).read_bytes() for name in ("config.json", "inputs.json")]
    timings = folder / "timings.jsonl"
    if timings.exists():
        with open(timings, "rb") as file:
            parts.append(file.readline())
    parts.append(folder.resolve().name.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
