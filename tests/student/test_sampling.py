"""Sampled answers: from the student's own distribution, the same for a stream whatever else is in
the batch.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import exp
from pathlib import Path
from random import Random

import pytest
import torch

from teachback.rng import draw
from teachback.student import attempt as attempting
from teachback.student.attempt import decode_answers
from teachback.student.chat import Chat, prompt_ids
from teachback.student.decode import decode_batch
from teachback.student.decode_log import DecodedAnswer
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.sampling import Sampling, sample_tokens

CHAT = Chat()
QUESTIONS = [
    "Why?",
    "What is two and two, and why is that so?",
    "Tell me about tea.",
    "x" * 60,
    "Go.",
]


@pytest.fixture(scope="module")
def student(tiny: Path) -> InferenceModel:
    """With more end tokens than one, so that its answers end after a few tokens each."""
    return replace(load_for_inference(tiny), ends=frozenset({1, *range(5, 261, 20)}))


def make_stream(question: str, n: int = 0, seed: int = 7) -> Random:
    return draw(seed, 0, "sample", question, n)


def encode_prompts(
    student: InferenceModel, questions: Sequence[str]
) -> list[list[int]]:
    return [prompt_ids(student, CHAT, q) for q in questions]


def sample_answers(
    student: InferenceModel,
    questions: list[str],
    temperature: float = 1.0,
    **which: int,
) -> list[DecodedAnswer]:
    return decode_batch(
        student,
        encode_prompts(student, questions),
        24,
        Sampling(temperature, [make_stream(q, **which) for q in questions]),
    )


def test_the_same_stream_gives_the_same_answer_in_any_batch(
    student: InferenceModel,
) -> None:
    batch_tokens = [d.tokens for d in sample_answers(student, QUESTIONS)]
    assert [d.tokens for d in sample_answers(student, QUESTIONS)] == batch_tokens
    assert [
        d.tokens for d in sample_answers(student, QUESTIONS[::-1])[::-1]
    ] == batch_tokens
    assert [
        sample_answers(student, [question])[0].tokens for question in QUESTIONS
    ] == batch_tokens
    assert len({len(tokens) for tokens in batch_tokens}) > 1, (
        "answers of several lengths, or rows never leave the batch"
    )


def test_another_number_or_run_seed_gives_another_answer(
    student: InferenceModel,
) -> None:
    first_tokens = [d.tokens for d in sample_answers(student, QUESTIONS)]
    for changes in ({"n": 1}, {"seed": 8}):
        assert all(
            a != d.tokens
            for a, d in zip(
                first_tokens, sample_answers(student, QUESTIONS, **changes), strict=True
            )
        )


def test_k_answers_to_a_question_are_those_of_k_calls(
    student: InferenceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for in the order that a run asks in, the samples of one question far apart, in
    batches of some rows.
    """
    questions = [(q, n) for n in range(4) for q in QUESTIONS]
    monkeypatch.setattr(
        attempting, "MAX_CACHE_BYTES", 400 * attempting.cache_bytes_per_token(student)
    )
    sampling = Sampling(1.0, [make_stream(q, n) for q, n in questions])
    answers = decode_answers(
        student, encode_prompts(student, [q for q, _ in questions]), 24, sampling
    )
    for (question, n), answer in zip(questions, answers, strict=True):
        assert answer.tokens == sample_answers(student, [question], n=n)[0].tokens
    assert len({tuple(d.tokens) for d in answers}) > len(QUESTIONS)


def test_near_zero_temperature_is_greedy(student: InferenceModel) -> None:
    greedy = decode_batch(student, encode_prompts(student, QUESTIONS), 24)
    cold = sample_answers(student, QUESTIONS, temperature=1e-4)
    assert [d.tokens for d in cold] == [d.tokens for d in greedy]
    for answer, expected in zip(cold, greedy, strict=True):
        assert answer.signals.nll.tolist() == expected.signals.nll.tolist()


def test_the_signals_are_at_temperature_one_whatever_was_sampled_at(
    student: InferenceModel,
) -> None:
    prompt = prompt_ids(student, CHAT, QUESTIONS[1])
    for temperature in (0.5, 2.0):
        answer = sample_answers(student, QUESTIONS[1:2], temperature)[0]
        with torch.no_grad():
            logits = student.model(torch.tensor([prompt + answer.tokens])).logits[
                0, len(prompt) - 1 : -1
            ]
        nll = torch.nn.functional.cross_entropy(
            logits, torch.tensor(answer.tokens), reduction="none"
        )
        entropy = torch.distributions.Categorical(logits=logits).entropy()
        assert answer.signals.nll == pytest.approx(nll.numpy(), abs=5e-4)
        assert answer.signals.entropy == pytest.approx(entropy.numpy(), abs=5e-4)


def test_tokens_come_as_often_as_the_tempered_distribution_says() -> None:
    """20,000 draws of one position, against softmax(logits / T) by chi-squared."""
    from scipy.stats import chisquare

    logits = torch.tensor([2.0, -1.0, 0.5, -40.0, 1.0])
    n = 20_000
    dice = Random(0)
    for temperature in (0.7, 1.5):
        weights = [exp(x / temperature) for x in logits.tolist()]
        tokens = Counter(
            sample_tokens(logits.expand(n, 5), temperature, [dice] * n).tolist()
        )
        assert tokens[3] == 0
        expected = [n * w / sum(weights) for w in weights]
        possible = [k for k in range(5) if k != 3]
        total = sum(expected[k] for k in possible)
        test = chisquare(
            [tokens[k] for k in possible], [expected[k] * n / total for k in possible]
        )
        assert test.pvalue > 0.01


class FixedRandom(Random):
    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


def test_the_ends_of_the_unit_interval_never_give_a_token_without_a_chance() -> None:
    logits = torch.tensor([[float("-inf"), 0.0, 0.0, float("-inf")]])
    assert sample_tokens(logits, 1.0, [FixedRandom(0.0)]).tolist() == [1]
    assert sample_tokens(logits, 1.0, [FixedRandom(0.5)]).tolist() == [2]
    assert sample_tokens(logits, 1.0, [FixedRandom(1 - 2**-53)]).tolist() == [2]


def test_each_token_takes_one_number_and_a_finished_row_none(
    student: InferenceModel,
) -> None:
    streams = [make_stream(q) for q in QUESTIONS]
    answers = decode_batch(
        student, encode_prompts(student, QUESTIONS), 24, Sampling(1.0, streams)
    )
    for question, stream, answer in zip(QUESTIONS, streams, answers, strict=True):
        fresh = make_stream(question)
        for _ in answer.tokens:
            fresh.random()
        assert stream.random() == fresh.random()
