"""Finetune a small language model on synthetic data it asks for itself, within a budget you set.

import teachback
result = teachback.run("task.yaml")          # or a Config, or plain data
before, after = result.history.baseline, result.history.rounds[-1].report
print(before.accuracy, "→", after.accuracy, result.student)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# These rooms have the names of functions. If they were loaded later, Python would put them in the
# functions' places.
for _room in ("compare", "export", "plan", "report", "run"):
    import_module(f".{_room}", __name__)

from .api import (  # noqa: E402
    compare,
    diff,
    evaluate,
    export,
    plan,
    report,
    run,
    runs,
    select,
)

if TYPE_CHECKING:
    from .commands.results import Result
    from .config.config import Config
    from .errors import TeachbackError
    from .types import Example, Report, Row

__version__ = "0.1.0"

__all__ = [
    "Config",
    "Example",
    "Report",
    "Result",
    "Row",
    "TeachbackError",
    "__version__",
    "compare",
    "diff",
    "evaluate",
    "export",
    "plan",
    "report",
    "run",
    "runs",
    "select",
]

# By name: the module that has it, which is loaded when the name is first used.
_LAZY_MODULES = {
    "Config": "config.config",
    "Example": "types",
    "Report": "types",
    "Result": "commands.results",
    "Row": "types",
    "TeachbackError": "errors",
}


def __getattr__(name: str) -> Any:
    module = _LAZY_MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'teachback' has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
