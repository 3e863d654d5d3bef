"""Grades a student's answers and sums them up as a Report.

Inside a run this reads dev only. Test is read by commands of their own.
"""

import re
from collections import Counter
from collections.abc import Sequence
from math import comb
from statistics import fmean
from typing import get_args

from ..types import (
    Attempt,
    Example,
    Grade,
    GroupAccuracy,
    Outcome,
    Report,
    ReportItem,
    Task,
)
from .statistics import wilson_interval

NUMERIC_VALUE = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def make_report(
    task: Task,
    split: str,
    examples: Sequence[Example],
    attempts: Sequence[Attempt],
    gold_nll: Sequence[float | None] | None = None,
    sampled: Sequence[Sequence[Attempt]] = (),
    *,
    with_questions: bool = False,
) -> Report:
    """Grade one attempt per example, in order.

    gold_nll: of each example's gold solution; None for an example without one.
    sampled: further answers to each example, equally many for every example.
    with_questions: the items hold the questions and their gold answers.
    """
    n = len(examples)
    grades = grade_attempts(task, examples, attempts)

    nll_N: Sequence[float | None] = [None] * n if gold_nll is None else gold_nll
    known_nll = [nll for nll in nll_N if nll is not None]

    n_samples = len(sampled[0]) if sampled else 0
    counts = count_right_samples(task, examples, sampled) if sampled else []
    right_samples_N: Sequence[int | None] = counts or [None] * n

    items = []
    for example, attempt, grade, nll, right_samples in zip(
        examples, attempts, grades, nll_N, right_samples_N, strict=True
    ):
        item = ReportItem(
            id=example.id,
            outcome=grade.outcome,
            answer_right=grade.answer_right,
            text=attempt.text,
            reason=grade.reason,
            gold_nll=nll,
            samples_right=right_samples,
            question=example.question if with_questions else None,
            gold=find_gold(task, example) if with_questions else None,
        )
        items.append(item)

    total = accuracy_share(grades)
    return Report(
        split=split,
        n=total.n,
        right=total.right,
        accuracy=total.right / total.n,
        low=total.low,
        high=total.high,
        answer_accuracy=sum(grade.answer_right for grade in grades) / n,
        outcomes=count_outcomes(grades),
        items=tuple(items),
        by=accuracy_by_field(task.by, examples, grades),
        gold_nll=fmean(known_nll) if known_nll else None,
        samples=n_samples,
        pass_at=pass_at_k(counts, n_samples),
    )


def grade_attempts(
    task: Task, examples: Sequence[Example], attempts: Sequence[Attempt]
) -> list[Grade]:
    return [
        grade_attempt(task, example, attempt)
        for example, attempt in zip(examples, attempts, strict=True)
    ]


def grade_attempt(task: Task, example: Example, attempt: Attempt) -> Grade:
    """Grade one answer. A truncated one counts as such, whatever its text says so far."""
    if attempt.truncated:
        return Grade("truncated", reason="cut off by student.max_new_tokens")
    return task.grade(example, attempt.text)


def find_gold(task: Task, example: Example) -> str | None:
    return task.target(example) if example.answer is None else example.answer


def count_right_samples(
    task: Task, examples: Sequence[Example], sampled: Sequence[Sequence[Attempt]]
) -> list[int]:
    """How many of each example's sampled answers are right."""
    counts = []
    for example, answers in zip(examples, sampled, strict=True):
        grades = [grade_attempt(task, example, answer) for answer in answers]
        counts.append(sum(grade.outcome == "right" for grade in grades))
    return counts


def accuracy_share(grades: Sequence[Grade]) -> GroupAccuracy:
    n = len(grades)
    right = sum(grade.outcome == "right" for grade in grades)
    low, high = wilson_interval(right, n)
    return GroupAccuracy(n, right, low, high)


def count_outcomes(grades: Sequence[Grade]) -> dict[str, int]:
    """Count every outcome, also those that did not occur."""
    counts = Counter(grade.outcome for grade in grades)
    return {outcome: counts[outcome] for outcome in get_args(Outcome)}


def accuracy_by_field(
    fields: Sequence[str], examples: Sequence[Example], grades: Sequence[Grade]
) -> dict[str, dict[str, GroupAccuracy]]:
    """Map each meta field to its values' shares, numbers in numeric order.

    Examples without the field are left out, and so is a field that no example has.
    """
    tables = {}
    for field in fields:
        groups: dict[str, list[Grade]] = {}
        for example, grade in zip(examples, grades, strict=True):
            value = example.meta.get(field)
            if value is not None:
                groups.setdefault(str(value), []).append(grade)
        if groups:
            values = sorted(groups, key=value_order)
            tables[field] = {value: accuracy_share(groups[value]) for value in values}
    return tables


def value_order(value: str) -> tuple[bool, float, str]:
    """A sort key that puts numbers first, 9 before 10."""
    is_number = NUMERIC_VALUE.fullmatch(value) is not None
    return not is_number, float(value) if is_number else 0.0, value


def pass_at_k(right_samples: Sequence[int], n: int) -> dict[str, float]:
    """Map k = 1, 2, 4, … up to n to the chance that one of k answers is right.

    right_samples: how many of each example's n answers are right. This is the unbiased estimate of
    Chen et al. (2107.03374): 1 − C(n−c, k) / C(n, k), if c of n answers are right.
    """
    estimates = {}
    for power in range(n.bit_length()):
        k = 2**power
        chances = [1 - comb(n - c, k) / comb(n, k) for c in right_samples]
        estimates[str(k)] = fmean(chances)
    return estimates
