"""From a run's folder to its diagnosis."""

from collections.abc import Collection, Sequence
from pathlib import Path

from ...run.history import RunHistory, read_history
from ...types import Outcome, ReportItem
from ..values import is_round_open
from .causes import CAUSES
from .diagnosis import Diagnosis
from .evidence import RunEvidence, read_evidence
from .loops import ends_in_loop
from .next_steps import SEE_FAILURES, more_rows
from .values import Cause, CauseKind, FailedAnswer, NextStep

MAX_CAUSES = 3
STRONG = 0.7
HINT = 0.3
# Until these are mended, what else failed says nothing.
COMES_FIRST: Collection[CauseKind] = (
    "solved already",
    "training diverged",
    "student collapsed",
)
N_FAILED = 2  # failed answers that are shown
# The outcome that a cause is about.
OUTCOME_OF_CAUSE: dict[CauseKind, Outcome] = {
    "answers cut off": "truncated",
    "wrong form": "unparsed",
    "right form, wrong content": "wrong",
}


def read_diagnosis(folder: Path, history: RunHistory | None = None) -> Diagnosis | None:
    """Why the run in a folder gained nothing. Reads its files only, and no model.

    None: it gained, no round is finished, or one is under way. history: of the folder, if it is
    known.
    """
    history = history or read_history(folder)
    if history.baseline is None or not history.rounds or is_round_open(history):
        return None
    return diagnose_run(read_evidence(folder, history.baseline, history.rounds))


def diagnose_run(evidence: RunEvidence) -> Diagnosis | None:
    """None for a run whose student has gained, beyond noise: the 95 % interval of the change of
    dev accuracy lies above 0.
    """
    if not evidence.pairs or evidence.change.low > 0:
        return None
    causes = find_causes(evidence)
    return Diagnosis(
        evidence.change,
        len(evidence.pairs),
        causes,
        choose_failed(evidence, causes),
        merge_next_steps(evidence, causes),
    )


def find_causes(evidence: RunEvidence) -> tuple[Cause, ...]:
    """The strongest first. A hint is named only where there is nothing better."""
    causes = [cause for find in CAUSES if (cause := find(evidence)) is not None]
    causes.sort(key=lambda cause: -cause.strength)
    if causes and causes[0].strength >= STRONG:
        causes = [cause for cause in causes if cause.strength > HINT]
    return tuple(causes[:MAX_CAUSES])


def merge_next_steps(
    evidence: RunEvidence, causes: Sequence[Cause]
) -> tuple[NextStep, ...]:
    """Of all causes, the strongest first. Of two values for a key, the first."""
    if not causes:
        return (SEE_FAILURES, *more_rows(evidence, 2))
    if causes[0].kind in COMES_FIRST:
        causes = causes[:1]
    steps: dict[str, NextStep] = {}
    for cause in causes:
        for step in cause.next_steps:
            steps.setdefault(step.key or step.reason, step)
    return tuple(steps.values())


def choose_failed(
    evidence: RunEvidence, causes: Sequence[Cause]
) -> tuple[FailedAnswer, ...]:
    """Those that show the strongest cause come first, then dev's order."""
    kind = causes[0].kind if causes else None

    def is_unlike_cause(pair: tuple[ReportItem, ReportItem]) -> bool:
        before, after = pair
        if kind == "training diverged":
            return not ends_in_loop(after.text)
        if kind == "a later round undid it":
            return before.outcome != "right"
        wanted = OUTCOME_OF_CAUSE.get(kind) if kind else None
        return wanted is not None and after.outcome != wanted

    chosen = sorted(evidence.failed, key=is_unlike_cause)[:N_FAILED]
    return tuple(
        FailedAnswer(
            after.id,
            before.question,
            before.gold,
            before.text,
            after.text,
            after.reason,
        )
        for before, after in chosen
    )
