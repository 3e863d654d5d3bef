"""Grading that needs more than the task: a user's function, an LLM judge."""

from collections.abc import Sequence
from dataclasses import replace

from ..config.config import Config
from ..ledger.ledger import Ledger
from ..types import Attempt, Example, Task
from .judges import make_grading_judge
from .task import task_sources


def grading_sources(config: Config) -> dict[str, bytes]:
    """What else decides whether an answer is right: part of the run's identity (R3)."""
    sources = task_sources(config.task)
    judging = make_grading_judge(config)
    if judging:
        sources["judge"] = judging.template.encode()
    return sources


def judged(
    config: Config,
    task: Task,
    ledger: Ledger,
    round: int,
    answers: Sequence[tuple[Example, Attempt]],
) -> Task:
    """The task with the judge's grades of these answers; unchanged without a judge.

    Answers that are cut off, or right word for word, cost no call.
    Raises BudgetClosed, ConfigError and TeacherDown.
    """
    judging = make_grading_judge(config)
    if judging is None:
        return task
    from ..teachers.judging import judge_all

    unclear = [
        (e, a.text)
        for e, a in answers
        if not a.truncated and task.grade(e, a.text).outcome != "right"
    ]
    verdicts = judge_all(unclear, judging, round=round, ledger=ledger)
    return replace(
        task,
        grade=lambda example, text: (
            verdicts.get((example.id, text)) or task.grade(example, text)
        ),
    )
