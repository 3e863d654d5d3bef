"""What a report measures of a student, however its questions are sharded."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from teachback.build.task import make_task
from teachback.student.attempt import AttemptRequest, answer_questions
from teachback.student.chat import Chat
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.measure import (
    MeasuredAnswer,
    SamplingPlan,
    group_by_example,
    list_questions,
    measure_questions,
)
from teachback.student.sampling import Sampling
from teachback.student.scoring import score_answers
from teachback.testing import fake_config

CHAT = Chat(system="Be brief.")


def make_answer_function(
    student: InferenceModel,
) -> Callable[..., list[MeasuredAnswer]]:
    def answer(
        requests: Sequence[AttemptRequest], sampling: Sampling | None = None
    ) -> list[MeasuredAnswer]:
        batch = answer_questions(student, CHAT, requests, 6, sampling)
        return [
            MeasuredAnswer(*pair)
            for pair in zip(batch.attempts, batch.target_nll, strict=True)
        ]

    return answer


def test_a_report_s_questions_come_back_by_example_however_they_are_sharded(
    tiny: Path,
) -> None:
    """Greedy answers with the nll of their targets, then two samples each; shards of 4 mix the
    two kinds.
    """
    student = load_for_inference(tiny)
    task = make_task(fake_config().task)
    answer = make_answer_function(student)
    samples = SamplingPlan(2, 1.0, lambda id, k: Random(f"{id} {k}"))
    questions = list_questions(task, task.dev, samples)
    assert len(questions) == 30
    shards = [
        measure_questions(answer, questions[i : i + 4], samples)
        for i in range(0, 30, 4)
    ]
    measured = group_by_example([m for shard in shards for m in shard], 10)
    requests = [AttemptRequest(e.id, task.prompt(e.question)) for e in task.dev]
    greedy_texts = [greedy.attempt.text for greedy in answer(requests)]
    assert [attempt.text for attempt in measured.attempts] == greedy_texts
    targets = [(task.prompt(e.question), str(task.target(e))) for e in task.dev]
    assert measured.gold_nll == pytest.approx(
        score_answers(student, CHAT, targets), abs=1e-5
    )
    for example, attempts in zip(task.dev, measured.sampled, strict=True):
        assert [attempt.id for attempt in attempts] == [example.id] * 2
    assert all(one.text != two.text for one, two in measured.sampled), (
        "each sample has a stream of its own"
    )
    assert (
        group_by_example(measure_questions(answer, questions[:10], None), 10).sampled
        == ()
    )


def test_an_example_without_a_target_has_no_nll(tiny: Path) -> None:
    student = load_for_inference(tiny)
    task = make_task(fake_config().task)
    answer = make_answer_function(student)
    questions = [
        q._replace(target=None if k % 2 else q.target)
        for k, q in enumerate(list_questions(task, task.dev, None))
    ]
    assert [m.gold_nll is None for m in measure_questions(answer, questions, None)] == [
        False,
        True,
    ] * 5
