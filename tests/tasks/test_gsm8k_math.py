"""GSM8K and MATH from their real files: splits, golds and the form of a training row."""

from pathlib import Path

import pytest

from teachback.graders.final import final_answer
from teachback.tasks.gsm8k import load_gsm8k
from teachback.tasks.math import load_math
from teachback.types import Task


@pytest.fixture(scope="module", params=[load_gsm8k, load_math], ids=["gsm8k", "math"])
def task(request: pytest.FixtureRequest, data: Path) -> Task:
    loaded: Task = request.param(path=data, seeds=300, dev=100, test=None, seed=0)
    return loaded


def test_splits(task: Task) -> None:
    assert (len(task.seeds), len(task.dev)) == (300, 100)
    assert len(task.test) == (1319 if task.name == "gsm8k" else 500)
    parts = [
        {task.key(e.question) for e in part}
        for part in (task.seeds, task.dev, task.test)
    ]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert all(field in task.dev[0].meta for field in task.by)


def test_the_training_form_of_every_gold_is_right_and_shows_no_marks(
    task: Task,
) -> None:
    """Without its gold, a box that holds a part of a value isn't understood (1 % of MATH)."""
    examples = (*task.seeds, *task.dev)
    unread = []
    for e in examples:
        text = str(task.target(e))
        assert "<<" not in text
        assert "####" not in text
        assert task.grade(e, text).outcome == "right", e
        grade = task.verify(e.question, text)
        if grade.outcome != "right":
            assert str(grade.reason).startswith("not understood: what stands"), grade
            unread.append(e.id)
    assert len(unread) <= (0.02 * len(examples) if task.name == "math" else 0), unread


def test_the_prompt_names_the_form_that_is_graded(task: Task) -> None:
    prompt = task.prompt("How many?")
    assert prompt.startswith("How many?")
    form = "\\boxed{7}" if task.name == "math" else "Answer: 7"
    assert form[:5] in prompt
    assert final_answer(f"so it is\n{form}") == "7"
