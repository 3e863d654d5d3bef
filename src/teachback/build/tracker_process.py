"""The program of a tracker's own process. It loads nothing of the run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..config.functions import import_function
from ..trackers import TRACKERS
from ..trackers.function import is_function_name, open_function_tracker
from ..trackers.tracker import TrackedRun, Tracker
from ..trackers.worker import serve_run


def serve_tracker() -> None:
    serve_run(open_tracker)


def open_tracker(name: str, run: TrackedRun) -> Tracker:
    if is_function_name(name):
        return open_function_tracker(name, import_tracker_function, run)
    return TRACKERS[name].start(run)


def import_tracker_function(
    spec: str, key: str, parameters: str, example: str
) -> Callable[..., Any]:
    return import_function(spec, Path.cwd(), key, parameters, example)[0]
