"""Sketches of gradients: against autograd's own, and the same however the answer was read."""

from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from architectures import build
from teachback.student import attempt as attempting
from teachback.student import scoring
from teachback.student.attempt import (
    AttemptRequest,
    answer_questions,
    cache_bytes_per_token,
    decode_answers,
)
from teachback.student.chat import Chat, prompt_ids, row_ids
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.loading import load_student
from teachback.student.scoring import AnswerSignals, read_answers
from teachback.student.signals import compute_signals
from teachback.student.sketch import (
    SketchSums,
    TensorSketch,
    draw_sketch,
    make_sketch,
    new_sketch_sums,
)

CHAT = Chat(system="Be brief.")
ROWS = [
    ("Why?", "Because."),
    ("What is two and two?", "4"),
    ("x" * 90, "A long story, " * 9),
    ("Go.", ""),
    ("Tea?", "y"),
]
QUESTIONS = [
    "Why?",
    "What is two and two, and why is that so?",
    "Tell me about tea.",
    "x" * 60,
    "Go.",
]
TOKENS = 24


@pytest.fixture(scope="module")
def student(tiny: Path) -> InferenceModel:
    return replace(load_for_inference(tiny), ends=frozenset({1, *range(5, 261, 40)}))


def compute_gradient(folder: Path, prompt: list[int], tokens: list[int]) -> np.ndarray:
    """gradient_V_D of the head's weights: of the answer's mean nll, by the model's own forward
    and backward pass.
    """
    model = load_student(folder).model.requires_grad_(False)
    weight = model.get_output_embeddings().weight.requires_grad_(True)
    assert weight is not model.get_input_embeddings().weight, (
        "tied: it would be the gradient of the embeddings too"
    )
    logits = model(torch.tensor([[*prompt, *tokens]]), use_cache=False).logits[
        0, len(prompt) - 1 : -1
    ]
    torch.nn.functional.cross_entropy(logits, torch.tensor(tokens)).backward()
    return weight.grad.double().numpy()


def sketch_by_definition(sketch: TensorSketch, gradient_V_D: np.ndarray) -> np.ndarray:
    """The tensor sketch of a matrix, entry by entry: v, d goes to the sum of their buckets, with
    both signs.
    """
    bucket_V_D = (
        sketch.tokens.bucket_K[:, None] + sketch.hidden.bucket_K
    ).numpy() % sketch.size
    signed_V_D = (
        gradient_V_D * (sketch.tokens.sign_K[:, None] * sketch.hidden.sign_K).numpy()
    )
    return np.bincount(bucket_V_D.ravel(), signed_V_D.ravel(), minlength=sketch.size)


def sum_sketches(
    sketch: TensorSketch,
    logits: torch.Tensor,
    hidden: torch.Tensor,
    ids: torch.Tensor,
    row: torch.Tensor,
) -> SketchSums:
    sums = new_sketch_sums(sketch, int(row.max()) + 1)
    compute_signals(logits, hidden, ids, sums.select_rows(row))
    return sums


@settings(max_examples=80)
@given(
    st.integers(2, 40),
    st.integers(1, 24),
    st.integers(1, 30),
    st.integers(1, 9),
    st.integers(0, 2**31),
)
def test_any_shape_gives_the_sketch_by_its_definition(
    vocabulary: int, width: int, size: int, n: int, seed: int
) -> None:
    """A vocabulary that the size doesn't divide, a hidden state that is longer than the sketch,
    any order of rows.
    """
    torch.manual_seed(seed)
    logits = torch.randn(n, vocabulary) * 3
    hidden = torch.randn(n, width)
    ids = torch.randint(0, vocabulary, (n,))
    row = torch.tensor([Random(seed + k).randrange(3) for k in range(n)] + [2])[:n]
    sketch = draw_sketch(vocabulary, width, size, seed)
    sums = sum_sketches(sketch, logits, hidden, ids, row)
    lengths = [max(1, int((row == r).sum())) for r in range(int(row.max()) + 1)]
    delta = logits.softmax(-1) - torch.nn.functional.one_hot(ids, vocabulary)
    for r, gradient_M in enumerate(sums.compute_means(lengths)):
        gradient_V_D = (
            delta[row == r].T @ hidden[row == r]
        ).double().numpy() / lengths[r]
        np.testing.assert_allclose(
            gradient_M, sketch_by_definition(sketch, gradient_V_D), atol=2e-5
        )


@pytest.fixture(params=["tiny", "qwen3", "lfm2"])
def folder(request: pytest.FixtureRequest, tiny: Path, tmp_path: Path) -> Path:
    return (
        tiny
        if request.param == "tiny"
        else build(request.param, tmp_path / request.param)
    )


