"""The signals of one pass: against the plain formulas in float64, and whatever the batch."""

import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from teachback.student import scoring
from teachback.student import signals as engine
from teachback.student.batching import (
    BATCH_TOKENS,
    batch_by_length,
    micro_batch_tokens,
    scale_for_device,
)
from teachback.student.chat import Chat, row_ids
from teachback.student.inference import InferenceModel, apply_head, load_for_inference
from teachback.student.loading import load_student
from teachback.student.scoring import read_answers, score_answers
from teachback.student.signals import compute_nlls, compute_signals

CHAT = Chat(system="Be brief.")
ROWS = [
    ("Why?", "Because."),
    ("What is two and two, and why is that so?", "4"),
    ("x" * 150, "A long story, " * 9),
    ("Go.", ""),
    ("Tell me about tea.", "Leaves and hot water; " * 3),
    ("And now?", "y"),
]


def compute_by_definition(
    logits_N_V: torch.Tensor, hidden_N_D: torch.Tensor, ids: list[int]
) -> list[list[float]]:
    """nll, entropy, gap and egl of each token, by their definitions."""
    rows = []
    for z_V, h_D, token in zip(
        logits_N_V.double(), hidden_N_D.double(), ids, strict=True
    ):
        p_V = z_V.softmax(-1)
        first, second = p_V.topk(2).values.tolist()
        entropy = -sum(p * math.log(p) for p in p_V.tolist() if p > 0)
        # Over every token that could be drawn, the squared length of (p − onehot) ⊗ h.
        gradient = sum(
            p
            * (
                (p_V - torch.eye(len(p_V))[k]).square().sum() * h_D.square().sum()
            ).item()
            for k, p in enumerate(p_V.tolist())
        )
        rows.append([-math.log(p_V[token]), entropy, first - second, gradient])
    return rows


@settings(max_examples=60)
@given(
    st.integers(1, 40), st.integers(2, 30), st.floats(0.01, 30), st.integers(0, 2**31)
)
def test_signals_are_what_their_definitions_say(
    n: int, vocabulary: int, scale: float, seed: int
) -> None:
    torch.manual_seed(seed)
    logits = torch.randn(n, vocabulary) * scale
    hidden = torch.randn(n, 5)
    ids = [Random(seed).randrange(vocabulary) for _ in range(n)]
    signals_N_4 = torch.stack([*compute_signals(logits, hidden, torch.tensor(ids))], 1)
    keep = [
        i for i, z in enumerate(logits) if z.max() - z[ids[i]] < 80
    ]  # beyond it float64's own log fails
    expected = torch.tensor(
        compute_by_definition(logits, hidden, ids)
        if len(keep) == n
        else [[0.0] * 4] * n
    )
    if len(keep) == n:
        torch.testing.assert_close(signals_N_4, expected, atol=2e-5, rtol=2e-5)
        torch.testing.assert_close(
            compute_nlls(logits, torch.tensor(ids)),
            expected[:, 0],
            atol=2e-5,
            rtol=2e-5,
        )


def test_two_equally_likely_tokens_have_no_gap_and_one_ruled_out_counts_for_nothing() -> (
    None
):
    logits = torch.tensor([[2.0, 2.0, -1.0], [3.0, -math.inf, 1.0]])
    signals = compute_signals(logits, torch.ones(2, 4), torch.tensor([0, 2]))
    assert signals.top2_margin[0] == 0.0
    assert signals.entropy[1].item() == pytest.approx(
        compute_by_definition(logits[1:, [0, 2]], torch.ones(1, 4), [1])[0][1], abs=1e-6
    )


def test_a_block_more_or_less_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(50, 300) * 4
    hidden = torch.randn(50, 8)
    ids = torch.randint(0, 300, (50,))
    whole = compute_signals(logits, hidden, ids)
    monkeypatch.setattr(engine, "LOGITS_IN_CACHE", 700)
    for whole_N, block_N in zip(
        whole, compute_signals(logits, hidden, ids), strict=True
    ):
        assert torch.equal(whole_N, block_N)


def test_a_gpu_is_given_more_at_once() -> None:
    cpu = torch.device("cpu")
    gpu = torch.device("cuda", 0)
    assert [scale_for_device(512, device) for device in (cpu, gpu)] == [512, 8192]
    assert [micro_batch_tokens(None, device) for device in (cpu, gpu)] == [
        BATCH_TOKENS,
        16 * BATCH_TOKENS,
    ]
    assert micro_batch_tokens(300, gpu) == 300, "what was asked for"


