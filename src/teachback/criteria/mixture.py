"""`mixture`: shares of several criteria. As a rule, `random` has one of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from ..types import PositiveFloat
from .criterion import Choice, Criterion, CriterionSettings, Draws
from .evidence import Evidence
from .rules import apportion, pick_top


class MixtureSettings(CriterionSettings):
    # Each member's share of the picks, as in {loss: 0.8, random: 0.2}.
    shares: dict[str, PositiveFloat] = Field(min_length=1)

    def member_names(self) -> tuple[str, ...]:
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
    """Each member picks its share of m, in their order, from what earlier members left.

    Shares are relative to their sum, so they need not add up to 1.
    """
    choices: list[Choice] = []
    for name, count in apportion(m, shares).items():
        chosen = {choice.position for choice in choices}
        remaining = sorted(set(evidence.candidates) - chosen)
        member_evidence = replace(evidence, candidates=remaining)
        member_choices = pick_by_member(members[name], member_evidence, count, draws)
        choices += [Choice(choice.position, name) for choice in member_choices]
    return choices


def pick_by_member(
    criterion: Criterion, evidence: Evidence, m: int, draws: Draws
) -> list[Choice]:
    """A member's own picks; of a score, the top."""
    # Its share may come to nothing. A chooser can rely on m ≥ 1.
    if m == 0:
        return []
    if not criterion.gives_scores:
        return criterion.choose(evidence, m, draws)
    scores = criterion.score(evidence)
    return [Choice(position) for position in pick_top(evidence, scores, m, draws)]
