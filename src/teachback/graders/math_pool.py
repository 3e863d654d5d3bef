"""Worker processes for math-verify, each of which can be killed.

Not `multiprocessing`: its spawn runs the caller's script again, and a fork after torch has
started threads deadlocks. A worker starts when it is first needed, serves one thread at a time,
and is killed at the deadline. So an answer that hangs costs its own time only.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ..errors import TeachbackError, require_modules

MATH_MODULES = ("math_verify",)
MAX_WORKERS = 4
# To load sympy on a busy machine. Not part of any deadline.
MAX_START_S = 120.0
WORKER_COMMAND = (
    "from teachback.graders.math_worker import serve_comparisons; serve_comparisons()"
)


class WorkerReply(NamedTuple):
    # The worker's: yes, no, unparsed, error, memory. The pool's own: late, died.
    outcome: str
    reason: str
    # The worker's process.
    pid: int


class MathWorker:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", WORKER_COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the parent
            env=_worker_environment(),
        )
        ready = self._read_reply(MAX_START_S)
        if ready.outcome != "yes":
            self.end()
            raise TeachbackError(
                "the process for math-verify did not start",
                got=f"{ready.outcome}: {ready.reason}",
            )

    def ask(self, request: dict[str, object], seconds: float) -> WorkerReply:
        # The worker's own alarm comes a second later. It is for a parent that has died.
        line = json.dumps(request | {"seconds": seconds + 1}).encode() + b"\n"
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(line)
        except OSError:
            return self._reply("died", "before it was asked")
        return self._read_reply(seconds)

    def _read_reply(self, seconds: float) -> WorkerReply:
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.process.stdout, select.POLLIN)
        line = b""
        while not line.endswith(b"\n"):
            seconds_left = max(0.0, deadline - time.monotonic())
            if not poll.poll(seconds_left * 1000):
                return self._reply("late", f"not decided within {seconds:g} s")
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                return self._reply("died", f"exit status {self.process.wait()}")
            line += chunk
        outcome, reason = json.loads(line)
        return self._reply(outcome, reason)

    def _reply(self, outcome: str, reason: str) -> WorkerReply:
        return WorkerReply(outcome, reason, self.process.pid)

    def end(self) -> None:
        """Kills and reaps the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def _worker_environment() -> dict[str, str]:
    path = [str(Path(__file__).parents[2])]
    if inherited := os.environ.get("PYTHONPATH"):
        path.append(inherited)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONINTMAXSTRDIGITS": "0",
    }
    environment.pop("PYTHONWARNINGS", None)
    return environment


class MathWorkerPool:
    def __init__(self, workers: int = MAX_WORKERS) -> None:
        self.free = threading.Semaphore(workers)
        self.idle: list[MathWorker] = []  # append and pop are atomic

    def ask(
        self,
        gold: str | None,
        answer: str,
        question: str,
        seconds: float,
    ) -> WorkerReply:
        """Waits for a free worker. The deadline begins when the worker has the request."""
        request: dict[str, object] = {
            "gold": gold,
            "answer": answer,
            "question": question,
        }
        with self.free:
            reply = self._ask_once(request, seconds)
            if reply.outcome == "died":  # an idle worker may have died earlier
                reply = self._ask_once(request, seconds)
            return reply

    def _ask_once(self, request: dict[str, object], seconds: float) -> WorkerReply:
        worker = self.take_worker()
        can_be_reused = False
        try:
            reply = worker.ask(request, seconds)
            can_be_reused = reply.outcome not in ("late", "died", "memory")
            return reply
        finally:
            # After an exception the worker goes too: its reply is still to come, and the next
            # caller would read it.
            if can_be_reused:
                self.idle.append(worker)
            else:
                worker.end()

    def take_worker(self) -> MathWorker:
        """An idle worker, or a new one."""
        try:
            return self.idle.pop()
        except IndexError:
            return MathWorker()

    def close(self) -> None:
        while self.idle:
            self.idle.pop().end()


def ask_math_worker(
    gold: str | None,
    answer: str,
    question: str,
    seconds: float,
) -> WorkerReply:
    """Are the two answers equal? gold None: can the answer be compared at all?

    Raises MissingPackages without math-verify.
    """
    require_modules("the grader math", MATH_MODULES)
    return MATH_POOL.ask(gold, answer, question, seconds)


def replace_pool_after_fork() -> None:
    """A forked child must not talk to its parent's workers, nor close them: it keeps the pool."""
    global MATH_POOL
    INHERITED_POOLS.append(MATH_POOL)
    MATH_POOL = MathWorkerPool()


MATH_POOL = MathWorkerPool()
INHERITED_POOLS: list[MathWorkerPool] = []
os.register_at_fork(after_in_child=replace_pool_after_fork)
atexit.register(lambda: MATH_POOL.close())
