"""Rules: how seeds are picked by their scores. `RULES` names them."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any

from ..errors import CriterionError
from ..types import PositiveFloat, Settings
from .criterion import Draws
from .evidence import Evidence

# rule(evidence, scores, m, draws) → m positions among the candidates, best first.
Rule = Callable[[Evidence, Sequence[float], int, Draws], list[int]]


class RuleSettings(Settings):
    """The settings of a rule. A rule with more settings than its name has a subclass."""

    name: str = "top"


class SoftmaxSettings(RuleSettings):
    # Divides the scores as they are: in nats for loss-like criteria.
    temperature: PositiveFloat = 1.0


class StratifiedSettings(RuleSettings):
    # The meta field whose values are the strata.
    by: str


@dataclass(frozen=True)
class RegisteredRule:
    """A registered rule: its function gets every setting but the name as a keyword argument."""

    function: Callable[..., list[int]]
    settings: type[RuleSettings] = RuleSettings

    def bind(self, settings: RuleSettings) -> Rule:
        arguments: dict[str, Any] = settings.model_dump(exclude={"name"})
        return partial(self.function, **arguments) if arguments else self.function


def pick_top(
    evidence: Evidence, scores: Sequence[float], m: int, draws: Draws
) -> list[int]:
    """The m largest. Among equals, each seed's own random number decides."""
    random_number = {
        i: draws(evidence.seeds[i].id).random() for i in evidence.candidates
    }
    best_first = sorted(random_number, key=lambda i: (-scores[i], -random_number[i], i))
    return best_first[:m]


def pick_softmax(
    evidence: Evidence,
    scores: Sequence[float],
    m: int,
    draws: Draws,
    *,
    temperature: float,
) -> list[int]:
    """m without replacement, each in proportion to exp(score / temperature) (Gumbel-top-k, arXiv
    1903.06059).
    """
    # The smallest positive float stands for a draw of exactly 0, whose logarithm doesn't exist.
    gumbel_noise = {
        i: -log(-log(max(draws(evidence.seeds[i].id).random(), 5e-324)))
        for i in evidence.candidates
    }
    best_first = sorted(
        gumbel_noise, key=lambda i: (-scores[i] / temperature - gumbel_noise[i], i)
    )
    return best_first[:m]


def pick_balanced(
    evidence: Evidence, scores: Sequence[float], m: int, draws: Draws
) -> list[int]:
    """Half of the picks from the upper half of the scores, half from the lower, uniformly.

    Lion does so with hard and easy seeds (arXiv 2305.12870). Of an odd m one more is from the
    upper half.
    """
    best_first = pick_top(evidence, scores, len(evidence.candidates), draws)
    random_number = {
        i: draws(f"{evidence.seeds[i].id} half").random() for i in best_first
    }
    # The upper half must hold its share of m. Each half is rounded up.
    middle = max(-(-len(best_first) // 2), -(-m // 2))
    upper = sorted(best_first[:middle], key=lambda i: -random_number[i])
    lower = sorted(best_first[middle:], key=lambda i: -random_number[i])
    n_lower = min(m // 2, len(lower))
    return [*upper[: m - n_lower], *lower[:n_lower]]


def pick_stratified(
    evidence: Evidence, scores: Sequence[float], m: int, draws: Draws, *, by: str
) -> list[int]:
    """The top of each stratum, as many as its share of the candidates.

    A stratum is a value of the meta field `by`. What is left over goes to the largest remainders.
    Raises CriterionError for a seed without the field.
    """
    strata: dict[str, set[int]] = defaultdict(set)
    for i in evidence.candidates:
        seed = evidence.seeds[i]
        if by not in seed.meta:
            raise CriterionError(
                f"rule stratified: seed {seed.id} has no {by}",
                got=", ".join(seed.meta) or "no meta fields",
                fix="name a field that every seed has, such as a column of the data",
            )
        strata[str(seed.meta[by])].add(i)

    best_first = pick_top(evidence, scores, len(evidence.candidates), draws)
    # By name: of equal remainders the earlier stratum gets what is left over.
    sizes = {name: len(positions) for name, positions in sorted(strata.items())}
    picks: set[int] = set()
    for name, count in apportion(m, sizes).items():
        stratum_best_first = [i for i in best_first if i in strata[name]]
        picks.update(stratum_best_first[:count])
    return [i for i in best_first if i in picks]


def apportion(m: int, shares: Mapping[str, float]) -> dict[str, int]:
    """m in whole numbers, as near to the shares as possible (largest remainder method).

    Shares are relative to their sum. Of equal remainders the earlier one wins.
    """
    total = sum(shares.values())
    exact = {name: m * share / total for name, share in shares.items()}
    whole = {name: int(part) for name, part in exact.items()}
    by_remainder = sorted(exact, key=lambda name: whole[name] - exact[name])
    rounded_up = by_remainder[: m - sum(whole.values())]
    return {name: count + (name in rounded_up) for name, count in whole.items()}


RULES: Mapping[str, RegisteredRule] = {
    "top": RegisteredRule(pick_top),
    "balanced": RegisteredRule(pick_balanced),
    "softmax": RegisteredRule(pick_softmax, SoftmaxSettings),
    "stratified": RegisteredRule(pick_stratified, StratifiedSettings),
}
