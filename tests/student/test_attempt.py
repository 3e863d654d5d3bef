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
ASKED = [AttemptRequest(f"q{i}", question) for i, question in enumerate(QUESTIONS)]
TOKENS = 32


@pytest.fixture(scope="module")
def student(tiny: Path) -> InferenceModel:
    return replace(load_for_inference(tiny), ends=frozenset({1, *range(5, 261, 40)}))


@pytest.fixture(scope="module")
def plain(student: InferenceModel) -> AttemptBatch:
    return answer_questions(student, CHAT, ASKED, TOKENS)


def test_the_answers_come_in_the_callers_order_whatever_the_batches(
    student: InferenceModel, plain: AttemptBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [answer_questions(student, CHAT, [one], TOKENS) for one in ASKED]
    assert [a.id for a in plain.attempts] == [one.id for one in ASKED]
    for together, single, embedding_D in zip(
        plain.attempts, alone, plain.embedding_N_D, strict=True
    ):
        assert same(together, single.attempts[0])
        assert embedding_D == pytest.approx(single.embedding_N_D[0], abs=1e-5)
    monkeypatch.setattr(
        attempting, "MAX_CACHE_BYTES", 200 * cache_bytes_per_token(student)
    )
    in_batches = answer_questions(student, CHAT, ASKED[::-1], TOKENS)
    assert all(
        same(a, b)
        for a, b in zip(in_batches.attempts[::-1], plain.attempts, strict=True)
    )


def same(a: Attempt, b: Attempt) -> bool:
    numbers = [[x.nll, x.max_nll, x.entropy, x.gap, x.egl] for x in (a, b)]
    return (a.id, a.text, a.n_tokens, a.truncated) == (
        b.id,
        b.text,
        b.n_tokens,
        b.truncated,
    ) and numbers[0] == pytest.approx(numbers[1], rel=1e-5, abs=1e-5)


def test_an_answer_has_its_end_token_unless_it_is_truncated(
    student: InferenceModel, plain: AttemptBatch
) -> None:
    done = decode_answers(
        student, [prompt_ids(student, CHAT, q) for q in QUESTIONS], TOKENS
    )
    for decoded, a in zip(done, plain.attempts, strict=True):
        assert a.n_tokens == len(decoded.tokens)
        assert a.truncated == (decoded.tokens[-1] not in student.ends)
        assert not any(token in student.ends for token in decoded.tokens[:-1])
        assert a.nll == pytest.approx(decoded.signals.nll.mean())
        assert a.max_nll == pytest.approx(decoded.signals.nll.max())
        assert a.n_tokens == TOKENS if a.truncated else a.n_tokens <= TOKENS
    assert {a.truncated for a in plain.attempts} == {True, False}


def test_a_stop_string_ends_an_answer_before_it_and_its_tokens_count(
    student: InferenceModel, plain: AttemptBatch
) -> None:
    """Strings of one and several tokens out of the answers themselves."""
    never = decode_answers(
        student, [prompt_ids(student, CHAT, q) for q in QUESTIONS], TOKENS
    )
    longest = max(plain.attempts, key=lambda a: len(a.text)).text
    for stop in (longest[3], longest[4:7], longest[-2:]):
        stopped = answer_questions(
            student, CHAT, ASKED, TOKENS, stop=[stop, "not in any answer"]
        )
        for a, before, decoded in zip(
            stopped.attempts, plain.attempts, never, strict=True
        ):
            if stop not in before.text:
                assert same(a, before)
                continue
            shortest = next(
                n
                for n in range(1, TOKENS + 1)
                if stop in text(student, decoded.tokens[:n])
            )
            assert (a.text, a.n_tokens) == (
                before.text[: before.text.index(stop)],
                shortest,
            )
            assert not a.truncated
            assert a.nll == pytest.approx(
                decoded.signals.nll[:shortest].mean(), abs=1e-5
            )
        assert any(stop in a.text for a in plain.attempts)


def text(student: InferenceModel, tokens: list[int]) -> str:
    return str(
        student.tokenizer.decode(
            [t for t in tokens if t not in student.ends], skip_special_tokens=True
        )
    )


def test_of_several_stop_strings_the_first_in_the_text_counts(
    student: InferenceModel, plain: AttemptBatch
) -> None:
    whole = max(plain.attempts, key=lambda a: len(a.text))
    early, late = whole.text[4:6], whole.text[7:9]
    a = next(
        a
        for a in answer_questions(
            student, CHAT, ASKED, TOKENS, stop=[late, early]
        ).attempts
        if a.id == whole.id
    )
    assert a.text == whole.text[: whole.text.index(early)]


def test_sampled_answers_have_the_students_own_signals(student: InferenceModel) -> None:
    sampling = Sampling(1.0, [Random(i) for i in range(len(ASKED))])
    done = answer_questions(student, CHAT, ASKED, TOKENS, sampling)
    assert done.attempts[0].text != done.attempts[-1].text, (
        "the same question, two streams"
    )
    assert all(a.max_nll is not None and a.max_nll >= a.nll > 0 for a in done.attempts)


def test_in_bf16_the_log_probabilities_are_of_float32_logits(tiny: Path) -> None:
    """Rounded to bf16 they would be multiples of 1/64 here."""
    done = decode_answers(load_for_inference(tiny, "bf16"), [[5, 6, 7], [8, 9]], 12)
    nll = [float(x) for decoded in done for x in decoded.signals.nll]
    assert all(0 < x < 50 for x in nll)
    assert any(x * 64 % 1 for x in nll)
    assert all(decoded.embedding_D.dtype.name == "float32" for decoded in done)


@given(st.lists(st.booleans(), max_size=40))
def test_the_last_rows_fill_the_gaps_and_no_other_moves(running: list[bool]) -> None:
    stay = compact_rows(running)
    assert sorted(stay) == [b for b, runs in enumerate(running) if runs]
    assert all(place == to or place >= len(stay) for to, place in enumerate(stay))


@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=60),
    st.integers(1, 200),
    st.integers(200, 8000),
)
def test_batches_hold_every_row_once_within_their_bound(
    lengths: list[int], cap: int, most: int
) -> None:
    prompts = [[7] * n for n in lengths]
    groups = batch_prompts(prompts, cap, most)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        assert (
            len(group) == 1
            or len(group) * (max(lengths[i] for i in group) + cap) <= most
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
    held = sum(
        states.nbytes for layer in cache.layers for states in (layer.keys, layer.values)
    )
    assert cache_bytes_per_token(student) == held // 10