def test_read_and_decode_give_the_sketch_of_autograd_s_gradient(folder: Path) -> None:
    student = replace(
        load_for_inference(folder), ends=frozenset({1, *range(7, 261, 15)})
    )
    sketch = make_sketch(student, seed=3, size=64)
    for row, answer in zip(
        ROWS, read_answers(student, CHAT, ROWS, sketch=sketch), strict=True
    ):
        prompt, tokens = row_ids(student, CHAT, *row)
        assert answer.gradient_M == pytest.approx(
            sketch_by_definition(sketch, compute_gradient(folder, prompt, tokens)),
            abs=1e-4,
        )
    prompts = [prompt_ids(student, CHAT, question) for question in QUESTIONS]
    answers = decode_answers(student, prompts, TOKENS, sketch=sketch)
    assert len({len(answer.tokens) for answer in answers}) > 1, (
        "rows that leave the batch one by one"
    )
    for prompt, answer in zip(prompts, answers, strict=True):
        assert answer.gradient_M is not None
        assert answer.gradient_M.dtype == np.float32
        expected_M = sketch_by_definition(
            sketch, compute_gradient(folder, prompt, answer.tokens)
        )
        assert answer.gradient_M == pytest.approx(expected_M, abs=2e-4)


def test_inner_products_are_the_gradients_own_in_the_mean_of_many_sketches(
    tiny: Path, student: InferenceModel
) -> None:
    """Of every pair, itself with itself too: within 4 standard errors, and no wider than the size
    allows.
    """
    tokens = [row_ids(student, CHAT, *row) for row in ROWS]
    exact = np.stack(
        [compute_gradient(tiny, *row_tokens).ravel() for row_tokens in tokens]
    )
    hidden, ids, row = compute_hidden(tiny, tokens)
    logits = hidden @ load_student(tiny).model.get_output_embeddings().weight.detach().T
    for size in (32, 512):
        sketches = []
        for seed in range(250):
            sketch = draw_sketch(logits.shape[1], hidden.shape[1], size, seed)
            sketches.append(
                sum_sketches(sketch, logits, hidden, ids, row)
                .compute_means([len(t) for _, t in tokens])
                .astype(float)
            )
        for i, j in combinations_with_replacement(range(len(ROWS)), 2):
            products = np.array([g[i] @ g[j] for g in sketches])
            error = products - exact[i] @ exact[j]
            assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error))
            assert error.std() < 3 * np.linalg.norm(exact[i]) * np.linalg.norm(
                exact[j]
            ) / np.sqrt(size)


