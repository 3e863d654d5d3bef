"""Runs units in child processes, as many at a time as fit, or one by one in this one."""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from queue import SimpleQueue

from ..run.child import Child
from ..run.directory import Event
from ..student.model_size import finetuning_memory
from .units import Unit, run_unit

# A process that has torch loaded, before its student
PROCESS_BYTES = 2**30

# What a unit's thread sends: an event, the error that ended the unit, or None at its end
UnitMessage = Event | Exception | None


def available_cores() -> int:
    return len(os.sched_getaffinity(0))


def max_parallel_runs(parameters: int | None, method: str) -> int:
    """One run for each core; fewer if finetuning them all would not fit the memory.

    One run if there is a GPU, which the runs would have to share. parameters: the
    student's; None: unknown.
    """
    import psutil
    import torch

    if torch.cuda.is_available():
        return 1
    cores = available_cores()
    student_bytes = finetuning_memory(parameters, method)
    if student_bytes is None:
        return cores
    free = psutil.virtual_memory().available
    fitting = int(free / (PROCESS_BYTES + 1.5 * student_bytes))
    return max(1, min(cores, fitting))


def run_units(
    units: Sequence[Unit],
    jobs: int,
    threads: int | None,
    listen: Callable[[Event], None],
) -> None:
    """Runs every unit, `jobs` at a time; finished ones are read back.

    units: each after the one that it waits for. threads: for each run; None: an equal
    share of the cores. One job runs in this process.

    After an error no further unit begins, and those under way end first, because what
    they have in flight is paid for. The same call goes on from there.
    """
    if jobs == 1:
        for unit in units:
            listen(unit_note(f"-- {unit.name}"))
            run_unit(unit, listen)
        return

    threads = threads or max(1, available_cores() // jobs)
    queue, messages = UnitQueue(units), SimpleQueue[UnitMessage]()
    with ExitStack() as stack:
        for _ in range(min(jobs, len(units))):
            child = stack.enter_context(Child(threads))
            threading.Thread(
                target=run_queued_units, args=(child, queue, messages), daemon=True
            ).start()
        # Events go on in this thread: Ctrl-C reaches it, and it owns the terminal
        wait_for_units(len(units), queue, messages, listen)


def wait_for_units(
    n_units: int,
    queue: "UnitQueue",
    messages: SimpleQueue[UnitMessage],
    listen: Callable[[Event], None],
) -> None:
    """Passes events on until all units have ended. Raises the first unit's error."""
    left, failure = n_units, None
    while left:
        message = messages.get()
        if isinstance(message, Event):
            listen(message)
            continue
        left -= 1
        if message is None:
            continue
        failure = failure or message
        left -= queue.drop()
        if left:
            error = str(message).partition("\n")[0]
            listen(unit_note(f"{error}; what is under way ends first: {left} runs"))
    if failure:
        raise failure


def unit_note(text: str) -> Event:
    return Event("note", 0, "unit", value=text)


class UnitQueue:
    """Hands units out to several threads, each once the unit it waits for is finished."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._waiting = list(units)
        self._unfinished = {unit.folder for unit in units}
        self._changed = threading.Condition()

    def take(self) -> Unit | None:
        """Waits until a unit can begin; None when none is left."""
        with self._changed:
            while self._waiting:
                for i, unit in enumerate(self._waiting):
                    if unit.source_folder not in self._unfinished:
                        return self._waiting.pop(i)
                self._changed.wait()
            return None

    def finished(self, unit: Unit) -> None:
        with self._changed:
            self._unfinished.discard(unit.folder)
            self._changed.notify_all()

    def drop(self) -> int:
        """Hands out no more units. Returns how many were left."""
        with self._changed:
            left = len(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return left


def run_queued_units(
    child: Child, queue: UnitQueue, messages: SimpleQueue[UnitMessage]
) -> None:
    while unit := queue.take():
        try:
            function = "teachback.compare.units:run_unit_in_child"
            child.run_function(function, unit, messages.put)
        except Exception as error:
            messages.put(error)
            return
        queue.finished(unit)
        messages.put(None)
