"""Accuracy with its interval, and what it is made of. Inside a run on dev only; test has a command of its own."""

import re
from collections import Counter
from collections.abc import Sequence
from math import comb
from statistics import fmean
from typing import get_args

from ..types import Attempt, Example, Grade, Item, Outcome, Report, Share, Task
from .statistics import wilson

NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def report(
    task: Task,
    split: str,
    examples: Sequence[Example],
    attempts: Sequence[Attempt],
    gold_nll: Sequence[float | None] | None = None,
    sampled: Sequence[Sequence[Attempt]] = (),
) -> Report:
    """Grade one attempt an example, in order. A truncated answer is "truncated" whatever it says up to there.

    gold_nll: of each example's gold solution, None where it has none. sampled: as many answers to every example.
    """
    grades = [graded(task, *pair) for pair in zip(examples, attempts, strict=True)]
    scores: Sequence[float | None] = (
        [None] * len(grades) if gold_nll is None else gold_nll
    )
    right_of = [  # of each example's samples
        sum(graded(task, example, answer).outcome == "right" for answer in answers)
        for example, answers in (zip(examples, sampled, strict=True) if sampled else ())
    ]
    right_samples: Sequence[int | None] = right_of or [None] * len(grades)
    found = [nll for nll in scores if nll is not None]
    whole, samples = share(grades), len(sampled[0]) if sampled else 0
    return Report(
        split=split,
        n=whole.n,
        right=whole.right,
        accuracy=whole.right / whole.n,
        low=whole.low,
        high=whole.high,
        answer_accuracy=sum(grade.answer_right for grade in grades) / len(grades),
        outcomes=outcomes(grades),
        items=tuple(
            Item(
                example.id,
                grade.outcome,
                grade.answer_right,
                attempt.text,
                grade.reason,
                nll,
                right,
            )
            for example, attempt, grade, nll, right in zip(
                examples, attempts, grades, scores, right_samples, strict=True
            )
        ),
        by=breakdown(task.by, examples, grades),
        gold_nll=fmean(found) if found else None,
        samples=samples,
        pass_at=pass_at(right_of, samples),
    )


def graded(task: Task, example: Example, attempt: Attempt) -> Grade:
    if attempt.truncated:
        return Grade("truncated", reason="cut off by student.max_new_tokens")
    return task.grade(example, attempt.text)


def share(grades: Sequence[Grade]) -> Share:
    right = sum(grade.outcome == "right" for grade in grades)
    return Share(len(grades), right, *wilson(right, len(grades)))


def outcomes(grades: Sequence[Grade]) -> dict[str, int]:
    """How many of each, those that did not occur among them."""
    counted = Counter(grade.outcome for grade in grades)
    return {outcome: counted[outcome] for outcome in get_args(Outcome)}


def breakdown(
    fields: Sequence[str], examples: Sequence[Example], grades: Sequence[Grade]
) -> dict[str, dict[str, Share]]:
    """Field → value → share, numbers in their order; examples without the field are left out, so is one nobody has."""
    out = {}
    for field in fields:
        groups: dict[str, list[Grade]] = {}
        for example, grade in zip(examples, grades, strict=True):
            if (value := example.meta.get(field)) is not None:
                groups.setdefault(str(value), []).append(grade)
        if groups:
            out[field] = {
                value: share(groups[value]) for value in sorted(groups, key=rank)
            }
    return out


def rank(value: str) -> tuple[bool, float, str]:
    """Numbers first, 9 before 10."""
    number = NUMBER.fullmatch(value)
    return number is None, float(value) if number else 0.0, value


def pass_at(right_of: Sequence[int], samples: int) -> dict[str, float]:
    """k → the chance that one of k answers is right, for k = 1, 2, 4, … of `samples` answers to each example.

    The unbiased estimate of Chen et al. (2107.03374): 1 − C(n−c, k) / C(n, k) of n answers of which c are right.
    """
    powers = (2**i for i in range(samples.bit_length()))
    return {
        str(k): fmean(1 - comb(samples - c, k) / comb(samples, k) for c in right_of)
        for k in powers
    }
