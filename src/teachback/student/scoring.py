"""Scores given answers with one forward pass of the student."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .batching import batch_by_length, micro_batch_tokens
from .cache_state import CachedPrompt
from .chat import Chat, row_ids
from .context import check_fits_context
from .forward import forward_after_prefix, read_shared_prefix
from .inference import InferenceModel, apply_head
from .kv_cache import KVCache, make_kv_cache
from .signals import TokenSignals, compute_nlls, compute_signals, split_blocks
from .sketch import FloatArray, TensorSketch, new_sketch_sums


class AnswerSignals(NamedTuple):
    """Signals of one answer: means over its tokens, except for max_nll."""

    nll: float
    entropy: float
    top2_margin: float
    max_nll: float  # of the worst token
    egl: float
    embedding_D: FloatArray  # the mean of what the head reads for the tokens
    # The sketch of the head's gradient of `nll`, if there is one.
    gradient_M: FloatArray | None = None


class AnswerPass(NamedTuple):
    """One micro-batch of answers, whose N tokens stand one after the other."""

    row_indices: list[int]
    lengths: list[int]  # tokens of each answer
    hidden_N_D: Any  # what the head reads
    ids_N: Any


def read_answers(
    student: InferenceModel,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    batch_tokens: int | None = None,
    sketch: TensorSketch | None = None,
) -> list[AnswerSignals]:
    """The signals of each (message, answer) row's answer, its end token included.

    The tokens are the same as in finetuning. There is one forward pass, and the head
    runs on the answers' tokens only. sketch: makes the answers' gradients.
    """
    import torch

    signals_of: dict[int, AnswerSignals] = {}
    for answer_pass in run_answer_passes(student, chat, rows, batch_tokens):
        lengths = torch.tensor(answer_pass.lengths, device=student.device)
        row_N = torch.repeat_interleave(lengths)
        sums = new_sketch_sums(sketch, len(answer_pass.lengths)) if sketch else None
        parts = []
        for hidden, ids, row in split_blocks(
            answer_pass.hidden_N_D, answer_pass.ids_N, row_N
        ):
            logits = apply_head(student, hidden)
            sketch_rows = sums.select_rows(row) if sums else None
            parts.append(compute_signals(logits, hidden, ids, sketch_rows))

        answers = split_signals(parts, answer_pass)
        if sums:
            gradients = sums.compute_means(answer_pass.lengths)
            answers = [
                answer._replace(gradient_M=gradient_M)
                for answer, gradient_M in zip(answers, gradients, strict=True)
            ]
        signals_of.update(zip(answer_pass.row_indices, answers, strict=True))
    return [signals_of[i] for i in range(len(rows))]


def split_signals(
    parts: Sequence[TokenSignals], answer_pass: AnswerPass
) -> list[AnswerSignals]:
    """The signals of a pass's tokens, by answer."""
    starts = np.cumsum(answer_pass.lengths)[:-1]
    by_signal = []
    for column in zip(*parts, strict=True):
        values_N = np.concatenate([part.cpu().numpy() for part in column])
        by_signal.append(np.split(values_N, starts))

    answers = []
    by_answer = zip(
        *by_signal, answer_pass.hidden_N_D.split(answer_pass.lengths), strict=True
    )
    for nll, entropy, top2_margin, egl, hidden_T_D in by_answer:
        embedding_D = hidden_T_D.float().mean(0).cpu().numpy()
        signals = TokenSignals(nll, entropy, top2_margin, egl)
        answers.append(summarise_signals(signals, embedding_D))
    return answers


def summarise_signals(signals: TokenSignals, embedding_D: FloatArray) -> AnswerSignals:
    """One answer's token signals, as arrays, in one value each."""
    return AnswerSignals(
        nll=mean_in_float64(signals.nll),
        entropy=mean_in_float64(signals.entropy),
        top2_margin=mean_in_float64(signals.top2_margin),
        max_nll=float(signals.nll.max()),
        egl=mean_in_float64(signals.egl),
        embedding_D=embedding_D,
    )


def mean_in_float64(values: FloatArray) -> float:
    return float(values.mean(dtype=np.float64))


def score_answers(
    student: InferenceModel,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    batch_tokens: int | None = None,
) -> list[float]:
    """The mean nll of each (message, answer) row's answer, in nats a token.

    The same as `read_answers` gives, where nothing else is needed.
    """
    nll_of: dict[int, float] = {}
    for answer_pass in run_answer_passes(student, chat, rows, batch_tokens):
        nll_of.update(
            zip(
                answer_pass.row_indices,
                compute_mean_nlls(student, answer_pass),
                strict=True,
            )
        )
    return [nll_of[i] for i in range(len(rows))]


def compute_mean_nlls(student: InferenceModel, answer_pass: AnswerPass) -> list[float]:
    parts = []
    for hidden, ids in split_blocks(answer_pass.hidden_N_D, answer_pass.ids_N):
        nlls = compute_nlls(apply_head(student, hidden), ids)
        parts.append(nlls.cpu().numpy())
    by_answer = np.split(np.concatenate(parts), np.cumsum(answer_pass.lengths)[:-1])
    return [mean_in_float64(nll) for nll in by_answer]


def run_answer_passes(
    student: InferenceModel,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    batch_tokens: int | None,
) -> Iterator[AnswerPass]:
    """Run (message, answer) rows through the decoder, one micro-batch after the other."""
    import torch

    tokens = [row_ids(student, chat, message, answer) for message, answer in rows]
    context = student.max_tokens
    for (prompt, answer), (message, _) in zip(tokens, rows, strict=True):
        check_fits_context(context, len(prompt), len(answer), message)
    # The last token predicts nothing.
    lengths = [len(prompt) + len(answer) - 1 for prompt, answer in tokens]
    with torch.inference_mode():
        # No rows: nobody goes on from them, so only the shared prefix is kept.
        cache = KVCache(past=None)
        if student.abilities.cache == "ours":
            cache = make_kv_cache(student.model.config, 0, max(lengths), max(lengths))
        n_shared = read_shared_prefix(student, cache, [prompt for prompt, _ in tokens])
        max_tokens = micro_batch_tokens(batch_tokens, student.device)
        for batch in batch_by_length([n - n_shared for n in lengths], max_tokens):
            if cache.state is not None:
                cache.state.prompts = [CachedPrompt(0, 0, lengths[i]) for i in batch]
            pairs = [tokens[i] for i in batch]
            after_prefix = [[*prompt, *answer][n_shared:-1] for prompt, answer in pairs]
            hidden_B_T_D = forward_after_prefix(
                student, cache if n_shared else None, after_prefix, n_shared
            )
            hidden = []
            ids: list[int] = []
            for row_T_D, (prompt, answer) in zip(hidden_B_T_D, pairs, strict=True):
                start = len(prompt) - 1 - n_shared
                hidden.append(row_T_D[start : start + len(answer)])
                ids += answer
            yield AnswerPass(
                batch,
                [len(answer) for _, answer in pairs],
                torch.cat(hidden),
                torch.tensor(ids, device=student.device),
            )
