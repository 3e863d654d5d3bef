"""From a criterion to picks, with the guards that keep a broken one from passing for a choice."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from ..errors import CriterionError
from ..metrics.statistics import spearman
from ..types import Attempt, Pick, Round, Selection
from .criterion import Choice, Criterion
from .evidence import Evidence
from .rules import Rule, top

LENGTH_RHO_WARNING = 0.8


def select(
    evidence: Evidence,
    m: int,
    *,
    name: str,
    criterion: Criterion,
    draw: Callable[[str, str, int], Random],
    rule: Rule = top,
) -> Selection:
    """The m best candidates, best first. draw(purpose, seed id, n) gives a generator.

    For selection, n counts the rounds that are past: with the number of a seed's own selections
    the losers of a round would keep their number, and so go on losing. Raises CriterionError (see
    `check`), when fewer than m can be selected, and for ids that are not distinct or not in
    order.
    """
    past, ids = evidence.past, [seed.id for seed in evidence.seeds]
    check_evidence(ids, evidence, m)
    if criterion.scores:
        scores = [float(score) for score in criterion.score(evidence)]
        check(name, criterion, evidence, scores)
        chosen = [
            Choice(i)
            for i in rule(evidence, scores, m, lambda key: draw("tie", key, len(past)))
        ]
    else:
        scores = []
        chosen = criterion.choose(
            evidence, m, lambda key: draw("select", key, len(past))
        )
    check_choice(name, chosen, evidence, m)
    before = Counter(pick.seed for r in past for pick in r.chosen.picks)
    picks = tuple(
        Pick(ids[i], before[ids[i]], rank, scores[i] if scores else None, by)
        for rank, (i, by) in enumerate(chosen)
    )
    if not scores:
        return Selection(picks, notes=tuple(cut_off(picks, evidence.attempts)))
    by_chance = (
        chance([i for i, _ in chosen], evidence.candidates, scores)
        if rule is top
        else 0.0
    )
    known = [i for i in range(len(ids)) if math.isfinite(scores[i])]
    rho = spearman(
        [evidence.attempts[i].n_tokens for i in known], [scores[i] for i in known]
    )
    return Selection(
        picks=picks,
        scores=tuple((ids[i], scores[i]) for i in known),
        by_chance=by_chance,
        length_rho=rho,
        notes=tuple(
            notes(
                name,
                picks,
                [scores[i] for i in known],
                evidence.attempts,
                past,
                rho,
                by_chance,
            )
        ),
    )


def check_evidence(ids: Sequence[str], evidence: Evidence, m: int) -> None:
    if twice := [id for id, n in Counter(ids).items() if n > 1]:
        raise CriterionError(
            "two seeds have the same id",
            got=", ".join(twice[:5]),
            allowed="each id once",
        )
    if list(ids) != sorted(ids):
        raise CriterionError(
            "the seeds are not sorted by id",
            fix="sort them: nothing may depend on the pool's order",
        )
    if m < 1 or m > len(evidence.candidates):
        raise CriterionError(
            f"can't select {m} seeds of {len(evidence.candidates)}",
            allowed=f"1 to {len(evidence.candidates)} a round: so many of the {len(ids)} seeds "
            "may be selected",
            fix="lower per_round, give more seeds, raise candidates, or set reuse_seeds: evenly",
        )


def check(
    name: str, criterion: Criterion, evidence: Evidence, scores: Sequence[float]
) -> None:
    """A candidate's missing, NaN or infinite score is an error that names the rows; so is a
    continuous score equal for all of them.
    """
    ids = [seed.id for seed in evidence.seeds]
    if len(scores) != len(ids):
        raise CriterionError(
            f"the criterion {name} gave {len(scores)} scores for {len(ids)} seeds"
        )
    bad = [
        f"{ids[i]}: {scores[i]}"
        for i in evidence.candidates
        if not math.isfinite(scores[i])
    ]
    if bad:
        raise CriterionError(
            f"the criterion {name} gave {len(bad)} scores that are no numbers",
            got=", ".join(bad[:10]),
            allowed="a finite number for every seed",
            fix="look at these seeds' attempts; no default ever stands in for a score",
        )
    given = [scores[i] for i in evidence.candidates]
    if criterion.kind == "score" and len(given) > 1 and len(set(given)) == 1:
        raise CriterionError(
            f"the criterion {name} gave all {len(given)} seeds the same score",
            got=given[0],
            allowed="scores that differ: this one is continuous, so equal scores mean a bug",
        )


def check_choice(
    name: str, chosen: Sequence[Choice], evidence: Evidence, m: int
) -> None:
    positions = [i for i, _ in chosen]
    if (
        len(positions) != m
        or len(set(positions)) != m
        or not set(positions) <= set(evidence.candidates)
    ):
        raise CriterionError(
            f"{name} chose {len(set(positions))} seeds, "
            f"{len(set(positions) - set(evidence.candidates))} of them not "
            f"candidates",
            allowed=f"{m} different positions among the candidates",
        )


def chance(
    chosen: Sequence[int], candidates: Sequence[int], scores: Sequence[float]
) -> float:
    """Share of the picks whose place was drawn among more seeds of that same score than there
    were places.
    """
    last = scores[chosen[-1]]
    drawn = sum(scores[i] == last for i in chosen)
    return (
        drawn / len(chosen)
        if drawn < sum(scores[i] == last for i in candidates)
        else 0.0
    )


def notes(
    name: str,
    picks: Sequence[Pick],
    scores: Sequence[float],
    attempts: Sequence[Attempt],
    past: Sequence[Round],
    rho: float | None,
    by_chance: float,
) -> list[str]:
    found = []
    if len(set(scores)) == 1 and len(scores) > 1:
        found.append("no signal this round: selected at random")
    elif by_chance:
        found.append(
            f"{by_chance:.0%} of the picks were decided by chance, among seeds of equal score"
        )
    if rho is not None and abs(rho) > LENGTH_RHO_WARNING:
        found.append(f"{name} follows the answers' length: rank correlation {rho:+.2f}")
    found += cut_off(picks, attempts)
    stuck = [pick.seed for pick in picks if unmoved(pick, past)]
    if stuck:
        found.append(
            "selected again and again while the score does not fall, perhaps unlearnable: "
            f"{', '.join(stuck[:5])}"
            + (f" and {len(stuck) - 5} more" if len(stuck) > 5 else "")
        )
    return found


def cut_off(picks: Sequence[Pick], attempts: Sequence[Attempt]) -> list[str]:
    truncated = {a.id for a in attempts if a.truncated}
    share = sum(pick.seed in truncated for pick in picks) / len(picks)
    text = (
        f"{share:.0%} of the picks are truncated attempts: raise student.max_new_tokens, "
        "or expect noise"
    )
    return [text] if share > 0.5 else []


def unmoved(pick: Pick, past: Sequence[Round]) -> bool:
    """Selected twice or more before, and its score is no lower than the first time."""
    before = [
        p.score
        for r in past
        for p in r.chosen.picks
        if p.seed == pick.seed and p.score is not None
    ]
    return len(before) >= 2 and pick.score is not None and pick.score >= before[0]
