"""Attempts: answers in the caller's order, with texts, ends, signals and stop strings as they
should be.
"""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachback.student import attempt as attempting
from teachback.student.attempt import (
    AttemptBatch,
    AttemptRequest,
    answer_questions,
    batch_prompts,
    cache_bytes_per_token,
    decode_answers,
)
from teachback.student.chat import Chat, prompt_ids
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.kv_cache import compact_rows
from teachback.student.sampling import Sampling
from teachback.types import Attempt

CHAT = Chat(system="Be short.")
QUESTIONS = [
    "Why?",
    "What is two and two, and why is that so?",
    "Tell me about tea.",
    "x" * 60,
    "Go.",
    "Why?",
]
REQUESTS = [AttemptRequest(f"q{i}", question) for i, question in enumerate(QUESTIONS)]
TOKENS = 32


@pytest.fixture(scope="module")
def student(tiny: Path) -> InferenceModel:
    return replace(load_for_inference(tiny), ends=frozenset({1, *range(5, 261, 40)}))


@pytest.fixture(scope="module")
def whole_batch(student: InferenceModel) -> AttemptBatch:
    return answer_questions(student, CHAT, REQUESTS, TOKENS)


def test_the_answers_come_in_the_callers_order_whatever_the_batches(
    student: InferenceModel, whole_batch: AttemptBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    single_batches = [
        answer_questions(student, CHAT, [request], TOKENS) for request in REQUESTS
    ]
    assert [a.id for a in whole_batch.attempts] == [request.id for request in REQUESTS]
    for attempt, single_batch, embedding_D in zip(
        whole_batch.attempts, single_batches, whole_batch.embedding_N_D, strict=True
    ):
        assert attempts_agree(attempt, single_batch.attempts[0])
        assert embedding_D == pytest.approx(single_batch.embedding_N_D[0], abs=1e-5)
    monkeypatch.setattr(
        attempting, "MAX_CACHE_BYTES", 200 * cache_bytes_per_token(student)
    )
    in_batches = answer_questions(student, CHAT, REQUESTS[::-1], TOKENS)
    assert all(
        attempts_agree(a, b)
        for a, b in zip(in_batches.attempts[::-1], whole_batch.attempts, strict=True)
    )


def attempts_agree(a: Attempt, b: Attempt) -> bool:
    numbers = [[x.nll, x.max_nll, x.entropy, x.gap, x.egl] for x in (a, b)]
    return (a.id, a.text, a.n_tokens, a.truncated) == (
        b.id,
        b.text,
        b.n_tokens,
        b.truncated,
    ) and numbers[0] == pytest.approx(numbers[1], rel=1e-5, abs=1e-5)


def test_an_answer_has_its_end_token_unless_it_is_truncated(
    student: InferenceModel, whole_batch: AttemptBatch
) -> None:
    answers = decode_answers(
        student, [prompt_ids(student, CHAT, q) for q in QUESTIONS], TOKENS
    )
    for answer, a in zip(answers, whole_batch.attempts, strict=True):
        assert a.n_tokens == len(answer.tokens)
        assert a.truncated == (answer.tokens[-1] not in student.ends)
        assert not any(token in student.ends for token in answer.tokens[:-1])
        assert a.nll == pytest.approx(answer.signals.nll.mean())
        assert a.max_nll == pytest.approx(answer.signals.nll.max())
        assert a.n_tokens == TOKENS if a.truncated else a.n_tokens <= TOKENS
    assert {a.truncated for a in whole_batch.attempts} == {True, False}


def test_a_stop_string_ends_an_answer_before_it_and_its_tokens_count(
    student: InferenceModel, whole_batch: AttemptBatch
) -> None:
    """Strings of one and several tokens out of the answers themselves."""
    unstopped = decode_answers(
        student, [prompt_ids(student, CHAT, q) for q in QUESTIONS], TOKENS
    )
    longest_text = max(whole_batch.attempts, key=lambda a: len(a.text)).text
    for stop in (longest_text[3], longest_text[4:7], longest_text[-2:]):
        stopped_batch = answer_questions(
            student, CHAT, REQUESTS, TOKENS, stop=[stop, "not in any answer"]
        )
        for a, before, answer in zip(
            stopped_batch.attempts, whole_batch.attempts, unstopped, strict=True
        ):
            if stop not in before.text:
                assert attempts_agree(a, before)
                continue
            shortest = next(
                n
                for n in range(1, TOKENS + 1)
                if stop in decode(student, answer.tokens[:n])
            )
            assert (a.text, a.n_tokens) == (
                before.text[: before.text.index(stop)],
                shortest,
            )
            assert not a.truncated
            assert a.nll == pytest.approx(
                answer.signals.nll[:shortest].mean(), abs=1e-5
            )
        assert any(stop in a.text for a in whole_batch.attempts)


def decode(student: InferenceModel, tokens: list[int]) -> str:
    return str(
        student.tokenizer.decode(
            [t for t in tokens if t not in student.ends], skip_special_tokens=True
        )
    )


def test_of_several_stop_strings_the_first_in_the_text_counts(
    student: InferenceModel, whole_batch: AttemptBatch
) -> None:
    longest = max(whole_batch.attempts, key=lambda a: len(a.text))
    early = longest.text[4:6]
    late = longest.text[7:9]
    a = next(
        a
        for a in answer_questions(
            student, CHAT, REQUESTS, TOKENS, stop=[late, early]
        ).attempts
        if a.id == longest.id
    )
    assert a.text == longest.text[: longest.text.index(early)]


def test_sampled_answers_have_the_students_own_signals(student: InferenceModel) -> None:
    sampling = Sampling(1.0, [Random(i) for i in range(len(REQUESTS))])
    batch = answer_questions(student, CHAT, REQUESTS, TOKENS, sampling)
    assert batch.attempts[0].text != batch.attempts[-1].text, (
        "the same question, two streams"
    )
    assert all(a.max_nll is not None and a.max_nll >= a.nll > 0 for a in batch.attempts)


def test_in_bf16_the_log_probabilities_are_of_float32_logits(tiny: Path) -> None:
    """Rounded to bf16 they would be multiples of 1/64 here."""
    answers = decode_answers(load_for_inference(tiny, "bf16"), [[5, 6, 7], [8, 9]], 12)
    nll = [float(x) for answer in answers for x in answer.signals.nll]
    assert all(0 < x < 50 for x in nll)
    assert any(x * 64 % 1 for x in nll)
    assert all(answer.embedding_D.dtype.name == "float32" for answer in answers)


@given(st.lists(st.booleans(), max_size=40))
def test_the_last_rows_fill_the_gaps_and_no_other_moves(is_active: list[bool]) -> None:
    rows = compact_rows(is_active)
    assert sorted(rows) == [b for b, active in enumerate(is_active) if active]
    assert all(place == to or place >= len(rows) for to, place in enumerate(rows))


@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=60),
    st.integers(1, 200),
    st.integers(200, 8000),
)
def test_batches_hold_every_row_once_within_their_bound(
    lengths: list[int], max_new_tokens: int, max_tokens: int
) -> None:
    prompts = [[7] * n for n in lengths]
    groups = batch_prompts(prompts, max_new_tokens, max_tokens)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        assert (
            len(group) == 1
            or len(group) * (max(lengths[i] for i in group) + max_new_tokens)
            <= max_tokens
        )


def test_rows_that_do_not_fit_one_batch_are_shared_out_evenly() -> None:
    assert [
        len(group) for group in batch_prompts([[7] * 10] * 22, 10, max_tokens=400)
    ] == [
        11,
        11,
    ]


def test_equal_prompts_are_neighbours_in_their_batch() -> None:
    prompts = [[1, 2], [3, 4], [1, 2], [5], [3, 4], [1, 2]]
    assert batch_prompts(prompts, 8, max_tokens=10**6) == [[0, 2, 5, 1, 4, 3]]


def test_a_token_takes_what_its_cache_takes(student: InferenceModel) -> None:
    cache = student.decoder(
        input_ids=torch.zeros(1, 10, dtype=torch.long), use_cache=True
    ).past_key_values
    cache_bytes = sum(
        states.nbytes for layer in cache.layers for states in (layer.keys, layer.values)
    )
    assert cache_bytes_per_token(student) == cache_bytes // 10
