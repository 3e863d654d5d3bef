"""The nll of gold answers and what a report measures, on tiny models against plain references."""

from pathlib import Path
from random import Random

import pytest
import torch

from teachback.student.attempt import Asked, attempt
from teachback.student.chat import Chat, row_ids
from teachback.student.folder import Loaded, load
from teachback.student.measure import Samples, by_example, measure, questions
from teachback.student.score import batches, score
from teachback.testing import fake_config, tiny_student
from teachback.wire import make_task

CHAT = Chat(system="Be brief.")
ROWS = [
    ("Why?", "Because."),
    ("What is two and two, and why is that so?", "4"),
    ("x" * 150, "A long story, " * 9),
    ("Go.", ""),
    ("Tell me about tea.", "Leaves and hot water; " * 3),
    ("And now?", "y"),
]


def plain(student: Loaded, message: str, answer: str) -> float:
    """One row, unpadded, with the head on every position."""
    prompt, completion = row_ids(student, CHAT, message, answer)
    with torch.no_grad():
        logits = student.model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    return torch.nn.functional.cross_entropy(logits.double(), torch.tensor(completion)).item()


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "mistral"])
@pytest.mark.parametrize("bounds", [(1, 1), (500, 1000), (1000, 100), (9999, 9999)])
def test_the_nll_is_that_of_each_row_alone_however_it_is_batched(
    architecture: str, bounds: tuple[int, int], tmp_path: Path
) -> None:
    student = load(tiny_student(tmp_path, architecture=architecture, seed=3))
    reference = [plain(student, *row) for row in ROWS]
    assert score(student, CHAT, ROWS, *bounds) == pytest.approx(reference, abs=1e-5)
    assert len({round(nll, 3) for nll in reference}) == len(ROWS), "rows that differ, or this test shows nothing"


def test_the_end_token_counts_as_in_finetuning(tiny: Path) -> None:
    """An empty answer is its end token alone."""
    student = load(tiny)
    prompt, completion = row_ids(student, CHAT, "Go.", "")
    assert completion == [student.tokenizer.eos_token_id]
    with torch.no_grad():
        logits = student.model(torch.tensor([prompt])).logits[0, -1]
    expected = -logits.log_softmax(-1)[completion[0]].item()
    assert score(student, CHAT, [("Go.", "")]) == pytest.approx([expected], abs=1e-5)


def test_the_head_runs_on_the_answers_alone(tiny: Path) -> None:
    student, seen = load(tiny), []
    student.model.lm_head.register_forward_hook(lambda module, given, out: seen.append(tuple(out.shape[:2])))
    score(student, CHAT, [("x" * 150, "A cup.")])
    assert seen == [(1, len("A cup.") + 1)]


def test_micro_batches_hold_every_row_once_within_both_bounds(tiny: Path) -> None:
    dice = Random(0)
    rows = [{"prompt": [5] * dice.randint(1, 90), "answer": [6] * dice.randint(1, 60)} for _ in range(200)]
    cut = list(batches(rows, 400, 120))  # type: ignore[arg-type]
    assert sorted(i for batch in cut for i in batch) == list(range(200))
    for batch in cut:
        before, after = (max(len(rows[i][part]) for i in batch) for part in ("prompt", "answer"))
        assert len(batch) == 1 or ((before + after) * len(batch) <= 400 and after * len(batch) <= 120)
    assert len(cut) < 120
    assert list(batches([{"prompt": [5] * 900, "answer": [6] * 900}], 400, 120)) == [[0]], "a row too long is alone"


def test_a_lower_nll_is_a_better_student(tiny: Path, tmp_path: Path) -> None:
    """Trained on a row, the student finds that row likelier."""
    from teachback.student.finetune import Recipe, finetune

    trained = finetune(
        tiny, ROWS[:1] * 4, tmp_path, chat=CHAT, recipe=Recipe(lr=1e-2, epochs=4, rows_per_step=4), seed=1
    )
    assert score(load(trained), CHAT, ROWS[:1])[0] < score(load(tiny), CHAT, ROWS[:1])[0] - 0.2


def test_a_report_s_questions_come_back_by_example_however_they_are_sharded(tiny: Path) -> None:
    """Greedy answers with the nll of their targets, then two samples each; shards of 4 mix the two kinds."""
    student, task = load(tiny), make_task(fake_config().task)
    samples = Samples(2, 1.0, lambda id, k: Random(f"{id} {k}"))
    asked = questions(task, task.dev, samples)
    assert len(asked) == 30
    shards = [measure(student, CHAT, asked[i : i + 4], 6, samples) for i in range(0, 30, 4)]
    got = by_example([m for shard in shards for m in shard], 10)
    greedy = attempt(student, CHAT, [Asked(e.id, task.prompt(e.question)) for e in task.dev], 6)
    assert [a.text for a in got.attempts] == [a.text for a in greedy]
    targets = [(task.prompt(e.question), str(task.target(e))) for e in task.dev]
    assert got.gold_nll == pytest.approx(score(student, CHAT, targets), abs=1e-5)
    assert [[a.id for a in answers] for answers in got.sampled] == [[e.id] * 2 for e in task.dev]
    assert all(one.text != two.text for one, two in got.sampled), "each sample has a stream of its own"
    assert by_example(measure(student, CHAT, asked[:10], 6, None), 10).sampled == ()


def test_an_example_without_a_target_has_no_nll(tiny: Path) -> None:
    student, task = load(tiny), make_task(fake_config().task)
    asked = [q._replace(target=None if k % 2 else q.target) for k, q in enumerate(questions(task, task.dev, None))]
    assert [m.gold_nll is None for m in measure(student, CHAT, asked, 4, None)] == [False, True] * 5
