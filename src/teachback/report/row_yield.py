"""How many of the rows that a run asked for were accepted, and why the others were not."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..types import Rejection, Round

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
    "conflicting answers": "duplicates",
    "contaminated": "contamination",
}
MAX_NOTES = 6  # of curation


class YieldStage(NamedTuple):
    name: str
    n_left: int  # rows that passed it
    refused: Counter[str]  # by reason


def yield_lines(rounds: Sequence[Round], goal: int | None = None) -> list[str]:
    """The yield by stage, why there are fewer rows than wanted, and curation's notes.

    goal: how many rows are wanted; None: as many as seeds were selected.
    """
    rows = [row for finished in rounds for row in finished.fresh.rows]
    rejections = [
        rejection for finished in rounds for rejection in finished.fresh.rejected
    ]
    reasons = count_reasons(rejections)
    n_generated = len(rows) + len(rejections)

    line = f"{n_generated} rows generated, {len(rows)} accepted"
    n_unverified = sum(not row.verified for row in rows)
    if n_unverified:
        line += (
            f" ({n_unverified} of them unverified: "
            "nothing here can prove their answers)"
        )
    if goal is None:
        goal = sum(len(finished.chosen.picks) for finished in rounds)
    return [
        line,
        *yield_by_stage(n_generated, reasons),
        *shortfall_lines(goal, len(rows), reasons, n_generated),
        *curation_notes(rounds),
    ]


def yield_by_stage(n_generated: int, reasons: Counter[str]) -> list[str]:
    """How many rows passed each stage, and why the others did not.

    Empty if every row passed every stage.
    """
    if not reasons:
        return []
    lines = [f"  {'generated':16} {n_generated:6}"]
    for name, n_left, refused in count_stages(n_generated, reasons):
        suffix = f"  ({join_counts(refused)})" if refused else ""
        lines.append(f"  {name:16} {n_left:6}{suffix}")
    return lines


def count_stages(n_generated: int, reasons: Counter[str]) -> Iterator[YieldStage]:
    """reasons: how many rows were refused, by the category of the reason."""
    n_left = n_generated
    for stage, name in YIELD_STAGES:
        refused = Counter(
            {
                reason: n
                for reason, n in reasons.items()
                if STAGE_OF_REASON.get(reason, "parse") == stage
            }
        )
        n_left -= refused.total()
        yield YieldStage(name, n_left, refused)


def shortfall_lines(
    goal: int, n_accepted: int, reasons: Counter[str], n_generated: int
) -> list[str]:
    """Why fewer rows than `goal` were accepted; empty if there are enough."""
    if n_accepted >= goal:
        return []
    causes = [join_counts(reasons)] if reasons else []
    if goal > n_generated:
        causes.append(
            f"{goal - n_generated} not generated: the budget or the rounds ended before"
        )
    return [
        f"you asked for {goal} rows, you have {n_accepted}, "
        f"because: {', '.join(causes)}"
    ]


def count_reasons(rejections: Iterable[Rejection]) -> Counter[str]:
    """By category: "wrong: 3 is not 4" counts as "wrong"."""
    return Counter(rejection.reason.partition(":")[0] for rejection in rejections)


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
