"""From a criterion to picks, with guards against a criterion that is broken.

A broken score still sorts, so without the guards its picks would look like a choice.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from ..errors import CriterionError
from ..metrics.statistics import spearman
from ..types import Attempt, Pick, Round, Selection
from .criterion import Choice, Criterion
from .evidence import Evidence
from .rules import Rule, pick_top

# From this rank correlation on, a note says that the score follows the answers' length.
LENGTH_RHO_WARNING = 0.8
# So often a seed must have been selected before for a note to call it stuck.
MIN_STUCK_SELECTIONS = 2
MAX_LISTED_SEEDS = 5


def select_seeds(
    evidence: Evidence,
    m: int,
    *,
    name: str,
    criterion: Criterion,
    draw: Callable[[str, str, int], Random],
    rule: Rule = pick_top,
) -> Selection:
    """The m best candidates, best first. draw(purpose, seed id, n) gives a generator.

    Raises CriterionError: see check_evidence, check_scores and check_choices.
    """
    check_evidence(evidence, m)
    # Draws are numbered by round. Numbered by a seed's own selections, the losers of a round would
    # draw the same number again, and so lose again.
    round_number = len(evidence.past)
    scores: list[float] = []
    if criterion.gives_scores:
        scores = [float(score) for score in criterion.score(evidence)]
        check_scores(name, criterion, evidence, scores)
        positions = rule(
            evidence, scores, m, lambda key: draw("tie", key, round_number)
        )
        choices = [Choice(position) for position in positions]
    else:
        choices = criterion.choose(
            evidence, m, lambda key: draw("select", key, round_number)
        )
    check_choices(name, choices, evidence, m)

    picks = make_picks(choices, evidence, scores)
    if not scores:
        notes = truncation_notes(picks, evidence.attempts)
        return Selection(picks, notes=tuple(notes))
    # Only when the top wins, a tie is decided by chance. Other rules draw on purpose.
    by_chance = share_by_chance(choices, evidence, scores) if rule is pick_top else 0.0
    return describe_selection(name, picks, evidence, scores, by_chance)


def make_picks(
    choices: Sequence[Choice], evidence: Evidence, scores: Sequence[float]
) -> tuple[Pick, ...]:
    times_selected = Counter(
        pick.seed for past_round in evidence.past for pick in past_round.chosen.picks
    )
    picks = []
    for rank, (position, member) in enumerate(choices):
        id = evidence.seeds[position].id
        score = scores[position] if scores else None
        picks.append(Pick(id, times_selected[id], rank, score, member))
    return tuple(picks)


def describe_selection(
    name: str,
    picks: tuple[Pick, ...],
    evidence: Evidence,
    scores: Sequence[float],
    by_chance: float,
) -> Selection:
    """The picks of a score, with all that is said about them."""
    # A seed that is no candidate may have a NaN or an infinity.
    finite = [i for i, score in enumerate(scores) if math.isfinite(score)]
    finite_scores = [scores[i] for i in finite]
    lengths = [evidence.attempts[i].n_tokens for i in finite]
    length_rho = spearman(lengths, finite_scores)
    notes = selection_notes(name, picks, evidence, finite_scores, length_rho, by_chance)
    return Selection(
        picks=picks,
        scores=tuple((evidence.seeds[i].id, scores[i]) for i in finite),
        by_chance=by_chance,
        length_rho=length_rho,
        notes=tuple(notes),
    )


def check_evidence(evidence: Evidence, m: int) -> None:
    """Raises CriterionError for ids that are not distinct and sorted, or too few candidates."""
    ids = [seed.id for seed in evidence.seeds]
    repeated_ids = [id for id, count in Counter(ids).items() if count > 1]
    if repeated_ids:
        raise CriterionError(
            "two seeds have the same id",
            got=", ".join(repeated_ids[:5]),
            allowed="each id once",
        )
    if ids != sorted(ids):
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


def check_scores(
    name: str, criterion: Criterion, evidence: Evidence, scores: Sequence[float]
) -> None:
    """Raises CriterionError for a candidate's missing, NaN or infinite score, and names the seeds.

    Also for a continuous score that is equal for all candidates.
    """
    ids = [seed.id for seed in evidence.seeds]
    if len(scores) != len(ids):
        raise CriterionError(
            f"the criterion {name} gave {len(scores)} scores for {len(ids)} seeds"
        )
    bad_scores = [
        f"{ids[i]}: {scores[i]}"
        for i in evidence.candidates
        if not math.isfinite(scores[i])
    ]
    if bad_scores:
        raise CriterionError(
            f"the criterion {name} gave {len(bad_scores)} scores that are no numbers",
            got=", ".join(bad_scores[:10]),
            allowed="a finite number for every seed",
            fix="look at these seeds' attempts; no default ever stands in for a score",
        )
    candidate_scores = [scores[i] for i in evidence.candidates]
    all_equal = len(candidate_scores) > 1 and len(set(candidate_scores)) == 1
    if criterion.kind == "score" and all_equal:
        raise CriterionError(
            f"the criterion {name} gave all {len(candidate_scores)} seeds the same score",
            got=candidate_scores[0],
            allowed="scores that differ: this one is continuous, so equal scores mean a bug",
        )


def check_choices(
    name: str, choices: Sequence[Choice], evidence: Evidence, m: int
) -> None:
    """Raises CriterionError unless the choices are m different candidates."""
    distinct = {choice.position for choice in choices}
    not_candidates = distinct - set(evidence.candidates)
    if len(choices) != m or len(distinct) != m or not_candidates:
        raise CriterionError(
            f"{name} chose {len(distinct)} seeds, "
            f"{len(not_candidates)} of them not candidates",
            allowed=f"{m} different positions among the candidates",
        )


def share_by_chance(
    choices: Sequence[Choice], evidence: Evidence, scores: Sequence[float]
) -> float:
    """The share of the picks that a tie decided: those with the lowest picked score, if not all
    candidates of that score were picked.
    """
    lowest = scores[choices[-1].position]
    n_picked = sum(scores[choice.position] == lowest for choice in choices)
    n_tied = sum(scores[i] == lowest for i in evidence.candidates)
    return n_picked / len(choices) if n_picked < n_tied else 0.0


def selection_notes(
    name: str,
    picks: Sequence[Pick],
    evidence: Evidence,
    scores: Sequence[float],
    length_rho: float | None,
    by_chance: float,
) -> list[str]:
    """Notes for the reader. scores: the finite ones."""
    notes = []
    if len(set(scores)) == 1 and len(scores) > 1:
        notes.append("no signal this round: selected at random")
    elif by_chance:
        notes.append(
            f"{by_chance:.0%} of the picks were decided by chance, among seeds of equal score"
        )
    if length_rho is not None and abs(length_rho) > LENGTH_RHO_WARNING:
        notes.append(
            f"{name} follows the answers' length: rank correlation {length_rho:+.2f}"
        )
    notes += truncation_notes(picks, evidence.attempts)
    stuck_ids = [pick.seed for pick in picks if is_stuck(pick, evidence.past)]
    if stuck_ids:
        n_more = len(stuck_ids) - MAX_LISTED_SEEDS
        and_more = f" and {n_more} more" if n_more > 0 else ""
        notes.append(
            "selected again and again while the score does not fall, perhaps unlearnable: "
            f"{', '.join(stuck_ids[:MAX_LISTED_SEEDS])}{and_more}"
        )
    return notes


def truncation_notes(picks: Sequence[Pick], attempts: Sequence[Attempt]) -> list[str]:
    """A note if most of the picked seeds' attempts are truncated."""
    truncated_ids = {attempt.id for attempt in attempts if attempt.truncated}
    share = sum(pick.seed in truncated_ids for pick in picks) / len(picks)
    if share <= 0.5:
        return []
    return [
        f"{share:.0%} of the picks are truncated attempts: raise student.max_new_tokens, "
        "or expect noise"
    ]


def is_stuck(pick: Pick, past: Sequence[Round]) -> bool:
    """Whether the seed was selected twice or more before, and scores no lower than at first."""
    past_picks = [p for past_round in past for p in past_round.chosen.picks]
    past_scores = [
        past_pick.score
        for past_pick in past_picks
        if past_pick.seed == pick.seed and past_pick.score is not None
    ]
    if len(past_scores) < MIN_STUCK_SELECTIONS or pick.score is None:
        return False
    return pick.score >= past_scores[0]
