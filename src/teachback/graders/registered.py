"""An entry of `GRADERS`: how a grader is made, and from which settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..types import Grader, Settings


@dataclass(frozen=True)
class RegisteredGrader:
    # make(**settings). If it has a parameter `import_function` (see types.ImportFunction), it gets
    # what loads a function of the user's.
    make: Callable[..., Grader]
    # These keys stand in the task's section, beside `grader`.
    settings: type[Settings] = Settings
    # Whether each gold answer must be right by its own grader. If so, one that isn't is an error.
    checks_golds: bool = True
    # Modules that it needs of an extra.
    modules: tuple[str, ...] = ()

    @property
    def grade(self) -> Any:
        """`Grader.grade` of a grader without settings."""
        return self.make().grade

    @property
    def parse(self) -> Any:
        """`Grader.parse` of a grader without settings."""
        return self.make().parse


def without_settings(grader: Grader, modules: tuple[str, ...] = ()) -> RegisteredGrader:
    return RegisteredGrader(lambda: grader, modules=modules)
