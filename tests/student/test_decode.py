"""Decoding gives transformers' own greedy tokens on any architecture, and the signals that a pass
over them gives.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from architectures import ARCHITECTURES, HYBRIDS, build
from teachback.student import decode as decoding
from teachback.student import forward, prefill
from teachback.student.cache_layer import InPlaceLayer
from teachback.student.chat import Chat, prompt_ids
from teachback.student.decode import decode_batch
from teachback.student.decode_log import DecodedAnswer
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.kv_cache import KVCache, make_kv_cache
from teachback.student.loading import LoadedStudent, load_student
from teachback.student.scoring import summarise_signals
from teachback.student.signals import TokenSignals, compute_signals

CHAT = Chat("Answer in one word, and say why.")
QUESTIONS = [
    "Why?",
    "What is two and two, and why is that so?",
    "Tell me about tea.",
    "x" * 60,
    "Go.",
    "Do you?",
]
MANY_ENDS = frozenset(
    {1, *range(7, 261, 15)}
)  # so that its answers end after a few tokens each
TOKENS = 24


class Case(NamedTuple):
    student: InferenceModel
    unpatched: LoadedStudent
    # By length.
    prompts: list[list[int]]
    # What the student decodes of them together, and one by one.
    batch: list[DecodedAnswer]
    alone: list[DecodedAnswer]
    # Transformers' own answers: by the model as it came and its own cache, one by one.
    reference_tokens: list[list[int]]


@pytest.fixture(scope="module")
def case_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    case_by_name: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in case_by_name:
            case_by_name[name] = make_case(build(name, tmp_path_factory.mktemp(name)))
        return case_by_name[name]

    return case


def make_case(folder: Path) -> Case:
    student, unpatched = (
        replace(variant, ends=MANY_ENDS)
        for variant in (load_for_inference(folder), load_student(folder))
    )
    prompts = sorted((prompt_ids(student, CHAT, q) for q in QUESTIONS), key=len)
    alone = [decode_batch(student, [prompt], TOKENS)[0] for prompt in prompts]
    reference_tokens = [generate(unpatched, prompt) for prompt in prompts]
    return Case(
        student,
        unpatched,
        prompts,
        decode_batch(student, prompts, TOKENS),
        alone,
        reference_tokens,
    )


@pytest.fixture(params=[*ARCHITECTURES, *HYBRIDS])
def case(request: pytest.FixtureRequest, case_of: Callable[[str], Case]) -> Case:
    return case_of(request.param)


def generate(unpatched: LoadedStudent, prompt: list[int]) -> list[int]:
    ids_1_T = torch.tensor([prompt])
    settings = {
        "attention_mask": torch.ones_like(ids_1_T),
        "do_sample": False,
        "pad_token_id": 0,
    }
    out = unpatched.model.generate(
        ids_1_T, max_new_tokens=TOKENS, eos_token_id=sorted(unpatched.ends), **settings
    )
    return list(out[0, len(prompt) :].tolist())


def compute_reference(
    unpatched: LoadedStudent, prompt: list[int], tokens: list[int]
) -> tuple[list[np.ndarray], np.ndarray]:
    """The signals of given tokens by one pass over the row, without a cache, and the mean of what
    the head read.
    """
    ids_1_T = torch.tensor([[*prompt, *tokens]])
    answer_slice = slice(len(prompt) - 1, -1)
    with torch.inference_mode():
        hidden_N_D = unpatched.model.get_decoder()(
            input_ids=ids_1_T, use_cache=False
        ).last_hidden_state[0, answer_slice]
        logits_N_V = (
            unpatched.model(input_ids=ids_1_T, use_cache=False)
            .logits[0, answer_slice]
            .float()
        )
        signals = compute_signals(logits_N_V, hidden_N_D, torch.tensor(tokens))
        return [column.numpy() for column in signals], hidden_N_D.mean(0).numpy()


def test_a_batch_gives_the_tokens_of_generate_row_by_row(case: Case) -> None:
    assert [d.tokens for d in case.batch] == case.reference_tokens
    assert [d.tokens for d in case.alone] == case.reference_tokens
    assert [d.has_ended for d in case.batch] == [
        tokens[-1] in MANY_ENDS for tokens in case.reference_tokens
    ]


def test_only_layers_that_keep_more_than_keys_and_values_are_left_to_transformers(
    case_of: Callable[[str], Case],
) -> None:
    configs = {
        name: case_of(name).student.model.config for name in (*ARCHITECTURES, *HYBRIDS)
    }
    ours = {
        name
        for name, config in configs.items()
        if make_kv_cache(config, 1, 1, 2).state is not None
    }
    assert ours == set(ARCHITECTURES)


def test_answers_end_at_different_lengths(case_of: Callable[[str], Case]) -> None:
    """Else no row would ever leave a batch before the others; some at their first token, some
    never.
    """
    batches = [case_of(name).batch for name in ARCHITECTURES]
    lengths = [{len(answer.tokens) for answer in batch} for batch in batches]
    n_varied = sum(len(batch_lengths) > 2 for batch_lengths in lengths)
    assert n_varied >= len(ARCHITECTURES) // 2
    assert any(1 in batch_lengths for batch_lengths in lengths)
    assert any(not answer.has_ended for batch in batches for answer in batch)


def test_the_signals_are_those_of_a_pass_over_the_tokens(case: Case) -> None:
    for prompt, answer in zip(case.prompts, case.batch, strict=True):
        columns, embedding_D = compute_reference(case.unpatched, prompt, answer.tokens)
        for name, expected_T, signal_T in zip(
            answer.signals._fields, columns, answer.signals, strict=True
        ):
            assert signal_T == pytest.approx(expected_T, rel=1e-4, abs=5e-4), name
        expected = summarise_signals(TokenSignals(*columns), embedding_D)
        summary = summarise_signals(answer.signals, answer.embedding_D)
        assert summary[:3] == pytest.approx(expected[:3], abs=1e-5)
        assert summary.max_nll == pytest.approx(expected.max_nll, abs=1e-4)
        assert summary.egl == pytest.approx(expected.egl, rel=1e-5)
        assert summary.embedding_D == pytest.approx(embedding_D, abs=1e-5)


def test_a_batch_says_what_a_row_alone_says(case: Case) -> None:
    for in_batch, alone in zip(case.batch, case.alone, strict=True):
        for batch_T, alone_T in zip(in_batch.signals, alone.signals, strict=True):
            assert batch_T == pytest.approx(alone_T, rel=1e-4, abs=1e-4)


def test_keys_stay_where_they_are_beside_a_layer_that_keeps_a_state(
    case_of: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Lfm2: transformers' own cache would copy the keys and values of all columns for each
    token.
    """
    case = case_of("lfm2")
    buffer_addresses = set[int]()

    def make_and_note(*shape: Any) -> KVCache:
        cache = make_kv_cache(*shape)
        caches.append(cache)
        return cache

    def note_buffers(
        student: InferenceModel, cache: KVCache, *inputs: torch.Tensor
    ) -> torch.Tensor:
        out = run_decoder(student, cache, *inputs)
        buffer_addresses.update(
            layer.keys.data_ptr()
            for layer in cache.past.layers
            if isinstance(layer, InPlaceLayer)
        )
        return out

    caches = list[KVCache]()
    run_decoder = decoding.forward_decoder
    monkeypatch.setattr(decoding, "make_kv_cache", make_and_note)
    monkeypatch.setattr(decoding, "forward_decoder", note_buffers)
    assert [
        d.tokens for d in decode_batch(case.student, case.prompts, TOKENS)
    ] == case.reference_tokens
    layers = [type(layer).__name__ for layer in caches[0].past.layers]
    assert layers == ["LinearAttentionLayer", "InPlaceLayer", "LinearAttentionLayer"]
    assert len(buffer_addresses) == 1, "one buffer, from the first token to the last"


