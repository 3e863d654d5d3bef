"""All that a report asks of a student: its greedy answers, how likely it finds the gold ones, and
sampled answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from ..types import Attempt, Example, Task
from .attempt import AttemptRequest
from .sampling import Sampling


class SamplingPlan(NamedTuple):
    """n sampled answers to each example; draw(id, k) is the stream of its k-th."""

    n: int
    temperature: float
    draw: Callable[[str, int], Random]


class MeasuredQuestion(NamedTuple):
    """One answer to get. target: the gold answer to score beside it. sample: which one it is;
    None: the greedy one.
    """

    id: str
    message: str
    target: str | None = None
    sample: int | None = None


@dataclass(frozen=True)
class MeasuredAnswer:
    """The answer to a question, and the mean nll of its target in nats a token."""

    attempt: Attempt
    gold_nll: float | None = None


class StudentAnswers(NamedTuple):
    """By example, in their order: the greedy answer, the gold solution's nll (None without one),
    sampled answers.
    """

    attempts: tuple[Attempt, ...]
    gold_nll: tuple[float | None, ...]
    sampled: tuple[tuple[Attempt, ...], ...] = ()


def list_questions(
    task: Task, examples: Sequence[Example], samples: SamplingPlan | None
) -> list[MeasuredQuestion]:
    """The greedy ones first; then the first sample of every example, the second, and so on."""
    greedy = [
        MeasuredQuestion(e.id, task.prompt(e.question), task.target(e))
        for e in examples
    ]
    return [
        *greedy,
        *(
            MeasuredQuestion(q.id, q.message, sample=k)
            for k in range(samples.n if samples else 0)
            for q in greedy
        ),
    ]


def measure_questions(
    answer: Callable[..., list[MeasuredAnswer]],
    asked: Sequence[MeasuredQuestion],
    samples: SamplingPlan | None,
) -> list[MeasuredAnswer]:
    """Some of the questions, in their order: the greedy ones come first. answer(asked,
    sampling=None) measures them.
    """
    greedy = [
        AttemptRequest(q.id, q.message, q.target) for q in asked if q.sample is None
    ]
    drawn = [q for q in asked if q.sample is not None]
    found = answer(greedy) if greedy else []
    if drawn and samples:
        streams = Sampling(
            samples.temperature, [samples.draw(q.id, q.sample or 0) for q in drawn]
        )
        found = [
            *found,
            *answer([AttemptRequest(q.id, q.message) for q in drawn], streams),
        ]
    return found


def group_by_example(done: Sequence[MeasuredAnswer], n: int) -> StudentAnswers:
    """What `questions` of n examples came to."""
    attempts = [m.attempt for m in done]
    sampled = (
        tuple(tuple(attempts[k::n][1:]) for k in range(n)) if len(done) > n else ()
    )
    return StudentAnswers(
        tuple(attempts[:n]), tuple(m.gold_nll for m in done[:n]), sampled
    )
