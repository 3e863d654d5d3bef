"""`own`: a task that a Python function of the user's makes."""

from dataclasses import fields, replace
from typing import Any, Literal

from pydantic import JsonValue

from ..errors import ConfigError, guard_function
from ..types import FunctionName, ImportFunction, Settings, Task


class OwnTaskSettings(Settings):
    """A function of (options, repeat) that returns a teachback.types.Task."""

    name: Literal["own"]
    # my_module:my_function, or my_file.py:my_function
    function: FunctionName
    options: dict[str, JsonValue] = {}


def load_own_task(
    settings: OwnTaskSettings, repeat: int, import_function: ImportFunction
) -> Task:
    """Raises ConfigError where the function can't be imported, or returns no task with dev."""
    make = import_function(
        settings.function,
        "task.function",
        "(options, repeat)",
        "return teachback.types.Task(...)",
    )
    task = make(settings.options, repeat)
    if not isinstance(task, Task) or not task.dev:
        raise ConfigError(
            f"task.function: {settings.function} makes no task",
            got="a task without dev" if isinstance(task, Task) else type(task).__name__,
            allowed="a teachback.types.Task with seeds and dev",
        )
    return guard_task(task, settings.function)


def guard_task(task: Task, function: str) -> Task:
    """The task; what its functions raise says that they are the user's, and where."""
    guarded: dict[str, Any] = {
        field.name: guard_function(value, f"{function} (the task's {field.name})")
        for field in fields(task)
        if callable(value := getattr(task, field.name))
    }
    return replace(task, **guarded)
