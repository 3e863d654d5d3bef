"""From scores to picks, with the guards that keep a broken criterion from passing for a choice."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from ..errors import CriterionError
from ..stats import spearman
from ..types import Attempt, Example, Pick, Round, Selection
from . import Choosing, Criterion, Scored

LENGTH_RHO_WARNING = 0.8


def select(
    pool: Sequence[Example],
    attempts: Sequence[Attempt],
    past: Sequence[Round],
    m: int,
    *,
    name: str,
    criterion: Criterion,
    reuse_seeds: bool,
    draw: Callable[[str, str, int], Random],
) -> Selection:
    """The m best seeds, best first. draw(purpose, seed id, n) gives a generator.

    For selection, n counts the rounds that are past: with the number of a seed's own selections the losers of a round
    would keep their number, and so go on losing. Raises CriterionError (see `check`) and when fewer than m are left.
    """
    chosen_before = Counter(pick.seed for r in past for pick in r.chosen.picks)
    candidates = [i for i, example in enumerate(pool) if reuse_seeds or not chosen_before[example.id]]
    if m > len(candidates):
        raise CriterionError(
            f"can't select {m} seeds of {len(candidates)}",
            allowed=f"at most {len(candidates)} a round ({len(pool)} seeds, {len(pool) - len(candidates)} used up)",
            fix="lower per_round, give more seeds, or set reuse_seeds: true",
        )
    offered = [pool[i] for i in candidates]
    if isinstance(criterion, Choosing):
        chosen = criterion.choose(offered, m, lambda seed: draw("select", seed, len(past)))
        picks = tuple(Pick(offered[i].id, chosen_before[offered[i].id], rank, None) for rank, i in enumerate(chosen))
        return Selection(picks)
    scores = dict(zip((e.id for e in pool), criterion.score(pool, attempts), strict=True))
    check(name, criterion, scores)
    tie_break = {e.id: draw("tie", e.id, len(past)).random() for e in offered}
    ranked = sorted((e.id for e in offered), key=lambda id: (-scores[id], -tie_break[id], id))
    picks = tuple(Pick(id, chosen_before[id], rank, scores[id]) for rank, id in enumerate(ranked[:m]))
    rho = spearman([a.n_tokens for a in attempts], list(scores.values()))
    return Selection(
        picks=picks,
        scores=tuple(scores.items()),
        by_chance=chance(ranked, scores, m),
        length_rho=rho,
        notes=tuple(notes(name, picks, scores, attempts, past, rho, chance(ranked, scores, m))),
    )


def check(name: str, criterion: Scored, scores: dict[str, float]) -> None:
    """A missing, NaN or infinite score is an error that names the rows; so is a continuous score equal for all rows."""
    bad = [f"{id}: {score}" for id, score in scores.items() if not math.isfinite(score)]
    if bad:
        raise CriterionError(
            f"the criterion {name} gave {len(bad)} scores that are no numbers",
            got=", ".join(bad[:10]),
            allowed="a finite number for every seed",
            fix="look at these seeds' attempts; no default ever stands in for a score",
        )
    if criterion.kind == "score" and len(scores) > 1 and len(set(scores.values())) == 1:
        raise CriterionError(
            f"the criterion {name} gave all {len(scores)} seeds the same score",
            got=next(iter(scores.values())),
            allowed="scores that differ: this one is continuous, so equal scores mean a bug",
        )


def chance(ranked: Sequence[str], scores: dict[str, float], m: int) -> float:
    """Share of the picks whose place was drawn among more seeds of that same score than there were places."""
    if m >= len(ranked) or scores[ranked[m - 1]] != scores[ranked[m]]:
        return 0.0
    return sum(scores[id] == scores[ranked[m]] for id in ranked[:m]) / m


def notes(
    name: str,
    picks: Sequence[Pick],
    scores: dict[str, float],
    attempts: Sequence[Attempt],
    past: Sequence[Round],
    rho: float | None,
    by_chance: float,
) -> list[str]:
    found = []
    if len(set(scores.values())) == 1 and len(scores) > 1:
        found.append("no signal this round: selected at random")
    elif by_chance:
        found.append(f"{by_chance:.0%} of the picks were decided by chance, among seeds of equal score")
    if rho is not None and abs(rho) > LENGTH_RHO_WARNING:
        found.append(f"{name} follows the answers' length: rank correlation {rho:+.2f}")
    truncated = {a.id for a in attempts if a.truncated}
    share = sum(pick.seed in truncated for pick in picks) / len(picks)
    if share > 0.5:
        found.append(f"{share:.0%} of the picks are truncated attempts: raise student.max_new_tokens, or expect noise")
    stuck = [pick.seed for pick in picks if unmoved(pick, past)]
    if stuck:
        found.append(
            f"selected again and again while the score does not fall, perhaps unlearnable: {', '.join(stuck[:5])}"
            + (f" and {len(stuck) - 5} more" if len(stuck) > 5 else "")
        )
    return found


def unmoved(pick: Pick, past: Sequence[Round]) -> bool:
    """Selected twice or more before, and its score is no lower than the first time."""
    before = [p.score for r in past for p in r.chosen.picks if p.seed == pick.seed and p.score is not None]
    return len(before) >= 2 and pick.score is not None and pick.score >= before[0]
