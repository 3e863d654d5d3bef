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
class RuleEntry:
    """A registered rule: its function gets every setting but the name as a keyword argument."""

    function: Callable[..., list[int]]
    settings: type[RuleSettings] = RuleSettings

    def bind(self, settings: RuleSettings) -> Rule:
        arguments: dict[str, Any] = settings.model_dump(exclude={"name"})
        return partial(self.function, **arguments) if arguments else self.function


def top(evidence: Evidence, scores: Sequence[float], m: int, draws: Draws) -> list[int]:
    """The m largest; among equals each seed draws a number of its own."""
    tie = {i: draws(evidence.seeds[i].id).random() for i in evidence.candidates}
    return sorted(tie, key=lambda i: (-scores[i], -tie[i], i))[:m]


def softmax(
    evidence: Evidence,
    scores: Sequence[float],
    m: int,
    draws: Draws,
    *,
    temperature: float,
) -> list[int]:
    """m without replacement, each with a chance of exp(score / temperature) (Gumbel-top-k, arXiv
    1903.06059).
    """
    noise = {
        i: -log(-log(max(draws(evidence.seeds[i].id).random(), 5e-324)))
        for i in evidence.candidates
    }
    return sorted(noise, key=lambda i: (-scores[i] / temperature - noise[i], i))[:m]


def balanced(
    evidence: Evidence, scores: Sequence[float], m: int, draws: Draws
) -> list[int]:
    """Half of the picks from the upper half of the scores, half from the lower, uniformly, as
    Lion does with hard and easy seeds (arXiv 2305.12870): of an odd m one more from the upper.
    """
    order = top(evidence, scores, len(evidence.candidates), draws)
    drawn = {i: draws(f"{evidence.seeds[i].id} half").random() for i in order}
    middle = max(-(-len(order) // 2), -(-m // 2))
    upper, lower = (
        [*sorted(half, key=lambda i: -drawn[i])]
        for half in (order[:middle], order[middle:])
    )
    few = min(m // 2, len(lower))
    return [*upper[: m - few], *lower[:few]]


def stratified(
    evidence: Evidence, scores: Sequence[float], m: int, draws: Draws, *, by: str
) -> list[int]:
    """The top of each stratum, one for each value of the meta field `by`: as many as its share of
    the candidates, what is left to the largest remainders. Raises CriterionError where a seed
    has no such field.
    """
    strata: dict[str, list[int]] = defaultdict(list)
    for i in evidence.candidates:
        if by not in evidence.seeds[i].meta:
            raise CriterionError(
                f"rule stratified: seed {evidence.seeds[i].id} has no {by}",
                got=", ".join(evidence.seeds[i].meta) or "no meta fields",
                fix="name a field that every seed has, such as a column of the data",
            )
        strata[str(evidence.seeds[i].meta[by])].append(i)
    order = top(evidence, scores, len(evidence.candidates), draws)
    counts = parts(m, {name: len(rows) for name, rows in sorted(strata.items())})
    kept = {
        i
        for name, rows in strata.items()
        for i in [j for j in order if j in set(rows)][: counts[name]]
    }
    return [i for i in order if i in kept]


def parts(m: int, shares: Mapping[str, float]) -> dict[str, int]:
    """m in whole numbers as near to the shares as can be: what is left goes to the largest
    remainders, the earlier one of equals. Shares are relative to their sum.
    """
    total = sum(shares.values())
    exact = {name: m * share / total for name, share in shares.items()}
    whole = {name: int(part) for name, part in exact.items()}
    order = sorted(exact, key=lambda name: whole[name] - exact[name])
    return {
        name: n + (name in order[: m - sum(whole.values())])
        for name, n in whole.items()
    }


RULES: Mapping[str, RuleEntry] = {
    "top": RuleEntry(top),
    "balanced": RuleEntry(balanced),
    "softmax": RuleEntry(softmax, SoftmaxSettings),
    "stratified": RuleEntry(stratified, StratifiedSettings),
}
