"""Units in processes of their own, as many at a time as there are cores; or in this one, one after the other."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from ..child import Child
from ..config import Config
from ..plan.student import find_size, memory
from ..rundir import Event
from .units import Unit, run_unit

PROCESS = 2**30  # bytes of one that has torch loaded, before its student
Heard = Event | Exception | None  # what a unit tells, the error that ended it, or its end


def cores() -> int:
    return len(os.sched_getaffinity(0))


def as_many_as_fit(config: Config) -> int:
    """A run a core, of one thread each; fewer where their finetuning would not fit the memory together, and one where
    there is a GPU, which they would have to share."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return 1
    each = memory(find_size(config.student.model, config.student.revision).parameters, config.finetune.method)
    fit = cores() if each is None else int(psutil.virtual_memory().available / (PROCESS + 1.5 * each))
    return max(1, min(cores(), fit))


class Workers:
    """with Workers(jobs, threads, listen) as workers: workers.run(units), as often as wanted. One job: in this process.

    After an error no unit begins, and those that are under way end first: what they have in flight is paid for. Leaving
    the block ends them where they are. Either way the same call goes on from there.
    """

    def __init__(self, jobs: int, threads: int | None, listen: Callable[[Event], None]) -> None:
        self.jobs, self.threads, self.listen = jobs, threads or max(1, cores() // jobs), listen
        self._children: list[Child] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def run(self, units: Sequence[Unit]) -> None:
        """Every unit; what is finished is read back."""
        if self.jobs == 1:
            for unit in units:
                self.listen(Event("note", 0, "unit", value=f"-- {unit.name}"))
                run_unit(unit, self.listen)
            return
        todo, heard = deque(units), SimpleQueue[Heard]()
        while len(self._children) < min(self.jobs, len(units)):
            self._children.append(self._stack.enter_context(Child(self.threads)))
        for child in self._children[: len(units)]:
            threading.Thread(target=work, args=(child, todo, heard), daemon=True).start()
        left, failed = len(units), None
        while left:  # in this thread, which Ctrl-C reaches and a terminal belongs to
            what = heard.get()
            if isinstance(what, Event):
                self.listen(what)
                continue
            left -= 1
            if what is not None:
                failed = failed or what
                left -= drained(todo)
                if left:
                    said = str(what).partition("\n")[0]
                    self.listen(Event("note", 0, "unit", value=f"{said}; what is under way ends first: {left} runs"))
        if failed:
            raise failed


def drained(todo: deque[Unit]) -> int:
    """How many were left, now that nobody can take one."""
    n = 0
    while True:
        try:
            todo.popleft()
        except IndexError:
            return n
        n += 1


def work(child: Child, todo: deque[Unit], heard: SimpleQueue[Heard]) -> None:
    while True:
        try:
            unit = todo.popleft()
        except IndexError:
            return
        try:
            child.do("teachback.compare.units:in_child", unit, heard.put)
        except Exception as error:
            heard.put(error)
            return
        heard.put(None)
