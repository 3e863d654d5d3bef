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
    """A student; prompts by length; what it decodes of them together and one by one;
    transformers' own answers, by the model as it came, its own cache, one by one.
    """

    student: InferenceModel
    plain: LoadedStudent
    prompts: list[list[int]]
    batch: list[DecodedAnswer]
    alone: list[DecodedAnswer]
    generated: list[list[int]]


@pytest.fixture(scope="module")
def case_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in made:
            made[name] = make(build(name, tmp_path_factory.mktemp(name)))
        return made[name]

    return case


def make(folder: Path) -> Case:
    student, plain = (
        replace(loaded, ends=MANY_ENDS)
        for loaded in (load_for_inference(folder), load_student(folder))
    )
    prompts = sorted((prompt_ids(student, CHAT, q) for q in QUESTIONS), key=len)
    alone = [decode_batch(student, [prompt], TOKENS)[0] for prompt in prompts]
    wanted = [generated(plain, prompt) for prompt in prompts]
    return Case(
        student, plain, prompts, decode_batch(student, prompts, TOKENS), alone, wanted
    )


@pytest.fixture(params=[*ARCHITECTURES, *HYBRIDS])
def case(request: pytest.FixtureRequest, case_of: Callable[[str], Case]) -> Case:
    return case_of(request.param)


def generated(plain: LoadedStudent, prompt: list[int]) -> list[int]:
    ids_1_T = torch.tensor([prompt])
    given = {
        "attention_mask": torch.ones_like(ids_1_T),
        "do_sample": False,
        "pad_token_id": 0,
    }
    out = plain.model.generate(
        ids_1_T, max_new_tokens=TOKENS, eos_token_id=sorted(plain.ends), **given
    )
    return list(out[0, len(prompt) :].tolist())


def taught(
    plain: LoadedStudent, prompt: list[int], tokens: list[int]
) -> tuple[list[np.ndarray], np.ndarray]:
    """The signals of given tokens by one pass over the row, without a cache, and the mean of what
    the head read.
    """
    ids_1_T, answer = torch.tensor([[*prompt, *tokens]]), slice(len(prompt) - 1, -1)
    with torch.inference_mode():
        hidden_N_D = plain.model.get_decoder()(
            input_ids=ids_1_T, use_cache=False
        ).last_hidden_state[0, answer]
        logits_N_V = (
            plain.model(input_ids=ids_1_T, use_cache=False).logits[0, answer].float()
        )
        found = compute_signals(logits_N_V, hidden_N_D, torch.tensor(tokens))
        return [column.numpy() for column in found], hidden_N_D.mean(0).numpy()


