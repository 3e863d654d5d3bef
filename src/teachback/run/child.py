"""Work in a process of its own: its memory is free when it ends, and several of them use several cores.

Not multiprocessing: its spawned processes import the user's main module again, which breaks a script without a guard.
A child ends when its parent does, whatever the parent died of: it reads a pipe that only the parent holds open.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from ..errors import StudentError

MAIN = "from teachback.run.child import main; main()"

Send = Callable[..., None]  # of anything that can be pickled, to the parent


class Child:
    """with Child() as child: child.do("module:function", job, hear) — as often as wanted, one after the other.

    threads: of torch, in the child; None: as many as here. It has a session of its own: Ctrl-C is the parent's to
    pass on.
    """

    def __init__(self, threads: int | None = None) -> None:
        torch = sys.modules.get("torch")
        self.threads = threads or (torch.get_num_threads() if torch else None)
        self._process = subprocess.Popen(
            [sys.executable, "-c", MAIN],
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
            pipe.close()

    def do(self, function: str, job: Any, hear: Send) -> Any:
        """What function(job, send) returns there; hear(*values) is called here with what it sends. Raises what it
        raised, and StudentError when the child dies of something else."""
        self._send((function, job))
        assert self._process.stdout
        while True:
            try:
                kind, *values = pickle.load(self._process.stdout)
            except EOFError:
                died = how(self._process.wait())
                raise StudentError(
                    "the child process died", got=died, fix="see its last words above"
                ) from None
            if kind == "sent":
                hear(*values)
            elif kind == "raised":
                raise values[0]
            else:
                return values[0]

    def _send(self, value: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(pickle.dumps(value))
        self._process.stdin.flush()


def how(code: int) -> str:
    if code == -9:
        return "it was killed (signal 9): out of memory, most likely"
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def main() -> None:
    """In the child: stdin brings jobs, and its end is the parent's; stdout goes to stderr, and the old one to it."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.path[:], threads = pickle.load(sys.stdin.buffer)
    jobs: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    threading.Thread(target=read_jobs, args=(jobs,), daemon=True).start()

    def send(kind: str, *values: object) -> None:
        out.write(pickle.dumps((kind, *values)))
        out.flush()

    if threads:
        import torch

        torch.set_num_threads(threads)
    while True:
        function, job = jobs.get()
        try:
            module, _, name = function.partition(":")
            send(
                "done",
                getattr(import_module(module), name)(
                    job, lambda *values: send("sent", *values)
                ),
            )
        except Exception as error:
            send("raised", portable(error))


def read_jobs(jobs: "SimpleQueue[tuple[str, Any]]") -> None:
    while True:
        try:
            jobs.put(pickle.load(sys.stdin.buffer))
        except EOFError:
            os._exit(1)


def portable(error: Exception) -> Exception:
    """The error, or one that says the same where it doesn't survive the way to the parent."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return StudentError(
            f"the child process failed: {type(error).__name__}: {error}"
        )
