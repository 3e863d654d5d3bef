"""Reward models: one that is trained here on right and wrong attempts, and everything that is
none.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from teachback.errors import StudentError
from teachback.student.batching import pad_rows
from teachback.student.reward import (
    compute_rewards,
    load_reward_model,
    resolve_reward_model,
    reward_row_ids,
)

ROWS = [
    ("Why?", "Because."),
    (
        "What is two and two, and why is that so?",
        "It is four, because two and two are four.",
    ),
    ("Tell me about tea.", ""),
    ("Say it.", "I can't <|end|>"),
    ("x" * 90, "y"),
    ("Go.", "é\n\n🙂"),
]
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "eos_token_id": 1,
    "bos_token_id": None,
}


def make_classifier(
    tiny: Path,
    folder: Path,
    architecture: str = "llama",
    *,
    outputs: int = 1,
    pad: int | None = 0,
    spread: float = 0.3,
) -> Path:
    """A sequence classifier of random weights, with the tiny student's tokenizer."""
    size = AutoConfig.from_pretrained(tiny).vocab_size
    changes = {
        "vocab_size": size,
        "num_labels": outputs,
        "pad_token_id": pad,
        "initializer_range": spread,
    }
    config = AutoConfig.for_model(architecture, **SHAPE, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForSequenceClassification.from_config(
            config, dtype=torch.float32
        ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(folder)
    return folder


def compute_reference_reward(folder: Path, question: str, attempt: str) -> float:
    """One conversation alone, as the makers of reward models show it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    turns = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": attempt},
    ]
    with torch.no_grad():
        return float(
            model(
                **tokenizer(
                    tokenizer.apply_chat_template(turns, tokenize=False),
                    return_tensors="pt",
                )
            ).logits[0][0]
        )


@pytest.mark.parametrize("pad", [0, 1, None], ids=["its own", "the end token", "none"])
@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma2"])
def test_a_score_is_that_of_the_row_alone_whatever_the_batch(
    tiny: Path, tmp_path: Path, architecture: str, pad: int | None
) -> None:
    folder = make_classifier(tiny, tmp_path, architecture, pad=pad)
    expected = [compute_reference_reward(folder, *row) for row in ROWS]
    assert np.std(expected) > 0.1, "scores that differ, or this test shows nothing"
    model = load_reward_model(folder)
    for batch_tokens in (1, 150, 10_000):
        reward_N = compute_rewards(model, ROWS, batch_tokens)
        assert reward_N.dtype == np.float32
        np.testing.assert_allclose(reward_N, expected, atol=2e-5)
    assert compute_rewards(model, []).shape == (0,)


def draw_exercise(dice: Random) -> tuple[str, str, str]:
    """Which is larger: the question, a right attempt and a wrong one."""
    low, high = sorted(dice.sample(range(10, 100), 2))
    first, second = dice.sample([low, high], 2)
    return f"{first} or {second}?", str(high), str(low)


def train(folder: Path, pairs: Sequence[tuple[str, str, str]], epochs: int) -> None:
    """Right attempts up, wrong ones down, as verifiers are trained (arXiv 2110.14168)."""
    model = load_reward_model(folder)
    optimiser = torch.optim.AdamW(model.model.train().parameters(), lr=3e-3)
    rows = [
        reward_row_ids(model, question, attempt)
        for question, *attempts in pairs
        for attempt in attempts
    ]
    for _ in range(epochs):
        for start in range(0, len(rows), 64):
            ids_B_T, mask_B_T = pad_rows(rows[start : start + 64], 0)
            score_B = model.model(input_ids=ids_B_T, attention_mask=mask_B_T).logits[
                :, 0
            ]
            score_B[1::2] *= -1
            loss = -torch.nn.functional.logsigmoid(score_B).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.model.save_pretrained(folder)


def compute_separation(folder: Path, pairs: Sequence[tuple[str, str, str]]) -> float:
    """The share of (right, wrong) attempts, of any two questions, that the scores put in order."""
    model = load_reward_model(folder)
    right_N = compute_rewards(
        model, [(question, right) for question, right, _ in pairs]
    )
    wrong_N = compute_rewards(
        model, [(question, wrong) for question, _, wrong in pairs]
    )
    return float((right_N[:, None] > wrong_N[None]).mean())


def test_a_model_trained_on_right_and_wrong_attempts_separates_those_it_never_saw(
    tiny: Path, tmp_path: Path
) -> None:
    dice = Random(0)
    pairs = [draw_exercise(dice) for _ in range(600)]
    train_pairs = pairs[:500]
    train_questions = {question for question, *_ in train_pairs}
    test_pairs = [pair for pair in pairs[500:] if pair[0] not in train_questions]
    folder = make_classifier(tiny, tmp_path, spread=0.1)
    assert 0.4 < compute_separation(folder, test_pairs) < 0.6
    train(folder, train_pairs, epochs=8)
    assert compute_separation(folder, test_pairs) > 0.96


def test_a_head_in_float32_on_a_model_in_bf16(tiny: Path, tmp_path: Path) -> None:
    """As it runs on a GPU: the scores are near those in float32, and finer than bf16 could tell
    them apart.
    """
    folder = make_classifier(tiny, tmp_path)
    rows = [(f"What is {i}?", f"It is {i}.") for i in range(200)]
    expected_N = compute_rewards(load_reward_model(folder), rows)
    model = load_reward_model(folder)
    model.model.get_decoder().to(torch.bfloat16)  # all but the head
    reward_N = compute_rewards(model, rows)
    assert np.corrcoef(expected_N, reward_N)[0, 1] > 0.99
    rounded_N = torch.from_numpy(reward_N).bfloat16().float().numpy()
    assert len(set(rounded_N.tolist())) < len(set(reward_N.tolist()))


def test_what_is_no_reward_model_is_refused_with_the_fix(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        StudentError,
        match=r"no reward model: weights .* not there\n  got: no score.weight",
    ):
        load_reward_model(tiny)
    with pytest.raises(
        StudentError, match=r"gives more than one score\n  got: 3 outputs"
    ):
        load_reward_model(make_classifier(tiny, tmp_path / "three", outputs=3))
    with pytest.raises(StudentError, match=r"can't be loaded"):
        load_reward_model(tmp_path / "nowhere")
    without_template = make_classifier(tiny, tmp_path / "mute")
    (without_template / "chat_template.jinja").unlink()
    with pytest.raises(
        StudentError,
        match=r"has no chat template\n.*\n  fix: choose one made from an instruct model",
    ):
        load_reward_model(without_template)
    cut_short = make_classifier(tiny, tmp_path / "torn")
    weights = (cut_short / "model.safetensors").read_bytes()
    (cut_short / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(StudentError, match="can't be loaded"):
        load_reward_model(cut_short)


def test_a_template_that_refuses_and_a_row_that_is_too_long(
    tiny: Path, tmp_path: Path
) -> None:
    folder = make_classifier(tiny, tmp_path)
    with pytest.raises(
        StudentError,
        match=r"too long for the reward model: 'Go.'\n  got: 1\d+ tokens\n  allowed: at most 512",
    ):
        compute_rewards(load_reward_model(folder), [*ROWS, ("Go.", "x" * 1000)])
    (folder / "chat_template.jinja").write_text(
        "{{ raise_exception('no assistants here') }}"
    )
    with pytest.raises(
        StudentError, match=r"chat template can't write .*\n  got: no assistants here"
    ):
        compute_rewards(load_reward_model(folder), ROWS)


def test_where_a_reward_model_is_found(tiny: Path, tmp_path: Path) -> None:
    folder = make_classifier(tiny, tmp_path / "rm")
    resolved, identity = resolve_reward_model(str(folder))
    assert resolved == folder.resolve()
    assert identity.startswith("sha256 ")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "problem_type": "regression"})
    )
    assert resolve_reward_model(str(folder))[1] != identity, "another model"
    for name in ("smollm2-135m", "./nowhere", "a/b/c"):
        with pytest.raises(
            StudentError, match="neither a folder nor a model of the Hub"
        ):
            resolve_reward_model(name)
    with pytest.raises(StudentError, match="could not be fetched from the Hub"):
        resolve_reward_model("nobody/nothing")
