"""Accuracy with its interval. Inside a run on dev only; test has a command of its own."""

from collections import Counter
from collections.abc import Sequence

from .stats import wilson
from .types import Attempt, Example, Grade, Item, Report, Task


def report(task: Task, split: str, examples: Sequence[Example], attempts: Sequence[Attempt]) -> Report:
    """Grade one attempt an example, in order. A truncated answer is "truncated" whatever it says up to there."""
    grades = [
        Grade("truncated", reason="cut off by student.max_new_tokens")
        if attempt.truncated
        else task.grade(example, attempt.text)
        for example, attempt in zip(examples, attempts, strict=True)
    ]
    right = sum(grade.outcome == "right" for grade in grades)
    low, high = wilson(right, len(grades))
    outcomes = Counter(grade.outcome for grade in grades)
    return Report(
        split=split,
        n=len(grades),
        right=right,
        accuracy=right / len(grades),
        low=low,
        high=high,
        answer_accuracy=sum(grade.answer_right for grade in grades) / len(grades),
        outcomes={outcome: outcomes[outcome] for outcome in ("right", "wrong", "unparsed", "truncated")},
        items=tuple(
            Item(example.id, grade.outcome, grade.answer_right, attempt.text, grade.reason)
            for example, attempt, grade in zip(examples, attempts, grades, strict=True)
        ),
    )