@pytest.fixture(scope="module")
def student(tiny: Path) -> InferenceModel:
    return load_for_inference(tiny)


@pytest.mark.parametrize("batch_tokens", [1, 500, 9999])
def test_the_pass_gives_every_row_what_it_is_alone_in_the_caller_s_order(
    student: InferenceModel, batch_tokens: int
) -> None:
    alone = [read_answers(student, CHAT, [row])[0] for row in ROWS]
    in_batch = read_answers(student, CHAT, ROWS, batch_tokens)
    for single, batched in zip(alone, in_batch, strict=True):
        assert single[:5] == pytest.approx(batched[:5], abs=1e-5)
        np.testing.assert_allclose(single.embedding_D, batched.embedding_D, atol=1e-5)
    assert len({round(single.nll, 3) for single in alone}) == len(ROWS), (
        "rows that differ, or this test shows nothing"
    )
    assert score_answers(student, CHAT, ROWS, batch_tokens) == pytest.approx(
        [single.nll for single in in_batch], abs=1e-6
    )


def test_the_end_token_counts_as_in_finetuning(
    tiny: Path, student: InferenceModel
) -> None:
    """An empty answer is its end token alone."""
    prompt, completion = row_ids(student, CHAT, "Go.", "")
    assert completion == [student.tokenizer.eos_token_id]
    with torch.no_grad():
        logits = load_student(tiny).model(torch.tensor([prompt])).logits[0, -1]
    expected = -logits.log_softmax(-1)[completion[0]].item()
    (answer,) = read_answers(student, CHAT, [("Go.", "")])
    assert answer.nll == answer.max_nll == pytest.approx(expected, abs=1e-5)


def test_the_head_runs_on_the_answers_alone_in_blocks(
    student: InferenceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    block_sizes: list[int] = []

    def count_tokens(student: InferenceModel, hidden_N_D: Any) -> Any:
        block_sizes.append(len(hidden_N_D))
        return apply_head(student, hidden_N_D)

    monkeypatch.setattr(scoring, "apply_head", count_tokens)
    answer = "A cup of tea, " * 12
    score_answers(student, CHAT, [("x" * 150, answer)])
    assert sum(block_sizes) == len(answer) + 1
    assert max(block_sizes) == engine.HEAD_POSITIONS


def test_micro_batches_hold_every_row_once_within_the_bound() -> None:
    dice = Random(0)
    lengths = [dice.randint(1, 150) for _ in range(200)]
    cut = list(batch_by_length(lengths, 400))
    assert sorted(i for batch in cut for i in batch) == list(range(200))
    for batch in cut:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 400
    assert len(cut) < 60
    assert list(batch_by_length([900], 400)) == [[0]], "a row too long is alone"


def test_a_lower_nll_is_a_better_student(
    tiny: Path, student: InferenceModel, tmp_path: Path
) -> None:
    """Trained on a row, the student finds that row likelier."""
    from teachback.student.training.finetune import Recipe, finetune

    trained = finetune(
        tiny,
        ROWS[:1] * 4,
        tmp_path,
        chat=CHAT,
        recipe=Recipe(lr=1e-2, epochs=4, rows_per_step=4),
        seed=1,
    )
    assert (
        score_answers(load_for_inference(trained), CHAT, ROWS[:1])[0]
        < score_answers(student, CHAT, ROWS[:1])[0] - 0.2
    )


def test_what_all_prompts_begin_with_is_read_once(student: InferenceModel) -> None:
    read_tokens: list[int] = []
    rows = [("An instruction for all, " * 4 + f"{i}{i}{i}", "yes.") for i in range(5)]
    alone = [read_answers(student, CHAT, [row])[0] for row in rows]
    layer = student.decoder.get_input_embeddings()
    hook = layer.register_forward_pre_hook(
        lambda module, inputs: read_tokens.append(inputs[0].numel())
    )
    in_batch = read_answers(student, CHAT, rows, 10_000)
    hook.remove()
    lengths = [sum(map(len, row_ids(student, CHAT, *row))) - 1 for row in rows]
    n_shared = read_tokens[0]
    other_tokens = read_tokens[1:]
    assert n_shared > 96
    assert other_tokens == [len(rows) * (max(lengths) - n_shared)]
    for single, batched in zip(alone, in_batch, strict=True):
        assert single[:5] == pytest.approx(batched[:5], abs=1e-5)
