"""`bandit`: one of several criteria a round, by Exp3 (Auer et al. 2002), paid by dev's gain per
generated row.
"""

from collections.abc import Mapping, Sequence
from math import exp
from typing import Annotated, Any

from pydantic import Field, model_validator

from ..types import Round
from .criterion import Choice, Criterion, CriterionSettings, Draws
from .evidence import Evidence
from .mixture import pick


class BanditSettings(CriterionSettings):
    # The criteria that take turns.
    members: list[str] = Field(min_length=2)
    # Exp3's γ: the share of rounds that go to members whatever they gained.
    explore: Annotated[float, Field(gt=0, le=1)] = 0.2

    @model_validator(mode="after")
    def _refuse_duplicates(self) -> "BanditSettings":
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"members: each once, got {', '.join(self.members)}")
        return self

    def uses(self) -> tuple[str, ...]:
        return tuple(self.members)

    def arguments(self, members: Mapping[str, Criterion]) -> dict[str, Any]:
        return {"members": members, "explore": self.explore}


def bandit(
    evidence: Evidence,
    m: int,
    draws: Draws,
    *,
    members: Mapping[str, Criterion],
    explore: float,
) -> list[Choice]:
    """explore: Exp3's γ, above 0 and at most 1, the share of rounds that go to members regardless
    of what they paid.
    """
    chances = probabilities(list(members), evidence.past, evidence.baseline, explore)
    name = draws("").choices(list(chances), weights=list(chances.values()))[0]
    return [
        Choice(choice.position, name)
        for choice in pick(members[name], evidence, m, draws)
    ]


def probabilities(
    names: Sequence[str], past: Sequence[Round], baseline: float | None, explore: float
) -> dict[str, float]:
    """Of each member, for the next round.

    Pay is between 0 and 1: ½ for no gain, and 1 for the largest yet.
    """
    weights = dict.fromkeys(names, 1.0)
    for r, gain in zip(past, gains(past, baseline), strict=True):
        chances, name = mixed(weights, explore), r.chosen.picks[0].by
        if name in weights and gain is not None:
            weights[name] *= exp(explore * gain / chances[name] / len(names))
            largest = max(weights.values())
            weights = {one: weight / largest for one, weight in weights.items()}
    return mixed(weights, explore)


def mixed(weights: Mapping[str, float], explore: float) -> dict[str, float]:
    total, each = sum(weights.values()), explore / len(weights)
    return {
        name: (1 - explore) * weight / total + each for name, weight in weights.items()
    }


def gains(past: Sequence[Round], baseline: float | None) -> list[float | None]:
    """Of each round: dev's gain per generated row, from −1 to 1 of the largest so far, as pay
    from 0 to 1. None where nothing was generated, or no baseline is known.
    """
    found, largest, before = list[float | None](), 0.0, baseline
    for r in past:
        rows = len(r.fresh.rows) + len(r.fresh.rejected)
        gain = (
            None if before is None or not rows else (r.report.accuracy - before) / rows
        )
        largest = max(largest, abs(gain or 0.0))
        found.append(
            None if gain is None else 0.5 + gain / largest / 2 if largest else 0.5
        )
        before = r.report.accuracy
    return found
