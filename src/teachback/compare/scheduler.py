"""Runs units in child processes, as many at a time as fit, or one by one in this process."""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..run.child import Child, SendMessage
from ..run.directory import Event
from ..run.steps import ALL_RUNS
from ..student.model_size import finetuning_memory

if TYPE_CHECKING:
    from .units import Unit

# A process that has torch loaded, before its student
PROCESS_BYTES = 2**30
# What a student takes at its peak, over the memory that finetuning is known to take: the
# activations are not in it
STUDENT_PEAK_FACTOR = 1.5

# Runs one unit. It is a top-level function, because children import it by its name.
RunUnit = Callable[["Unit", Callable[[Event], None]], None]
# What a unit's thread sends: an event, the error that ended the unit, or its name at its end
UnitMessage = Event | Exception | str


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def find_max_parallel_runs(parameters: int | None, method: str) -> int:
    """One run for each core; fewer if finetuning them all would not fit the memory.

    One run if there is a GPU, which the runs would have to share. parameters: the
    student's; None: unknown.
    """
    import psutil
    import torch

    if torch.cuda.is_available():
        return 1
    cores = count_cores()
    student_bytes = finetuning_memory(parameters, method)
    if student_bytes is None:
        return cores
    free_bytes = psutil.virtual_memory().available
    fitting = int(free_bytes / (PROCESS_BYTES + STUDENT_PEAK_FACTOR * student_bytes))
    return max(1, min(cores, fitting))


def run_units(
    run_unit: RunUnit,
    units: Sequence["Unit"],
    jobs: int,
    threads: int | None,
    listen: Callable[[Event], None],
) -> None:
    """Runs every unit, `jobs` at a time. Finished ones are read back.

    units: each after the one that it waits for. threads: for each run; None: an equal
    share of the cores. One job runs in this process.

    After an error no further unit begins. Those under way end first, because what they
    have in flight is paid for. The same call goes on from there.
    """
    listen(count_runs(0, units))
    if jobs == 1:
        for n_done, unit in enumerate(units, start=1):
            listen(make_note(f"-- {unit.name}"))
            run_unit(unit, listen)
            listen(count_runs(n_done, units))
        return

    threads = threads or max(1, count_cores() // jobs)
    queue = UnitQueue(units)
    messages = SimpleQueue[UnitMessage]()
    with ExitStack() as stack:
        for _ in range(min(jobs, len(units))):
            child = stack.enter_context(Child(threads))
            threading.Thread(
                target=run_queued_units,
                args=(run_unit, child, queue, messages),
                daemon=True,
            ).start()
        # Events go on in this thread: Ctrl-C reaches it, and it owns the terminal
        wait_for_units(units, queue, messages, listen)


def wait_for_units(
    units: Sequence["Unit"],
    queue: "UnitQueue",
    messages: SimpleQueue[UnitMessage],
    listen: Callable[[Event], None],
) -> None:
    """Passes events on until all units have ended. Raises the first unit's error."""
    n_left = len(units)
    n_done = 0
    failure: Exception | None = None
    while n_left:
        message = messages.get()
        if isinstance(message, Event):
            listen(message)
            continue
        n_left -= 1
        if isinstance(message, str):
            n_done += 1
            listen(count_runs(n_done, units, ended=message))
            continue
        failure = failure or message
        n_left -= queue.drop_waiting()
        if n_left:
            error = str(message).partition("\n")[0]
            listen(make_note(f"{error}; what is under way ends first: {n_left} runs"))
    if failure:
        raise failure


def make_note(text: str) -> Event:
    return Event("note", 0, "unit", value=text)


def count_runs(n_done: int, units: Sequence["Unit"], ended: str = "") -> Event:
    """ended: the name of the run that has just ended, if its events carry it."""
    return Event("part", 0, ALL_RUNS, done=n_done, total=len(units), unit=ended)


class UnitQueue:
    """Hands units to several threads, each once the unit that it waits for is finished."""

    def __init__(self, units: Sequence["Unit"]) -> None:
        self._waiting = list(units)
        self._unfinished = {unit.folder for unit in units}
        self._changed = threading.Condition()

    def take(self) -> "Unit | None":
        """Waits until a unit can begin; None when none is left."""
        with self._changed:
            while self._waiting:
                for i, unit in enumerate(self._waiting):
                    if unit.source_folder not in self._unfinished:
                        return self._waiting.pop(i)
                self._changed.wait()
            return None

    def mark_finished(self, unit: "Unit") -> None:
        with self._changed:
            self._unfinished.discard(unit.folder)
            self._changed.notify_all()

    def drop_waiting(self) -> int:
        """Hands out no more units. Returns how many were left."""
        with self._changed:
            n_left = len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return n_left


def run_queued_units(
    run_unit: RunUnit,
    child: Child,
    queue: UnitQueue,
    messages: SimpleQueue[UnitMessage],
) -> None:
    """A thread's work: runs units in its child until the queue has none, or one fails."""
    while unit := queue.take():
        try:
            child.run_function(
                "teachback.compare.scheduler:run_in_child",
                (run_unit, unit),
                messages.put,
            )
        except Exception as error:
            messages.put(error)
            return
        queue.mark_finished(unit)
        messages.put(unit.name)


def run_in_child(job: tuple[RunUnit, "Unit"], send: SendMessage) -> None:
    """Sends the unit's events to the parent, with the unit's name on them."""
    run_unit, unit = job
    run_unit(unit, lambda event: send(replace(event, unit=unit.name)))
