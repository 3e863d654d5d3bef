"""`function`: a criterion of your own, a Python function named in the config."""

from typing import Literal

from ..types import FunctionName
from .criterion import CriterionSettings
from .evidence import Evidence


class FunctionSettings(CriterionSettings):
    # my_module:my_function, or path/to/file.py:my_function
    function: FunctionName
    # A score is called with (evidence), a chooser with (evidence, m, draws).
    kind: Literal["score", "graded", "chooser"] = "score"
    # What the evidence has to hold, in the words of `criteria.criterion.NEEDS`.
    needs: tuple[str, ...] = ()


def function(evidence: Evidence) -> list[float]:
    """A placeholder in the registry. A run replaces it by the function that the config names."""
    raise NotImplementedError("the function that the settings name was not loaded")
