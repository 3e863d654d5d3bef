"""`mixture`: shares of several criteria, a share of `random` among them as a rule."""

from collections.abc import Mapping
from dataclasses import replace

from .criterion import Choice, Criterion, Draws
from .evidence import Evidence
from .rules import parts, top


def mixture(
    evidence: Evidence,
    m: int,
    draws: Draws,
    *,
    members: Mapping[str, Criterion],
    shares: Mapping[str, float],
) -> list[Choice]:
    """Each member picks its share of m, in their order, among what those before it left. Shares need not add up to 1:
    they are taken relative to their sum."""
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
