"""`reward`: what a reward model thinks of the student's attempt, the lowest first (arXiv
2512.00884).
"""

from collections.abc import Mapping
from typing import Any, Literal

from ..types import FolderOrName
from .criterion import Criterion, CriterionSettings
from .evidence import Evidence


class RewardSettings(CriterionSettings):
    """The reward model is a sequence classifier with one output, in the style of Skywork-Reward."""

    # A folder, or a name on the Hub.
    model: FolderOrName
    revision: str | None = None
    # Which seeds come first: those whose attempts have a low reward, or a high one.
    prefer: Literal["low", "high"] = "low"

    def arguments(self, members: Mapping[str, Criterion]) -> dict[str, Any]:
        return {"prefer": self.prefer}


def reward(
    evidence: Evidence, *, prefer: Literal["low", "high"] = "low"
) -> list[float]:
    """Minus the model's score, or with prefer "high" the score itself.

    Costs a pass of the reward model over each attempt.
    """
    sign = 1.0 if prefer == "high" else -1.0
    return [sign * float(score) for score in evidence.reward]
