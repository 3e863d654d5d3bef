"""Grading that needs more than the task: a user's function, an LLM judge."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..config import config as cfg
from ..graders import function
from ..ledger.ledger import Ledger
from ..types import Attempt, Example, Task
from .task import own_function
from .teacher import make_judging


def grading_sources(config: cfg.Config) -> dict[str, bytes]:
    """What else decides whether an answer is right: part of what a run is (R3)."""
    task, found = config.task, dict[str, bytes]()
    if isinstance(task, cfg.Jsonl | cfg.Hub) and task.function is not None:
        found["grader"] = function.make(task.function, Path.cwd())[1]
    if isinstance(task, cfg.OwnTask):
        found["task"] = own_function(task)[1]
    if judging := make_judging(config):
        found["judge"] = judging.template.encode()
    return found


def judged(
    config: cfg.Config,
    task: Task,
    ledger: Ledger,
    round: int,
    answers: Sequence[tuple[Example, Attempt]],
) -> Task:
    """The task as a judge grades these answers; as it is where no judge is asked.

    What is cut off, or right word for word, is not asked about. Raises BudgetClosed, ConfigError and TeacherDown.
    """
    judging = make_judging(config)
    if judging is None:
        return task
    from ..teachers.judging import judge_all

    open_ = [
        (e, a.text)
        for e, a in answers
        if not a.truncated and task.grade(e, a.text).outcome != "right"
    ]
    said = judge_all(open_, judging, round=round, ledger=ledger)
    return replace(
        task,
        grade=lambda example, text: (
            said.get((example.id, text)) or task.grade(example, text)
        ),
    )