def test_a_batch_gives_the_tokens_of_generate_row_by_row(case: Case) -> None:
    assert [d.tokens for d in case.batch] == case.generated
    assert [d.tokens for d in case.alone] == case.generated
    assert [d.has_ended for d in case.batch] == [
        tokens[-1] in MANY_ENDS for tokens in case.generated
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
    lengths = [{len(d.tokens) for d in case_of(name).batch} for name in ARCHITECTURES]
    assert sum(len(some) > 2 for some in lengths) >= len(ARCHITECTURES) // 2
    assert any(1 in some for some in lengths)
    assert any(not d.has_ended for name in ARCHITECTURES for d in case_of(name).batch)


def test_the_signals_are_those_of_a_pass_over_the_tokens(case: Case) -> None:
    for prompt, decoded in zip(case.prompts, case.batch, strict=True):
        columns, embedding_D = taught(case.plain, prompt, decoded.tokens)
        for name, column, ours in zip(
            decoded.signals._fields, columns, decoded.signals, strict=True
        ):
            assert ours == pytest.approx(column, rel=1e-4, abs=5e-4), name
        wanted, found = (
            summarise_signals(TokenSignals(*columns), embedding_D),
            summarise_signals(decoded.signals, decoded.embedding_D),
        )
        assert found[:3] == pytest.approx(wanted[:3], abs=1e-5)
        assert found.max_nll == pytest.approx(wanted.max_nll, abs=1e-4)
        assert found.egl == pytest.approx(wanted.egl, rel=1e-5)
        assert found.embedding_D == pytest.approx(embedding_D, abs=1e-5)


def test_a_batch_says_what_a_row_alone_says(case: Case) -> None:
    for together, alone in zip(case.batch, case.alone, strict=True):
        for ours, theirs in zip(together.signals, alone.signals, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)


def test_keys_stay_where_they_are_beside_a_layer_that_keeps_a_state(
    case_of: Callable[[str], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Lfm2: transformers' own cache would copy the keys and values of all columns for each
    token.
    """
    case, seen = case_of("lfm2"), set[int]()

    def held(*shape: Any) -> KVCache:
        made = make_kv_cache(*shape)
        kept.append(made)
        return made

    def noted(
        student: InferenceModel, held: KVCache, *given: torch.Tensor
    ) -> torch.Tensor:
        out = run_decoder(student, held, *given)
        seen.update(
            layer.keys.data_ptr()
            for layer in held.past.layers
            if isinstance(layer, InPlaceLayer)
        )
        return out

    kept, run_decoder = list[KVCache](), decoding.forward_decoder
    monkeypatch.setattr(decoding, "make_kv_cache", held)
    monkeypatch.setattr(decoding, "forward_decoder", noted)
    assert [
        d.tokens for d in decode_batch(case.student, case.prompts, TOKENS)
    ] == case.generated
    layers = [type(layer).__name__ for layer in kept[0].past.layers]
    assert layers == ["LinearAttentionLayer", "InPlaceLayer", "LinearAttentionLayer"]
    assert len(seen) == 1, "one buffer, from the first token to the last"


def test_prompts_read_in_parts_or_each_from_its_beginning_give_the_same(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (prefill, "PREFILL_TOKENS", 40),
        (forward, "MIN_TOKENS_SAVED", 10**6),
    ):
        monkeypatch.setattr(module, name, value)
        again = decode_batch(case.student, case.prompts, TOKENS)
        assert [d.tokens for d in again] == case.generated
        for ours, theirs in zip(again, case.batch, strict=True):
            assert ours.signals.nll == pytest.approx(theirs.signals.nll, abs=1e-4)


def test_what_prompts_share_and_equal_prompts_are_read_once(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    run_decoder = decoding.forward_decoder

    def counted(
        student: InferenceModel,
        held: KVCache,
        ids: torch.Tensor,
        mask: torch.Tensor,
        position: torch.Tensor,
    ) -> object:
        if ids.shape[1] > 1:
            read.append(int(mask[:, -ids.shape[1] :].sum()))
        return run_decoder(student, held, ids, mask, position)

    for module in (forward, prefill):
        monkeypatch.setattr(module, "forward_decoder", counted)
    copies = [1, 3, 1, 2, 1, 4]
    of = [i for i, n in enumerate(copies) for _ in range(n)]
    repeated = decode_batch(case.student, [case.prompts[i] for i in of], TOKENS)
    shared = (
        len(CHAT.system or "") + 3
    )  # the system's role, its end, the user's role: a token each, as a byte is
    ours = make_kv_cache(case.student.model.config, 1, 1, 2).state is not None
    assert (
        sum(read)
        == sum(map(len, case.prompts)) - (len(case.prompts) - 1) * shared * ours
    )
    for i, decoded in zip(of, repeated, strict=True):
        assert decoded.tokens == case.generated[i]
        assert decoded.signals.nll == pytest.approx(case.batch[i].signals.nll, abs=1e-4)


def test_an_answer_that_is_its_target_is_not_decoded_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens, signals and embedding are those of decoding; rows beside it whose targets are
    others go on.
    """
    steps: list[int] = []
    run_decoder = decoding.forward_decoder

    def counted(
        student: InferenceModel,
        held: KVCache,
        ids: torch.Tensor,
        mask: torch.Tensor,
        position: torch.Tensor,
    ) -> object:
        if ids.shape[1] == 1:
            steps.append(len(ids))
        return run_decoder(student, held, ids, mask, position)

    monkeypatch.setattr(decoding, "forward_decoder", counted)
    ended = [d.has_ended for d in case.batch]
    own = [d.tokens for d in case.batch]
    found = decode_batch(case.student, case.prompts, TOKENS, targets=own)
    steps_own, steps[:] = sum(steps), []
    assert [(d.tokens, d.has_ended) for d in found] == [
        (d.tokens, d.has_ended) for d in case.batch
    ]
    for ours, theirs in zip(found, case.batch, strict=True):
        assert ours.target_nll == pytest.approx(
            float(theirs.signals.nll.mean(dtype=np.float64)), abs=1e-5
        )
        assert ours.embedding_D == pytest.approx(theirs.embedding_D, abs=1e-4)
        for mine, known in zip(ours.signals, theirs.signals, strict=True):
            assert mine == pytest.approx(known, rel=1e-4, abs=5e-4)
    others = [[*tokens[:-1], tokens[-1] ^ 1] for tokens in own]
    again = decode_batch(case.student, case.prompts, TOKENS, targets=others)
    assert [d.tokens for d in again] == own
    assert sum(steps) - steps_own == sum(
        len(d.tokens) - 1 for d, e in zip(case.batch, ended, strict=True) if e
    )
    short = [tokens[: len(tokens) - 1] for tokens in own]
    assert [
        d.tokens
        for d in decode_batch(case.student, case.prompts, TOKENS, targets=short)
    ] == own, "no end, no answer"


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
    found = decode_batch(
        case.student, [p for p, _ in rows], TOKENS, targets=[t for _, t in rows]
    )
    assert [d.tokens for d in found] == [
        *(d.tokens for d in case.batch),
        case.batch[-1].tokens,
    ]
    for (prompt, target), decoded in zip(rows, found, strict=True):
        if not target:
            assert decoded.target_nll is None
            continue
        with torch.inference_mode():
            logits = (
                case.plain.model(torch.tensor([[*prompt, *target]]))
                .logits[0, len(prompt) - 1 : -1]
                .double()
            )
        expected = torch.nn.functional.cross_entropy(
            logits, torch.tensor(target)
        ).item()
        assert decoded.target_nll == pytest.approx(expected, abs=1e-5)
