"""What a report measures of a student, however its questions are sharded."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from teachback.build.run import make_task
from teachback.student.attempt import Asked, Sampling, attempt
from teachback.student.chat import Chat
from teachback.student.frozen import Frozen, freeze
from teachback.student.measure import Measured, Samples, by_example, measure, questions
from teachback.student.signals import score
from teachback.testing import fake_config

CHAT = Chat(system="Be brief.")


def answering(student: Frozen) -> Callable[..., list[Measured]]:
    def answer(
        asked: Sequence[Asked], sampling: Sampling | None = None
    ) -> list[Measured]:
        done = attempt(student, CHAT, asked, 6, sampling)
        return [
            Measured(*pair) for pair in zip(done.attempts, done.target_nll, strict=True)
        ]

    return answer


def test_a_report_s_questions_come_back_by_example_however_they_are_sharded(
    tiny: Path,
) -> None:
    """Greedy answers with the nll of their targets, then two samples each; shards of 4 mix the two kinds."""
    student, task = freeze(tiny), make_task(fake_config().task)
    answer = answering(student)
    samples = Samples(2, 1.0, lambda id, k: Random(f"{id} {k}"))
    asked = questions(task, task.dev, samples)
    assert len(asked) == 30
    shards = [measure(answer, asked[i : i + 4], samples) for i in range(0, 30, 4)]
    got = by_example([m for shard in shards for m in shard], 10)
    greedy = [
        found.attempt
        for found in answer([Asked(e.id, task.prompt(e.question)) for e in task.dev])
    ]
    assert [a.text for a in got.attempts] == [a.text for a in greedy]
    targets = [(task.prompt(e.question), str(task.target(e))) for e in task.dev]
    assert got.gold_nll == pytest.approx(score(student, CHAT, targets), abs=1e-5)
    assert [[a.id for a in answers] for answers in got.sampled] == [
        [e.id] * 2 for e in task.dev
    ]
    assert all(one.text != two.text for one, two in got.sampled), (
        "each sample has a stream of its own"
    )
    assert by_example(measure(answer, asked[:10], None), 10).sampled == ()


def test_an_example_without_a_target_has_no_nll(tiny: Path) -> None:
    student, task = freeze(tiny), make_task(fake_config().task)
    answer = answering(student)
    asked = [
        q._replace(target=None if k % 2 else q.target)
        for k, q in enumerate(questions(task, task.dev, None))
    ]
    assert [m.gold_nll is None for m in measure(answer, asked, None)] == [
        False,
        True,
    ] * 5