def compute_hidden(
    folder: Path, rows: list[tuple[list[int], list[int]]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """hidden_N_D, ids_N and row_N of rows' answers, one after the other, from the model as it
    came.
    """
    decoder = load_student(folder).model.get_decoder()
    hidden = []
    with torch.no_grad():
        for prompt, tokens in rows:
            state_1_T_D = decoder(
                torch.tensor([[*prompt, *tokens]]), use_cache=False
            ).last_hidden_state
            hidden.append(state_1_T_D[0, len(prompt) - 1 : -1])
    lengths = torch.tensor([len(tokens) for _, tokens in rows])
    ids = torch.tensor([token for _, tokens in rows for token in tokens])
    return torch.cat(hidden), ids, torch.repeat_interleave(lengths)


def test_a_row_s_sketch_is_the_same_in_any_batch(
    student: InferenceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sketch = make_sketch(student, seed=1, size=128)
    requests = [AttemptRequest(f"q{i}", q) for i, q in enumerate(QUESTIONS)]
    alone_N_M = np.stack(
        [
            get_only_gradient(read_answers(student, CHAT, [row], sketch=sketch))
            for row in ROWS
        ]
    )
    for batch_tokens in (1, 300, 9999):
        gradient_N_M = np.stack(
            [
                answer.gradient_M
                for answer in read_answers(student, CHAT, ROWS, batch_tokens, sketch)
            ]
        )
        np.testing.assert_allclose(gradient_N_M, alone_N_M, atol=1e-5)
    together_N_M = answer_questions(
        student, CHAT, requests, TOKENS, sketch=sketch
    ).gradient_N_M
    singles = [
        answer_questions(student, CHAT, [request], TOKENS, sketch=sketch).gradient_N_M
        for request in requests
    ]
    np.testing.assert_allclose(together_N_M, np.concatenate(singles), atol=1e-5)
    monkeypatch.setattr(
        attempting, "MAX_CACHE_BYTES", 200 * cache_bytes_per_token(student)
    )
    again_N_M = answer_questions(
        student, CHAT, requests[::-1], TOKENS, sketch=sketch
    ).gradient_N_M
    np.testing.assert_allclose(again_N_M[::-1], together_N_M, atol=1e-5)
    assert len(np.unique(together_N_M.round(4), axis=0)) == len(requests), (
        "rows that differ, or this test shows nothing"
    )


def get_only_gradient(answers: list[AnswerSignals]) -> np.ndarray:
    (answer,) = answers
    return answer.gradient_M


def test_an_answer_that_is_read_again_has_the_sketch_that_it_was_given_with(
    student: InferenceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sketch = make_sketch(student, seed=2, size=96)
    prompts = [prompt_ids(student, CHAT, q) for q in QUESTIONS]
    answer_by_question = dict(
        zip(
            QUESTIONS,
            decode_answers(student, prompts, TOKENS, sketch=sketch),
            strict=True,
        )
    )
    monkeypatch.setattr(
        scoring,
        "row_ids",
        lambda s, c, q, _: (prompt_ids(s, c, q), answer_by_question[q].tokens),
    )
    for decoded, answer in zip(
        answer_by_question.values(),
        read_answers(
            student, CHAT, [(q, "") for q in answer_by_question], sketch=sketch
        ),
        strict=True,
    ):
        np.testing.assert_allclose(decoded.gradient_M, answer.gradient_M, atol=1e-5)


def test_a_sketch_changes_nothing_else_and_is_not_there_unasked(
    student: InferenceModel,
) -> None:
    sketch = make_sketch(student, seed=1, size=64)
    requests = [AttemptRequest(f"q{i}", q) for i, q in enumerate(QUESTIONS)]
    without_sketch = read_answers(student, CHAT, ROWS)
    with_sketch = read_answers(student, CHAT, ROWS, sketch=sketch)
    assert [a[:5] for a in without_sketch] == [a[:5] for a in with_sketch]
    assert all(a.gradient_M is None for a in without_sketch)
    batch_without = answer_questions(student, CHAT, requests, TOKENS)
    batch_with = answer_questions(student, CHAT, requests, TOKENS, sketch=sketch)
    assert batch_without.attempts == batch_with.attempts
    assert batch_without.gradient_N_M is None
    assert batch_with.gradient_N_M is not None
    assert batch_with.gradient_N_M.shape == (len(requests), 64)


def test_in_bf16_the_sketch_is_float32_and_near(
    tiny: Path, student: InferenceModel
) -> None:
    sketch = make_sketch(student, seed=5, size=256)
    for in_float32, in_bf16 in zip(
        *(
            read_answers(s, CHAT, ROWS, sketch=sketch)
            for s in (student, load_for_inference(tiny, "bf16"))
        ),
        strict=True,
    ):
        assert in_bf16.gradient_M.dtype == np.float32
        assert (
            in_float32.gradient_M @ in_bf16.gradient_M
            > 0.995 * np.linalg.norm(in_float32.gradient_M) ** 2
        )


def test_the_seed_says_what_the_tables_are() -> None:
    one, same, other = (
        [*draw_sketch(100, 20, 32, seed).tokens, *draw_sketch(100, 20, 32, seed).hidden]
        for seed in (7, 7, 8)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_buckets_are_shared_evenly_and_by_chance() -> None:
    """Never by hidden numbers that fit; by two tokens as often as their number and the size say."""
    size = 16
    n_draws = 4000
    max_entries = 3
    sketches = [draw_sketch(40, 12, size, seed) for seed in range(n_draws)]
    for sketch in sketches[:50]:
        assert sorted(set(sketch.hidden.bucket_K.tolist())) == sorted(
            sketch.hidden.bucket_K.tolist()
        )
        assert np.bincount(sketch.tokens.bucket_K).max() == max_entries
    share = (max_entries - 1) / (max_entries * size - 1)
    for one, other in ((0, 16), (3, 38), (20, 21)):
        meeting_share = (
            sum(
                bool(s.tokens.bucket_K[one] == s.tokens.bucket_K[other])
                for s in sketches
            )
            / n_draws
        )
        assert meeting_share == pytest.approx(share, abs=4 * (share / n_draws) ** 0.5)


def test_egl_is_the_squared_length_that_gradients_of_drawn_tokens_have(
    tiny: Path, student: InferenceModel
) -> None:
    """Monte Carlo: the answer's tokens drawn anew at every place, whole gradients, squared
    lengths.
    """
    prompt, tokens = row_ids(student, CHAT, "Why?", "Because of tea.")
    hidden, ids, _ = compute_hidden(tiny, [(prompt, tokens)])
    p = (
        hidden @ load_student(tiny).model.get_output_embeddings().weight.detach().T
    ).softmax(-1)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(p, 3000, replacement=True, generator=generator).T
    gradients = torch.einsum("tv,td->vd", p, hidden) - torch.stack(
        [
            torch.zeros(p.shape[1], hidden.shape[1]).index_add_(0, drawn_tokens, hidden)
            for drawn_tokens in drawn
        ]
    )
    squared_lengths = gradients.square().sum((1, 2)).numpy()
    (answer,) = read_answers(student, CHAT, [("Why?", "Because of tea.")])
    assert len(tokens) == len(ids)
    assert (
        abs(squared_lengths.mean() - answer.egl * len(tokens))
        < 4 * squared_lengths.std() / len(squared_lengths) ** 0.5
    )
    assert (
        squared_lengths.std() / len(squared_lengths) ** 0.5
        < 0.02 * squared_lengths.mean()
    ), "draws enough to tell"
