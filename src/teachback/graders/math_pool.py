"""Processes that math-verify works in, each of which can be killed.

Not `multiprocessing`: its spawn runs the caller's script again, and a fork after torch has started threads deadlocks.
A worker starts when it is first needed, is lent to one thread at a time, and is ended by the deadline: an answer that
hangs costs its own time alone.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, TeachbackError

WORKERS = 4
STARTING_S = 120.0  # loading sympy on a busy machine; not part of any deadline
COMMAND = "from teachback.graders.math_worker import main; main()"


class Reply(NamedTuple):
    """said: yes, no, unparsed, error, memory, or here: late, died. pid: of the worker."""

    said: str
    why: str
    pid: int


class Worker:
    def __init__(self) -> None:
        path = [
            str(Path(__file__).parents[2]),
            *filter(None, [os.environ.get("PYTHONPATH")]),
        ]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONINTMAXSTRDIGITS": "0",
        }
        environment.pop("PYTHONWARNINGS", None)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the parent
            env=environment,
        )
        ready = self.reply(STARTING_S)
        if ready.said != "yes":
            self.end()
            raise TeachbackError(
                "the process for math-verify did not start",
                got=f"{ready.said}: {ready.why}",
            )

    def ask(self, request: dict[str, object], seconds: float) -> Reply:
        line = json.dumps(request | {"seconds": seconds + 1}).encode() + b"\n"
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(line)
        except OSError:
            return Reply("died", "before it was asked", self.process.pid)
        return self.reply(seconds)

    def reply(self, seconds: float) -> Reply:
        assert self.process.stdout is not None
        ready, until, line = select.poll(), time.monotonic() + seconds, b""
        ready.register(self.process.stdout, select.POLLIN)
        while not line.endswith(b"\n"):
            if not ready.poll(max(0.0, until - time.monotonic()) * 1000):
                return Reply(
                    "late", f"not decided within {seconds:g} s", self.process.pid
                )
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                return Reply(
                    "died", f"exit status {self.process.wait()}", self.process.pid
                )
            line += got
        said, why = json.loads(line)
        return Reply(said, why, self.process.pid)

    def end(self) -> None:
        """Killed and reaped."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Pool:
    def __init__(self, workers: int = WORKERS) -> None:
        self.free = threading.Semaphore(workers)
        self.idle: list[Worker] = []  # append and pop are atomic

    def ask(
        self, gold: str | None, answer: str, question: str, seconds: float
    ) -> Reply:
        """Waits for a free worker first: the deadline begins when the worker has the request."""
        request: dict[str, object] = {
            "gold": gold,
            "answer": answer,
            "question": question,
        }
        with self.free:
            reply = self.asked(request, seconds)
            return (
                reply if reply.said != "died" else self.asked(request, seconds)
            )  # it may have been dead before

    def asked(self, request: dict[str, object], seconds: float) -> Reply:
        worker, keep = self.lent(), False
        try:
            reply = worker.ask(request, seconds)
            keep = reply.said not in ("late", "died", "memory")
            return reply
        finally:  # after an exception too: its reply is still to come, and would be taken for the next one's
            if keep:
                self.idle.append(worker)
            else:
                worker.end()

    def lent(self) -> Worker:
        try:
            return self.idle.pop()
        except IndexError:
            return Worker()

    def close(self) -> None:
        while self.idle:
            self.idle.pop().end()


def ask(gold: str | None, answer: str, question: str, seconds: float) -> Reply:
    """gold None: can the answer be compared at all? Raises ConfigError without math-verify."""
    if find_spec("math_verify") is None:
        raise ConfigError(
            "the grader 'math' needs math-verify", fix="pip install 'teachback[math]'"
        )
    return POOL.ask(gold, answer, question, seconds)


def after_fork() -> None:
    """A forked child must not talk to its parent's workers. (They are kept: closing them is not its business.)"""
    global POOL
    INHERITED.append(POOL)
    POOL = Pool()


POOL = Pool()
INHERITED: list[Pool] = []
os.register_at_fork(after_in_child=after_fork)
atexit.register(lambda: POOL.close())
