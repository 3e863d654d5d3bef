"""`reward`: what a reward model thinks of the student's attempt, the lowest first (arXiv 2512.00884)."""

from typing import Literal

from .evidence import Evidence


def reward(
    evidence: Evidence, *, prefer: Literal["low", "high"] = "low"
) -> list[float]:
    """Minus the model's score; with prefer "high" the score itself. Costs the model's pass over each attempt."""
    sign = 1.0 if prefer == "high" else -1.0
    return [sign * float(score) for score in evidence.reward]
