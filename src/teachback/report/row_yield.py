"""How many of the rows that a run asked for it got, and what became of the others."""

from collections import Counter
from collections.abc import Sequence

from ..types import Round

YIELD_STAGES = (
    ("parse", "parsed"),
    ("verify", "verified"),
    ("duplicates", "no duplicate"),
    ("contamination", "not contaminated"),
)
# The stage that refused a row, by the category of its reason. A reason that is not
# listed, such as one that a teacher gives, means that the row could not be parsed.
STAGE_OF_REASON = {
    "wrong": "verify",
    "disagreement": "verify",
    "timed_out": "verify",
    "unjudged": "verify",
    "duplicate": "duplicates",
    "near duplicate": "duplicates",
    "contaminated": "contamination",
}
MAX_NOTES = 6


def yield_lines(rounds: Sequence[Round], goal: int | None = None) -> list[str]:
    """The yield by stage, why there are fewer rows than wanted, and curation's notes.

    goal: how many rows are wanted; None: as many as seeds were selected.
    """
    accepted = [row for r in rounds for row in r.fresh.rows]
    rejected = [x for r in rounds for x in r.fresh.rejected]
    reasons = Counter(x.reason.partition(":")[0] for x in rejected)
    generated = len(accepted) + len(rejected)

    line = f"{generated} rows generated, {len(accepted)} accepted"
    unverified = sum(not row.verified for row in accepted)
    if unverified:
        line += (
            f" ({unverified} of them unverified: nothing here can prove their answers)"
        )
    if goal is None:
        goal = sum(len(r.chosen.picks) for r in rounds)
    return [
        line,
        *yield_by_stage(generated, reasons),
        *shortfall_lines(goal, len(accepted), reasons, generated),
        *curation_notes(rounds),
    ]


def yield_by_stage(generated: int, reasons: Counter[str]) -> list[str]:
    """How many rows passed each stage, and why the others did not.

    Empty if every row passed every stage.
    """
    if not reasons:
        return []
    left = generated
    lines = [f"  {'generated':16} {generated:6}"]
    for stage, name in YIELD_STAGES:
        refused = Counter(
            {
                reason: n
                for reason, n in reasons.items()
                if STAGE_OF_REASON.get(reason, "parse") == stage
            }
        )
        left -= refused.total()
        why = f"  ({join_counts(refused)})" if refused else ""
        lines.append(f"  {name:16} {left:6}{why}")
    return lines


def shortfall_lines(
    goal: int, accepted: int, reasons: Counter[str], generated: int
) -> list[str]:
    """Why fewer rows than `goal` were accepted; empty if there are enough."""
    if accepted >= goal:
        return []
    parts = [join_counts(reasons)] if reasons else []
    if goal > generated:
        parts.append(
            f"{goal - generated} not generated: the budget or the rounds ended before"
        )
    why = ", ".join(parts)
    return [f"you asked for {goal} rows, you have {accepted}, because: {why}"]


def curation_notes(rounds: Sequence[Round]) -> list[str]:
    """The first notes that curating left, and how many more there are."""
    lines = [
        f"round {r}: {note}"
        for r, finished in enumerate(rounds)
        for note in finished.fresh.notes
    ]
    hidden = len(lines) - MAX_NOTES
    if hidden <= 0:
        return lines
    return [*lines[:MAX_NOTES], f"{hidden} more notes in the rounds' curate.json"]


def join_counts(reasons: Counter[str]) -> str:
    """ "2 wrong, 1 duplicate", the most common first."""
    return ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
