"""The pass that scores, on tiny random models of many kinds, against transformers' own in plain
float32, row by row.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from architectures import ARCHITECTURES, build
from teachback.student import inference
from teachback.student.attention import GROUPED_ATTENTION
from teachback.student.chat import Chat, row_ids
from teachback.student.inference import apply_head, load_for_inference
from teachback.student.loading import LoadedStudent, load_student
from teachback.student.scoring import read_answers

CHAT = Chat()
ROWS = [
    ("Why?", "Because."),
    ("x" * 60, "A long story, " * 4),
    ("What is two and two?", "4"),
    ("Go.", "y" * 33),
]


def reference(
    student: LoadedStudent, message: str, answer: str, padding: str = "none"
) -> torch.Tensor:
    """nll_T of an answer's tokens by the model's own forward; alone, or beside a longer row,
    padded on one side.
    """
    prompt, completion = row_ids(student, CHAT, message, answer)
    ids = [*prompt, *completion]
    pad = [0] * (0 if padding == "none" else 40)
    left, right = (pad, []) if padding == "left" else ([], pad)
    row = torch.tensor([[*left, *ids, *right]])
    mask = torch.tensor([[0] * len(left) + [1] * len(ids) + [0] * len(right)])
    ids_2_T = torch.cat([row, torch.full_like(row, 7)])
    mask_2_T = torch.cat([mask, torch.ones_like(mask)])
    with torch.no_grad():
        inputs = (
            {}
            if padding == "none"
            else {
                "attention_mask": mask_2_T,
                "position_ids": (mask_2_T.cumsum(1) - 1).clamp(0),
            }
        )
        logits_T_V = student.model(ids_2_T, **inputs).logits[0]
    first = len(left) + len(prompt)
    logits_T_V = logits_T_V[first - 1 : first - 1 + len(completion)].double()
    return -logits_T_V.log_softmax(-1)[range(len(completion)), completion]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_row_is_what_the_model_itself_makes_of_it(
    name: str, tmp_path: Path
) -> None:
    folder = build(name, tmp_path / name)
    unpatched = load_student(folder)
    student = load_for_inference(folder)
    answers = read_answers(student, CHAT, ROWS)
    expected_nlls = [reference(unpatched, *row) for row in ROWS]
    assert np.ptp([nll.mean().item() for nll in expected_nlls]) > 0.05, (
        "rows that differ, or this test shows nothing"
    )
    for answer, nll_T, row in zip(answers, expected_nlls, ROWS, strict=True):
        assert answer.nll == pytest.approx(nll_T.mean().item(), abs=1e-5)
        assert answer.max_nll == pytest.approx(nll_T.max().item(), abs=5e-4)
        for side in ("left", "right"):
            padded_nll_T = reference(unpatched, *row, padding=side)
            assert answer.nll == pytest.approx(padded_nll_T.mean().item(), abs=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_head_alone_makes_the_model_s_logits(name: str, tmp_path: Path) -> None:
    folder = build(name, tmp_path / name)
    unpatched = load_student(folder)
    student = load_for_inference(folder)
    ids = torch.arange(3, 40)[None]
    with torch.inference_mode():
        logits_T_V = apply_head(
            student,
            student.decoder(input_ids=ids, use_cache=False).last_hidden_state[0],
        )
        torch.testing.assert_close(
            logits_T_V, unpatched.model(ids).logits[0], atol=5e-4, rtol=1e-5
        )


@pytest.mark.parametrize("name", ["llama-tied", "gemma2", "qwen3", "mistral"])
def test_in_bf16_the_head_is_in_float32_and_the_rest_near(
    name: str, tmp_path: Path
) -> None:
    folder = build(name, tmp_path / name)
    exact_answers = read_answers(load_for_inference(folder), CHAT, ROWS)
    bf16_student = load_for_inference(folder, "bf16")
    for exact, rounded in zip(
        exact_answers, read_answers(bf16_student, CHAT, ROWS), strict=True
    ):
        assert exact.nll == pytest.approx(rounded.nll, rel=0.05)
        assert exact.nll != rounded.nll
    assert bf16_student.decoder.get_input_embeddings().weight.dtype == torch.bfloat16
    hidden = torch.randn(3, 32).bfloat16()
    weight = load_student(folder).model.get_output_embeddings().weight.detach()
    cap = load_student(folder).model.config.to_dict().get("final_logit_softcapping")
    logits = hidden.float() @ weight.T
    torch.testing.assert_close(
        apply_head(bf16_student, hidden),
        torch.tanh(logits / cap) * cap if cap else logits,
    )


@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_in_bf16_positions_are_not_rounded(name: str, tmp_path: Path) -> None:
    """A rotary frequency that is off by a 500th turns a token a few hundred places away by most
    of a radian.
    """
    folder = build(name, tmp_path / name)
    exact_buffers, bf16_buffers = (
        dict(student.model.named_buffers())
        for student in (load_student(folder), load_for_inference(folder, "bf16"))
    )
    frequencies = [buffer for buffer in exact_buffers if buffer.endswith("inv_freq")]
    assert frequencies
    for buffer in frequencies:
        assert torch.equal(exact_buffers[buffer], bf16_buffers[buffer])


def test_attention_is_ours_where_the_model_runs_sdpa_and_its_own_elsewhere(
    tmp_path: Path,
) -> None:
    kinds = {
        name: load_for_inference(
            build(name, tmp_path / name)
        ).model.config._attn_implementation
        for name in ARCHITECTURES
    }
    assert kinds.pop("gemma2") == "eager"
    assert set(kinds.values()) == {GROUPED_ATTENTION}


def test_a_model_that_does_not_get_along_with_repacked_layers_is_run_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build("llama", tmp_path / "llama")
    expected = read_answers(load_for_inference(folder), CHAT, ROWS)

    def spoil(model: torch.nn.Module) -> None:
        for layer in model.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.data += 0.1

    monkeypatch.setattr(inference, "pack_linear_layers", spoil)
    for expected_answer, answer in zip(
        expected, read_answers(load_for_inference(folder), CHAT, ROWS), strict=True
    ):
        assert expected_answer.nll == pytest.approx(answer.nll, abs=1e-5)
