"""The tracker's own process: it reads what to track on stdin, until that ends.

Each message is a line of JSON: first {"tracker": name, "run": …}, then {"step": …, "metrics": …}
for each step, and {"report": path} at the end. Stdin ends when the run does, however it ends.

What libraries print goes nowhere, for stdout and stderr are the run's. The answers are lines of
JSON too: {"place": …} once the tracker is open, {"error": …} if it fails.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import Any

from .tracker import TrackedRun, Tracker

MAX_ERROR_CHARS = 300

# open_tracker(name, run)
OpenTracker = Callable[[str, TrackedRun], Tracker]


def serve_run(open_tracker: OpenTracker) -> None:
    """The whole life of the process."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    try:
        track(map(json.loads, sys.stdin), open_tracker, answers)
    # A tracker may fail in any way: without a network, a login or room on the disk. None of that
    # may end the run, so this is the one place where every error is caught. It is told.
    except (Exception, SystemExit) as error:
        answer(answers, error=describe_tracker_error(error))
        sys.exit(1)


def track(
    messages: Iterable[Mapping[str, Any]], open_tracker: OpenTracker, answers: RawIOBase
) -> None:
    lines = iter(messages)
    first = next(lines)
    tracker = open_tracker(first["tracker"], TrackedRun(**first["run"]))
    answer(answers, place=tracker.place)
    for message in lines:
        if "report" in message:
            tracker.log_report(Path(message["report"]))
        else:
            tracker.log_metrics(message["step"], message["metrics"])
    tracker.close()


def answer(answers: RawIOBase, **facts: str) -> None:
    # A run that was killed hears nothing. What it has sent is tracked all the same.
    with suppress(BrokenPipeError):
        answers.write(f"{json.dumps(facts)}\n".encode())


def describe_tracker_error(error: BaseException) -> str:
    """One line: some libraries explain themselves in ten."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[:MAX_ERROR_CHARS]}…"
