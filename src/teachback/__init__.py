"""Finetune a small language model on synthetic data it asks for itself, within a budget you set.

import teachback
result = teachback.run("task.yaml")          # or a Config, or plain data
before, after = result.history.baseline, result.history.rounds[-1].report
print(before.accuracy, "→", after.accuracy, result.student)
"""

from .api import Result, evaluate, rank, run
from .config.config import Config
from .errors import TeachbackError
from .types import Example, Report, Row

__all__ = [
    "Config",
    "Example",
    "Report",
    "Result",
    "Row",
    "TeachbackError",
    "evaluate",
    "rank",
    "run",
]
