"""Units in processes of their own, as many at a time as there are cores; or in this one, one after the other."""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from queue import SimpleQueue

from ..config.config import Config
from ..run.child import Child
from ..run.directory import Event
from ..student.model_size import find_model_size, finetuning_memory
from .units import Unit, run_unit

PROCESS_BYTES = 2**30  # bytes of one that has torch loaded, before its student
Message = (
    Event | Exception | None
)  # what a unit tells, the error that ended it, or its end


def available_cores() -> int:
    return len(os.sched_getaffinity(0))


def max_parallel_runs(config: Config) -> int:
    """A run a core, of one thread each; fewer where their finetuning would not fit the memory together, and one where
    there is a GPU, which they would have to share."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return 1
    each = finetuning_memory(
        find_model_size(config.student.model, config.student.revision).parameters,
        config.finetune.method,
    )
    fit = (
        available_cores()
        if each is None
        else int(psutil.virtual_memory().available / (PROCESS_BYTES + 1.5 * each))
    )
    return max(1, min(available_cores(), fit))


def run_units(
    units: Sequence[Unit],
    jobs: int,
    threads: int | None,
    listen: Callable[[Event], None],
) -> None:
    """Every unit, `jobs` at a time with `threads` each (None: their share of the cores); what is finished is read back.
    None of `units` stands before the one it is `after`. One job: in this process.

    After an error no unit begins, and those that are under way end first: what they have in flight is paid for. A stop
    ends them where they are. Either way the same call goes on from there.
    """
    if jobs == 1:
        for unit in units:
            listen(Event("note", 0, "unit", value=f"-- {unit.name}"))
            run_unit(unit, listen)
        return
    queue, heard = UnitQueue(units), SimpleQueue[Message]()
    left, failed = len(units), None
    with ExitStack() as stack:
        for _ in range(min(jobs, len(units))):
            child = stack.enter_context(Child(threads or max(1, available_cores() // jobs)))
            threading.Thread(
                target=run_queued_units, args=(child, queue, heard), daemon=True
            ).start()
        while left:  # in this thread, which Ctrl-C reaches and a terminal belongs to
            what = heard.get()
            if isinstance(what, Event):
                listen(what)
                continue
            left -= 1
            if what is not None:
                failed = failed or what
                left -= queue.drop()
                if left:
                    said = str(what).partition("\n")[0]
                    listen(
                        Event(
                            "note",
                            0,
                            "unit",
                            value=f"{said}; what is under way ends first: {left} runs",
                        )
                    )
    if failed:
        raise failed


class UnitQueue:
    """Units to be taken by several threads: the first one each time of which what it comes after is finished."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._todo, self._unfinished = list(units), {unit.folder for unit in units}
        self._changed = threading.Condition()

    def take(self) -> Unit | None:
        """Waits until there is one; None when none is left."""
        with self._changed:
            while self._todo:
                for i, unit in enumerate(self._todo):
                    if unit.after not in self._unfinished:
                        return self._todo.pop(i)
                self._changed.wait()
            return None

    def finished(self, unit: Unit) -> None:
        with self._changed:
            self._unfinished.discard(unit.folder)
            self._changed.notify_all()

    def drop(self) -> int:
        """Nobody gets another one; how many were left."""
        with self._changed:
            left = len(self._todo)
            self._todo.clear()
            self._changed.notify_all()
            return left


def run_queued_units(child: Child, queue: UnitQueue, heard: SimpleQueue[Message]) -> None:
    while unit := queue.take():
        try:
            child.run_function("teachback.compare.units:run_unit_in_child", unit, heard.put)
        except Exception as error:
            heard.put(error)
            return
        queue.finished(unit)
        heard.put(None)
