"""A tracker as the run sees it: a process that takes messages, and that nothing waits for.

A library that hangs, prints, starts threads or dies does that in its own process. The run never
blocks on it: what the pipe doesn't take at once is kept here and sent later.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from .tracker import TrackedRun

# The libraries' reports about their own use. A value in the user's environment goes before.
NO_TELEMETRY: Mapping[str, str] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
}
POLL_S = 0.02


class TrackerProcess:
    """`program` is Python code that ends in worker.serve_run."""

    def __init__(self, name: str, run: TrackedRun, program: str) -> None:
        self.name = name
        self.place: str | None = None
        # Why it hears no more.
        self.failure: str | None = None
        self._unsent = bytearray()
        self._unread = b""
        # Its own session: Ctrl-C reaches the run only, which then lets it end in order.
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**NO_TELEMETRY, **os.environ},
            start_new_session=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)
        self.send({"tracker": name, "run": asdict(run)})

    def send(self, message: Mapping[str, object]) -> None:
        if self.failure is None:
            self._unsent += f"{json.dumps(message)}\n".encode()
            self.exchange()

    def exchange(self) -> None:
        """Writes what the pipe takes, and reads what the tracker has answered."""
        try:
            while self._unsent:
                written = os.write(self._stdin.fileno(), self._unsent)
                del self._unsent[:written]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._unsent.clear()
        with suppress(BlockingIOError):
            while part := os.read(self._stdout.fileno(), 4096):
                self._unread += part
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            answer = json.loads(line)
            self.place = answer.get("place", self.place)
            self.failure = answer.get("error", self.failure)

    def has_ended(self) -> bool:
        """Whether it has done all. Sends what is left, and then the end."""
        self.exchange()
        if not self._unsent and not self._stdin.closed:
            self._stdin.close()
        code = self._process.poll()
        if code is None:
            return False
        self._unsent.clear()
        self.exchange()
        if code and self.failure is None:
            self.failure = f"its process ended with {code}"
        return True

    def stop(self) -> None:
        """At once, with what it has started, unless it has ended."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with suppress(OSError):
            self._stdin.close()
        self._stdout.close()


def end_processes(processes: Sequence[TrackerProcess], seconds: float) -> None:
    """Waits until all have ended, so many seconds in all. Those that have not are stopped."""
    deadline = time.monotonic() + seconds
    waiting = list(processes)
    try:
        while waiting and time.monotonic() < deadline:
            waiting = [process for process in waiting if not process.has_ended()]
            if waiting:
                time.sleep(POLL_S)
        for process in waiting:
            process.failure = process.failure or (
                f"it did not end within {seconds:.0f} s of the run, and was stopped"
            )
    finally:
        for process in processes:
            process.stop()
