"""`mixture`: shares of several criteria, a share of `random` among them as a rule."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from ..types import PositiveFloat
from .criterion import Choice, Criterion, CriterionSettings, Draws
from .evidence import Evidence
from .rules import parts, top


class MixtureSettings(CriterionSettings):
    # Each member's share of the picks, as in {loss: 0.8, random: 0.2}.
    shares: dict[str, PositiveFloat] = Field(min_length=1)

    def uses(self) -> tuple[str, ...]:
        return tuple(self.shares)

    def arguments(self, members: Mapping[str, Criterion]) -> dict[str, Any]:
        return {"members": members, "shares": self.shares}


def mixture(
    evidence: Evidence,
    m: int,
    draws: Draws,
    *,
    members: Mapping[str, Criterion],
    shares: Mapping[str, float],
) -> list[Choice]:
    """Each member picks its share of m, in their order, among what those before it left.

    Shares need not add up to 1: they are taken relative to their sum.
    """
    taken: list[Choice] = []
    for name, count in parts(m, shares).items():
        left = sorted(
            set(evidence.candidates).difference(choice.position for choice in taken)
        )
        chosen = pick(members[name], replace(evidence, candidates=left), count, draws)
        taken += [Choice(choice.position, name) for choice in chosen]
    return taken


def pick(
    criterion: Criterion, evidence: Evidence, m: int, draws: Draws
) -> list[Choice]:
    """A member's own picks: the top of its scores."""
    if m == 0:
        return []
    if not criterion.scores:
        return criterion.choose(evidence, m, draws)
    return [Choice(i) for i in top(evidence, criterion.score(evidence), m, draws)]
