"""An entry of `TASKS`: how a task is made, and from which settings."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from inspect import signature
from typing import Any

from ..types import ImportFunction, Settings, Task


@dataclass(frozen=True)
class RegisteredTask:
    settings: type[Settings]
    # Gets every setting but the name as a keyword argument; or, where it names that
    # parameter, the `settings` as a whole. Gets `repeat` and `import_function` where it
    # names them.
    load: Callable[..., Task]
    # The files of tasks/ that decide what the task's program writes: part of a run's identity.
    program_files: tuple[str, ...] = ()
    # list_modules(settings): modules that it needs of an extra, its grader's aside.
    list_modules: Callable[[Any], tuple[str, ...]] = lambda settings: ()

    def read_program(self) -> tuple[bytes, ...]:
        """The source of the program's files."""
        folder = files("teachback") / "tasks"
        paths = [folder.joinpath(f"{name}.py") for name in self.program_files]
        return tuple(path.read_bytes() for path in paths)

    def make(self, settings: Any, repeat: int, import_function: ImportFunction) -> Task:
        """repeat: of a comparison. Where questions are made, each repeat has its own test set."""
        context = {
            "settings": settings,
            "repeat": repeat,
            "import_function": import_function,
        }
        names = signature(self.load).parameters
        arguments = {name: value for name, value in context.items() if name in names}
        if "settings" not in names:
            fields = type(settings).model_fields
            arguments |= {
                name: getattr(settings, name) for name in fields if name != "name"
            }
        return self.load(**arguments)
