"""Attempts, finetuning and folders, on tiny models against plain references."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import StudentError
from teachback.student.attempt import BATCH_TOKENS, Asked, attempt, batches, decode
from teachback.student.chat import Chat, prompt_ids, row_ids
from teachback.student.finetune import IGNORE, Recipe, collate, completion_loss, dict_row, finetune, schedule
from teachback.student.folder import load, resolve
from teachback.testing import tiny_student

QUESTIONS = ["Why?", "What is two and two, and why is that so?", "Tell me about tea.", "x" * 60, "Go."]
ROWS = [(f"Count to {i}.", " ".join(map(str, range(i + 1)))) for i in range(1, 14)]
CHAT = Chat(system="Be brief.")


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "mistral"])
def test_batched_greedy_decoding_equals_generate_and_its_nll_a_forward_pass(architecture: str, tmp_path: Path) -> None:
    student = load(tiny_student(tmp_path, architecture=architecture, seed=3))
    prompts = [prompt_ids(student, CHAT, q) for q in QUESTIONS]
    decoded = decode(student, prompts, 24)
    for prompt, ours in zip(prompts, decoded, strict=True):
        ids = torch.tensor([prompt])
        reference = student.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False)
        assert ours.tokens == reference[0, len(prompt) :].tolist()
        with torch.no_grad():
            logits = student.model(torch.tensor([prompt + ours.tokens])).logits[0, len(prompt) - 1 : -1].float()
        nll = torch.nn.functional.cross_entropy(logits, torch.tensor(ours.tokens), reduction="none")
        assert ours.nll == pytest.approx(nll.tolist(), abs=5e-4)
        assert ours.ended == (ours.tokens[-1] in student.ends)


def test_finished_rows_leave_and_truncation_is_marked(tiny: Path) -> None:
    student = load(tiny)
    free = attempt(student, CHAT, [Asked(str(i), q) for i, q in enumerate(QUESTIONS)], 40)
    assert len({a.n_tokens for a in free}) > 1, "answers of several lengths, or this test shows nothing"
    assert {a.truncated for a in free if a.n_tokens < 40} <= {False}
    short = attempt(student, CHAT, [Asked("a", QUESTIONS[1])], 3)
    if not short[0].truncated:
        pytest.fail("three tokens end no answer of this student")
    assert short[0].n_tokens == 3
    assert short[0].nll == pytest.approx(sum(decode(student, [prompt_ids(student, CHAT, QUESTIONS[1])], 3)[0].nll) / 3)


@given(st.lists(st.integers(1, 20_000), max_size=80))
def test_batches_are_bounded_and_a_long_prompt_pads_no_short_ones(lengths: list[int]) -> None:
    found = batches(lengths)
    assert sorted(place for batch in found for place in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= BATCH_TOKENS
    assert batches([100] * 63 + [5000]) == [[*range(63)], [63]]


def test_answers_come_back_in_the_order_of_their_questions(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = load(tiny)
    asked = [Asked(str(i), q) for i, q in enumerate(QUESTIONS)]
    together = attempt(student, CHAT, asked, 12)
    monkeypatch.setattr("teachback.student.attempt.BATCH_TOKENS", 150)
    apart = attempt(student, CHAT, asked, 12)
    assert [(a.id, a.text) for a in apart] == [(a.id, a.text) for a in together]
    assert [a.nll for a in apart] == pytest.approx([a.nll for a in together], abs=1e-5)


def test_an_answer_does_not_depend_on_its_batch(tiny: Path) -> None:
    student = load(tiny)
    asked = [Asked(str(i), q) for i, q in enumerate(QUESTIONS)]
    together = attempt(student, CHAT, asked, 24)
    for question, a in zip(asked, together, strict=True):
        alone = attempt(student, CHAT, [question], 24)[0]
        assert alone.text == a.text
        assert alone.nll == pytest.approx(a.nll, abs=1e-5)


def test_a_training_row_has_the_prompt_of_an_attempt_and_ends_with_the_end_token(tiny: Path) -> None:
    student = load(tiny)
    prompt, answer = row_ids(student, CHAT, "Why?", "Because.")
    assert prompt == prompt_ids(student, CHAT, "Why?")
    assert student.tokenizer.decode(prompt) == "<|system|>Be brief.<|end|><|user|>Why?<|end|><|assistant|>"
    assert student.tokenizer.decode(answer) == "Because.<|end|>"
    assert not set(prompt_ids(student, Chat(), "Why?")) & {student.tokenizer.convert_tokens_to_ids("<|system|>")}


def test_a_template_that_rewrites_the_prompt_is_an_error_that_shows_it(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|><think></think>{% endif %}"
    )
    student = load(tiny_student(tmp_path, chat_template=template))
    with pytest.raises(StudentError, match=r"writes the question differently"):
        row_ids(student, Chat(), "Why?", "Because.")
    plain = load(
        tiny_student(
            tmp_path / "b",
            chat_template="{% for m in messages %}{{ m['content'] }}{% if think %}?{% endif %}{% endfor %}",
        )
    )
    assert plain.tokenizer.decode(row_ids(plain, Chat(options={"think": True}), "Why?", "So.")[1]) == "So.?<|end|>"


def test_without_a_chat_template_a_model_is_no_student(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="has no chat template"):
        load(tiny_student(tmp_path, chat_template=None))


def test_names_and_folders_that_are_no_student(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="no student in"):
        load(tmp_path)
    with pytest.raises(StudentError, match="neither a folder nor a model of the Hub"):
        resolve("nothing-like-this")
    with pytest.raises(StudentError, match="could not be fetched from the Hub"):
        resolve("teachback-tests/there-is-no-such-model")


def test_a_folder_is_known_by_the_hash_of_its_files(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert resolve(str(copy))[1] == resolve(str(tiny))[1]
    (copy / "chat_template.jinja").write_text("other")
    assert resolve(str(copy))[1] != resolve(str(tiny))[1]


def test_the_loss_is_the_mean_over_completion_tokens_whatever_the_batching(tiny: Path) -> None:
    """Against one plain forward pass a row, with the head on every position."""
    student = load(tiny)
    rows = [dict_row(student, CHAT, message, answer) for message, answer in ROWS[:6]]
    total = count = 0.0
    for row in rows:
        ids = torch.tensor([row["prompt"] + row["answer"]])
        logits = student.model(ids).logits[0, len(row["prompt"]) - 1 : -1]
        total += torch.nn.functional.cross_entropy(logits, torch.tensor(row["answer"]), reduction="sum").item()
        count += len(row["answer"])
    for size in (1, 2, 6):
        parts = [collate(rows[i : i + size]) for i in range(0, 6, size)]
        assert sum(int((p["labels"] != IGNORE).sum()) for p in parts) == count
        losses = [
            completion_loss(student.model(**{k: v for k, v in p.items() if k != "labels"}), p["labels"], count)
            for p in parts
        ]
        assert sum(loss.item() for loss in losses) == pytest.approx(total / count, abs=1e-5)


def test_the_schedule_has_every_row_once_an_epoch_in_another_order(tiny: Path) -> None:
    student = load(tiny)
    rows = [dict_row(student, CHAT, message, answer) for message, answer in ROWS]
    order = schedule(rows, Recipe(epochs=2, rows_per_step=4), seed=1)
    seen = [rows.index(row) for row in order]
    assert sorted(seen) == sorted([*range(13), *range(13)])
    assert schedule(rows, Recipe(epochs=2, rows_per_step=4), seed=1) == order
    assert schedule(rows, Recipe(epochs=2, rows_per_step=4), seed=2) != order


RECIPE = Recipe(lr=1e-2, epochs=2, rows_per_step=4, precision="float32")


def train(start: Path, folder: Path, recipe: Recipe = RECIPE, **settings: object) -> Path:
    return finetune(start, ROWS, folder, chat=CHAT, recipe=recipe, seed=5, **settings)  # type: ignore[arg-type]


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_two_runs_give_bit_equal_weights_and_learn(tiny: Path, tmp_path: Path) -> None:
    one, two = train(tiny, tmp_path / "a"), train(tiny, tmp_path / "b")
    assert weights(one) == weights(two)
    assert weights(one) != weights(tiny)
    assert train_loss(one) < 0.8 * train_loss(tiny)


def train_loss(folder: Path) -> float:
    student = load(folder)
    batch = collate([dict_row(student, CHAT, message, answer) for message, answer in ROWS])
    labels = batch.pop("labels")
    with torch.no_grad():
        return float(completion_loss(student.model(**batch), labels))


def test_micro_batches_do_not_change_the_steps(tiny: Path, tmp_path: Path) -> None:
    whole, split = load(train(tiny, tmp_path / "a", micro_rows=4)), load(train(tiny, tmp_path / "b", micro_rows=1))
    for a, b in zip(whole.model.parameters(), split.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=0)


def test_lora_trains_an_adapter_and_merges_it(tiny: Path, tmp_path: Path) -> None:
    out = train(tiny, tmp_path, replace(RECIPE, method="lora", lora_rank=4, lr=5e-2, epochs=4))
    assert train_loss(out) < train_loss(tiny)
    before, after = load(tiny).model.state_dict(), load(out).model.state_dict()
    assert set(before) == set(after)
    assert torch.equal(before["model.embed_tokens.weight"], after["model.embed_tokens.weight"])
    assert not torch.equal(before["model.layers.0.mlp.up_proj.weight"], after["model.layers.0.mlp.up_proj.weight"])


def test_bf16_autocast_keeps_float32_parameters(tiny: Path, tmp_path: Path) -> None:
    student = load(train(tiny, tmp_path, replace(RECIPE, precision="bf16")))
    assert {p.dtype for p in student.model.parameters()} == {torch.float32}
    assert weights(tmp_path / "student") != weights(tiny)


class Killed(Exception):
    pass


@pytest.mark.parametrize("method", ["full", "lora"])
def test_finetuning_resumes_from_its_last_finished_checkpoint_to_the_same_bits(
    method: str, tiny: Path, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, method=method)  # type: ignore[arg-type]
    unbroken = train(tiny, tmp_path / "a", recipe)

    def stop_at_5(step: int, steps: int) -> None:
        assert steps == 7
        if step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(tiny, tmp_path / "b", recipe, checkpoint_every_s=0, tell=stop_at_5)
    assert [p.name for p in (tmp_path / "b/checkpoints").iterdir()] == ["checkpoint-4"]
    unfinished = tmp_path / "b/checkpoints/checkpoint-5"
    shutil.copytree(tmp_path / "b/checkpoints/checkpoint-4", unfinished)
    (unfinished / "complete").unlink()
    steps: list[int] = []
    resumed = train(tiny, tmp_path / "b", recipe, tell=lambda step, steps_: steps.append(step))
    assert steps == [5, 6, 7]
    assert weights(resumed) == weights(unbroken)
