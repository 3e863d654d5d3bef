"""`bandit`: one of several criteria each round, by Exp3 (Auer et al. 2002).

The payoff of a round is dev's gain per generated row.
"""

from collections.abc import Mapping, Sequence
from math import exp
from typing import Annotated, Any

from pydantic import Field, model_validator

from ..types import Round
from .criterion import Choice, Criterion, CriterionSettings, Draws
from .evidence import Evidence
from .mixture import pick_by_member


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

    def member_names(self) -> tuple[str, ...]:
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
    """All m picks are those of one member, which is drawn by its probability."""
    probability_by_name = member_probabilities(
        list(members), evidence.past, evidence.baseline, explore
    )
    names = list(probability_by_name)
    weights = list(probability_by_name.values())
    name = draws("").choices(names, weights=weights)[0]
    choices = pick_by_member(members[name], evidence, m, draws)
    return [Choice(choice.position, name) for choice in choices]


def member_probabilities(
    names: Sequence[str], past: Sequence[Round], baseline: float | None, explore: float
) -> dict[str, float]:
    """Each member's probability in the next round."""
    weights = dict.fromkeys(names, 1.0)
    payoffs = round_payoffs(past, baseline)
    for past_round, payoff in zip(past, payoffs, strict=True):
        probability_by_name = mix_with_uniform(weights, explore)
        name = past_round.chosen.picks[0].by
        # A round that another criterion selected has no weight to change.
        if name in weights and payoff is not None:
            # Divided by the probability: a member that is drawn rarely learns as much.
            weights[name] *= exp(
                explore * payoff / probability_by_name[name] / len(names)
            )
            # Only ratios count. Over many rounds the weights would overflow.
            largest = max(weights.values())
            weights = {member: weight / largest for member, weight in weights.items()}
    return mix_with_uniform(weights, explore)


def mix_with_uniform(weights: Mapping[str, float], explore: float) -> dict[str, float]:
    """The weights as probabilities, of which the share `explore` is spread evenly."""
    total = sum(weights.values())
    uniform = explore / len(weights)
    return {
        name: (1 - explore) * weight / total + uniform
        for name, weight in weights.items()
    }


def round_payoffs(past: Sequence[Round], baseline: float | None) -> list[float | None]:
    """Each round's payoff: ½ for no gain, 1 for the largest gain so far, 0 for as large a loss.

    None: nothing was generated, or the accuracy before the round is unknown.
    """
    payoffs: list[float | None] = []
    largest = 0.0
    previous_accuracy = baseline
    for past_round in past:
        accuracy = past_round.report.accuracy
        n_rows = len(past_round.fresh.rows) + len(past_round.fresh.rejected)
        if previous_accuracy is None or not n_rows:
            payoffs.append(None)
        else:
            gain = (accuracy - previous_accuracy) / n_rows
            largest = max(largest, abs(gain))
            # No round has changed the accuracy yet: the scale is unknown.
            payoffs.append(0.5 + gain / largest / 2 if largest else 0.5)
        previous_accuracy = accuracy
    return payoffs
