"""A tracker of the user's own: a Python function that the config names."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..types import ImportFunction
from .tracker import TrackedRun

KEY = "track"
PARAMETERS = "(run, step, metrics)"
EXAMPLE = "print(run.name, step, metrics['accuracy'])"


class FunctionTracker:
    """Calls f(run, step, metrics) for every step of every start."""

    def __init__(self, function: Callable[..., Any], run: TrackedRun) -> None:
        self.place = ""
        self._function = function
        self._run = run

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        self._function(self._run, step, dict(metrics))

    def log_report(self, path: Path) -> None:
        """It can be found in run.folder."""

    def close(self) -> None:
        """Nothing is left to send."""


def is_function_name(name: str) -> bool:
    """Whether an entry of `track` names a function, and no tracker of the registry."""
    return ":" in name


def check_functions(names: Sequence[str], import_function: ImportFunction) -> None:
    """Raises ConfigError for a function that can't be imported, before the run begins."""
    for name in names:
        if is_function_name(name):
            import_function(name, KEY, PARAMETERS, EXAMPLE)


def open_function_tracker(
    name: str, import_function: ImportFunction, run: TrackedRun
) -> FunctionTracker:
    function = import_function(name, KEY, PARAMETERS, EXAMPLE)
    return FunctionTracker(function, run)
