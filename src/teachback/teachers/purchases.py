"""What a run's steps say was bought, for the ledger to be checked against."""

from collections.abc import Iterator, Mapping

from ..ledger.audit import Purchase
from ..types import Draft, GatheredEvidence, Report
from .judge_gaps import REFEREE_ROLE, TEACHER_ANSWER_ROLE
from .judge_grades import GRADING_ROLE
from .judge_marks import MARKING_ROLE

# The steps that may tell of a purchase; the reports, where a judge grades.
BUYING_STEPS = ("generate", "gather")
GRADED_STEPS = ("baseline", "test-baseline", "evaluate", "test")
# Of an item that a judge was asked about. One that is right may have been right without it.
JUDGED_OUTCOMES = ("wrong", "unjudged")


def list_purchases(values: Mapping[str, object]) -> list[Purchase]:
    """values: what steps have returned, by the names of their files."""
    purchases: list[Purchase] = []
    for step, value in values.items():
        if isinstance(value, GatheredEvidence):
            purchases += list_evidence_purchases(step, value)
        elif isinstance(value, Report):
            purchases += list_grade_purchases(step, value)
        elif isinstance(value, tuple):
            purchases += list_draft_purchases(step, value)
    return purchases


def list_draft_purchases(step: str, drafts: tuple[Draft, ...]) -> Iterator[Purchase]:
    for draft in drafts:
        yield Purchase(step, "pair", draft.seed, draft.n, draft.calls)


def list_evidence_purchases(
    step: str, evidence: GatheredEvidence
) -> Iterator[Purchase]:
    """The marks and gaps that a criterion has asked for."""
    if evidence.marks:
        yield from (Purchase(step, MARKING_ROLE, seed) for seed in evidence.seeds)
    for seed, gap in zip(evidence.seeds, evidence.gaps, strict=False):
        yield Purchase(step, TEACHER_ANSWER_ROLE, seed)
        if gap:  # two equal answers have the gap 0, and no referee was asked
            yield Purchase(step, REFEREE_ROLE, seed)


def list_grade_purchases(step: str, report: Report) -> Iterator[Purchase]:
    """The grades of a report that a judge has graded, as far as it tells."""
    for item in report.items:
        if item.outcome in JUDGED_OUTCOMES:
            yield Purchase(step, GRADING_ROLE, item.id)