def test_prompts_read_in_parts_or_each_from_its_beginning_give_the_same(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (prefill, "PREFILL_TOKENS", 40),
        (forward, "MIN_TOKENS_SAVED", 10**6),
    ):
        monkeypatch.setattr(module, name, value)
        answers = decode_batch(case.student, case.prompts, TOKENS)
        assert [d.tokens for d in answers] == case.reference_tokens
        for answer, expected in zip(answers, case.batch, strict=True):
            assert answer.signals.nll == pytest.approx(expected.signals.nll, abs=1e-4)


def test_what_prompts_share_and_equal_prompts_are_read_once(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_counts: list[int] = []
    run_decoder = decoding.forward_decoder

    def count_tokens(
        student: InferenceModel,
        cache: KVCache,
        ids: torch.Tensor,
        mask: torch.Tensor,
        position: torch.Tensor,
    ) -> object:
        if ids.shape[1] > 1:
            token_counts.append(int(mask[:, -ids.shape[1] :].sum()))
        return run_decoder(student, cache, ids, mask, position)

    for module in (forward, prefill):
        monkeypatch.setattr(module, "forward_decoder", count_tokens)
    copies = [1, 3, 1, 2, 1, 4]
    prompt_indices = [i for i, n in enumerate(copies) for _ in range(n)]
    answers = decode_batch(
        case.student, [case.prompts[i] for i in prompt_indices], TOKENS
    )
    n_shared = (
        len(CHAT.system or "") + 3
    )  # the system's role, its end, the user's role: a token each, as a byte is
    shares_prefix = make_kv_cache(case.student.model.config, 1, 1, 2).state is not None
    assert (
        sum(token_counts)
        == sum(map(len, case.prompts))
        - (len(case.prompts) - 1) * n_shared * shares_prefix
    )
    for i, answer in zip(prompt_indices, answers, strict=True):
        assert answer.tokens == case.reference_tokens[i]
        assert answer.signals.nll == pytest.approx(case.batch[i].signals.nll, abs=1e-4)


def test_an_answer_that_is_its_target_is_not_decoded_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens, signals and embedding are those of decoding; rows beside it whose targets are
    others go on.
    """
    rows_by_step: list[int] = []
    run_decoder = decoding.forward_decoder

    def count_steps(
        student: InferenceModel,
        cache: KVCache,
        ids: torch.Tensor,
        mask: torch.Tensor,
        position: torch.Tensor,
    ) -> object:
        if ids.shape[1] == 1:
            rows_by_step.append(len(ids))
        return run_decoder(student, cache, ids, mask, position)

    monkeypatch.setattr(decoding, "forward_decoder", count_steps)
    has_ended = [d.has_ended for d in case.batch]
    own_tokens = [d.tokens for d in case.batch]
    answers = decode_batch(case.student, case.prompts, TOKENS, targets=own_tokens)
    n_own_steps = sum(rows_by_step)
    rows_by_step[:] = []
    assert [(d.tokens, d.has_ended) for d in answers] == [
        (d.tokens, d.has_ended) for d in case.batch
    ]
    for answer, expected in zip(answers, case.batch, strict=True):
        assert answer.target_nll == pytest.approx(
            float(expected.signals.nll.mean(dtype=np.float64)), abs=1e-5
        )
        assert answer.embedding_D == pytest.approx(expected.embedding_D, abs=1e-4)
        for signal_T, expected_T in zip(answer.signals, expected.signals, strict=True):
            assert signal_T == pytest.approx(expected_T, rel=1e-4, abs=5e-4)
    other_targets = [[*tokens[:-1], tokens[-1] ^ 1] for tokens in own_tokens]
    other_answers = decode_batch(
        case.student, case.prompts, TOKENS, targets=other_targets
    )
    assert [d.tokens for d in other_answers] == own_tokens
    assert sum(rows_by_step) - n_own_steps == sum(
        len(d.tokens) - 1 for d, e in zip(case.batch, has_ended, strict=True) if e
    )
    short_targets = [tokens[: len(tokens) - 1] for tokens in own_tokens]
    assert [
        d.tokens
        for d in decode_batch(case.student, case.prompts, TOKENS, targets=short_targets)
    ] == own_tokens, "no end, no answer"


def test_targets_are_read_with_their_prompts_and_change_nothing_else(
    case: Case,
) -> None:
    """Of some prompts, one of them twice with another target; the likelihoods are those of
    `score`'s pass.
    """
    rows = [
        (p, d.tokens[:k])
        for k, (p, d) in enumerate(zip(case.prompts, case.batch, strict=True))
    ]
    rows.append((case.prompts[-1], case.batch[0].tokens))
    answers = decode_batch(
        case.student, [p for p, _ in rows], TOKENS, targets=[t for _, t in rows]
    )
    assert [d.tokens for d in answers] == [
        *(d.tokens for d in case.batch),
        case.batch[-1].tokens,
    ]
    for (prompt, target), answer in zip(rows, answers, strict=True):
        if not target:
            assert answer.target_nll is None
            continue
        with torch.inference_mode():
            logits = (
                case.unpatched.model(torch.tensor([[*prompt, *target]]))
                .logits[0, len(prompt) - 1 : -1]
                .double()
            )
        expected_nll = torch.nn.functional.cross_entropy(
            logits, torch.tensor(target)
        ).item()
        assert answer.target_nll == pytest.approx(expected_nll, abs=1e-5)
