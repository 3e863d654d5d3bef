"""What a report measures of a student, by example.

Its greedy answers, how likely it finds the gold ones, and sampled answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Protocol

from ..types import Attempt, Example, Task
from .attempt import AttemptRequest
from .sampling import Sampling


class SamplingPlan(NamedTuple):
    """How answers to an example are sampled."""

    n: int  # answers to each example
    temperature: float
    # draw(id, k): the random stream of an example's k-th answer.
    draw: Callable[[str, int], Random]


class MeasuredQuestion(NamedTuple):
    """One answer to get."""

    id: str
    message: str
    target: str | None = None  # the gold answer, whose likelihood is measured as well
    sample: int | None = None  # which sampled answer it is; None: the greedy one


@dataclass(frozen=True)
class MeasuredAnswer:
    attempt: Attempt
    # The mean nll of the question's target, in nats a token.
    gold_nll: float | None = None


class AnswerFunction(Protocol):
    """Returns an answer to each request, in their order; greedy without `sampling`."""

    def __call__(
        self, requests: Sequence[AttemptRequest], sampling: Sampling | None = None
    ) -> list[MeasuredAnswer]: ...


class StudentAnswers(NamedTuple):
    """What was measured, in the order of the examples."""

    attempts: tuple[Attempt, ...]  # the greedy answers
    gold_nll: tuple[float | None, ...]  # of the gold solutions; None without one
    sampled: tuple[tuple[Attempt, ...], ...] = ()


def list_questions(
    task: Task, examples: Sequence[Example], samples: SamplingPlan | None
) -> list[MeasuredQuestion]:
    """List the greedy questions, then the first sample of every example, and so on."""
    questions = [
        MeasuredQuestion(
            example.id, task.prompt(example.question), task.target(example)
        )
        for example in examples
    ]
    greedy = list(questions)
    for k in range(samples.n if samples else 0):
        questions += [
            MeasuredQuestion(question.id, question.message, sample=k)
            for question in greedy
        ]
    return questions


def measure_questions(
    answer: AnswerFunction,
    questions: Sequence[MeasuredQuestion],
    samples: SamplingPlan | None,
) -> list[MeasuredAnswer]:
    """Answer the questions, in their order. The greedy ones must come first."""
    greedy = [question for question in questions if question.sample is None]
    sampled = [question for question in questions if question.sample is not None]
    answers = []
    if greedy:
        answers += answer(
            [
                AttemptRequest(question.id, question.message, question.target)
                for question in greedy
            ]
        )
    if sampled and samples:
        streams = [
            samples.draw(question.id, question.sample or 0) for question in sampled
        ]
        answers += answer(
            [AttemptRequest(question.id, question.message) for question in sampled],
            Sampling(samples.temperature, streams),
        )
    return answers


def group_by_example(answers: Sequence[MeasuredAnswer], n: int) -> StudentAnswers:
    """Group the answers to `list_questions` of n examples by example."""
    attempts = [answer.attempt for answer in answers]
    sampled = []
    if len(answers) > n:
        # Every n-th answer belongs to the same example; the first of them is greedy.
        sampled = [tuple(attempts[k::n][1:]) for k in range(n)]
    return StudentAnswers(
        attempts=tuple(attempts[:n]),
        gold_nll=tuple(answer.gold_nll for answer in answers[:n]),
        sampled=tuple(sampled),
    )
