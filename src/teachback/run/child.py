"""Work in a child process: its memory is free when it ends, and several children use several cores.

This is not multiprocessing, whose spawned processes import the user's main module again: a script
without a guard breaks on that. A child ends with its parent, however the parent ends, because it
reads a pipe that only the parent holds open.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from ..errors import StudentError

CHILD_PROGRAM = "from teachback.run.child import serve_jobs; serve_jobs()"

# Sends any picklable values to the parent.
SendMessage = Callable[..., None]
_Job = tuple[str, Any]  # "module:function" and its argument


class Child:
    """A process that runs one function after the other.

    with Child() as child:
        result = child.run_function("module:function", job, on_message)

    It runs in a session of its own, so Ctrl-C reaches the parent only.
    """

    def __init__(self, threads: int | None = None) -> None:
        """threads: how many torch may use in the child; None: as many as in this process."""
        torch = sys.modules.get("torch")
        self.threads = threads or (torch.get_num_threads() if torch else None)
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD_PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._send((sys.path, self.threads))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            # A child that died has left a job half-read.
            with suppress(OSError):
                pipe.close()

    def run_function(self, function: str, job: Any, on_message: SendMessage) -> Any:
        """Return what function(job, send) returns in the child.

        `on_message(*values)` is called here for each `send(*values)` there. Raises what the
        function raised, and StudentError if the child dies.
        """
        assert self._process.stdout
        try:
            self._send((function, job))
        except BrokenPipeError:
            raise self._explain_death() from None
        while True:
            try:
                kind, *values = pickle.load(self._process.stdout)
            except (EOFError, pickle.UnpicklingError):
                raise self._explain_death() from None
            if kind == "sent":
                on_message(*values)
            elif kind == "raised":
                raise values[0]
            else:
                return values[0]

    def _explain_death(self) -> StudentError:
        return StudentError(
            "the child process died",
            got=describe_exit(self._process.wait()),
            fix="see its last words above",
        )

    def _send(self, value: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(pickle.dumps(value))
        self._process.stdin.flush()


def describe_exit(code: int) -> str:
    if code == -9:
        return "it was killed (signal 9): out of memory, most likely"
    return f"signal {-code}" if code < 0 else f"exit status {code}"


# -- in the child ------------------------------------------------------------------------


def serve_jobs() -> None:
    """Run the jobs that come on stdin. When stdin ends, the parent has, and so does the child."""
    # What the job prints goes to stderr, for the old stdout carries the messages.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    sys.path[:], threads = pickle.load(sys.stdin.buffer)
    jobs: SimpleQueue[_Job] = SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()

    def send(kind: str, *values: object) -> None:
        out.write(pickle.dumps((kind, *values)))
        out.flush()

    if threads:
        import torch

        torch.set_num_threads(threads)
    while True:
        function, job = jobs.get()
        module, _, name = function.partition(":")
        try:
            call = getattr(import_module(module), name)
            result = call(job, lambda *values: send("sent", *values))
            send("done", result)
        except Exception as error:
            send("raised", _make_picklable(error))


def _read_jobs(jobs: "SimpleQueue[_Job]") -> None:
    while True:
        try:
            jobs.put(pickle.load(sys.stdin.buffer))
        except EOFError:
            os._exit(1)


def _make_picklable(error: Exception) -> Exception:
    """The error itself, or one with the same text if it can't be sent."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return StudentError(
            f"the child process failed: {type(error).__name__}: {error}"
        )
