"""A diagnosis: plain values for `--json`, the API and a report, and lines for a person."""

from dataclasses import dataclass

from ...errors import escape_controls
from ...metrics.statistics import PairedChange
from .values import Cause, FailedAnswer, NextStep
from .words import failed_answer_lines, headline, next_step_lines


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """Why a run gained nothing. `print` shows it as the command line does."""

    # Of dev accuracy, from the untuned student to the run's.
    change: PairedChange
    n_questions: int
    # The strongest first, at most three. Empty: the files don't tell.
    causes: tuple[Cause, ...]
    failed: tuple[FailedAnswer, ...]
    next_steps: tuple[NextStep, ...]

    def __repr__(self) -> str:
        kinds = ", ".join(cause.kind for cause in self.causes)
        return f"<Diagnosis: no gain; {kinds or 'the files do not tell why'}>"

    def __str__(self) -> str:
        return "\n".join(diagnosis_lines(self))


def diagnosis_lines(diagnosis: Diagnosis) -> list[str]:
    lines = [headline(diagnosis.change, diagnosis.n_questions)]
    if not diagnosis.causes:
        lines.append("the run's files don't tell which link failed")
    for number, cause in enumerate(diagnosis.causes, start=1):
        lines.append(f"  {number}. {cause.kind}: {cause.finding}")
    for failed in diagnosis.failed:
        lines += ["", *failed_answer_lines(failed)]
    if diagnosis.next_steps:
        lines += ["", "what to try next:", *next_step_lines(diagnosis.next_steps)]
    return [escape_controls(line) for line in lines]
