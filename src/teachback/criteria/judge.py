"""`judge`: minus the mark, 1 to 10, that a judge LLM gives the student's attempt (the baseline of
arXiv 2512.00884).
"""

from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

from ..endpoints.settings import EndpointSettings
from ..types import PositiveInt
from .criterion import Criterion, CriterionSettings
from .evidence import Evidence


class MarkingJudgeSettings(CriterionSettings, EndpointSettings):
    """The endpoint of the judge."""

    max_tokens: PositiveInt = 256
    # A text with {question} and {attempt}.
    prompt: Path | None = None

    def arguments(self, members: Mapping[str, Criterion]) -> dict[str, Any]:
        """None: the evidence holds the marks."""
        return {}


def judge(evidence: Evidence) -> list[float]:
    """From −10 to −1. There are few values, so scores tie.

    Costs a call of the judge for each candidate, each round. A seed without a mark scores NaN. It
    is not a candidate, so that does not stop the run.
    """
    return [nan if mark is None else -float(mark) for mark in evidence.marks]
