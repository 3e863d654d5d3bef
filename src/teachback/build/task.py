"""From the config to the task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..config.functions import import_function
from ..tasks import TASKS
from ..types import Settings, Task


def make_task(settings: Settings, repeat: int = 0) -> Task:
    """settings: the section `task`. repeat: of a comparison. Raises ConfigError and DataError."""
    name: str = getattr(settings, "name")  # noqa: B009 - every task's settings have one
    return TASKS[name].make(settings, repeat, import_user_function)


def task_sources(settings: Any) -> dict[str, bytes]:
    """The source of the user's function in the section `task`: part of the run's identity (R3)."""
    function = getattr(settings, "function", None)
    if function is None:
        return {}
    makes_task = settings.name == "own"
    parameters = "(options, repeat)" if makes_task else "(example, text)"
    _, source = import_function(
        function, Path.cwd(), "task.function", parameters, "return ..."
    )
    return {"task" if makes_task else "grader": source}


def import_user_function(
    spec: str, key: str, parameters: str, example: str
) -> Callable[..., Any]:
    """See types.ImportFunction. Relative files are looked for in the current folder."""
    return import_function(spec, Path.cwd(), key, parameters, example)[0]
