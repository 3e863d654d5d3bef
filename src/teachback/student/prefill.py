"""Reads the prompts of a batch, and the targets after them, before anything is decoded.

Equal prompts are read once, and so is the prefix that all prompts share. A target is an
answer whose likelihood is wanted too. Where it is just what the student would answer,
the answer needs no decoding.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from .batching import fill_batches, scale_for_device
from .cache_state import CachedPrompt
from .forward import (
    forward_after_prefix,
    forward_decoder,
    pad_for,
    read_shared_prefix,
)
from .inference import InferenceModel, apply_head
from .kv_cache import KVCache
from .signals import (
    TokenSignals,
    compute_nlls,
    compute_signals,
    join_signals,
    split_blocks,
)

# Tokens that are read at once on a CPU, padding included. More is slower.
PREFILL_TOKENS = 768


class PrefillPrompt(NamedTuple):
    prompt: Sequence[int]
    target: Sequence[int]  # empty: there is none
    copies: int  # the rows that it is read for


class KnownAnswer(NamedTuple):
    """An answer of T tokens that is known without decoding it."""

    ids_T: Any
    signals_T: TokenSignals
    hidden_T_D: Any  # what the head read


class TargetResult(NamedTuple):
    """What the student makes of a row's target."""

    nll: float | None = None  # mean; None: there is no target
    # The target, where each of its tokens is the one that the student would choose.
    answer: KnownAnswer | None = None


def prefill(
    student: InferenceModel,
    cache: KVCache,
    prompts: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    max_known_tokens: int,
) -> tuple[Any, list[TargetResult]]:
    """hidden_B_D of each prompt's last token, and the result of each target.

    max_known_tokens: the longest target that may stand for its row's answer.
    """
    import torch

    distinct = group_equal_prompts(prompts, targets)
    if cache.state is None:
        return prefill_whole(student, cache, distinct, max_known_tokens)

    n_shared = read_shared_prefix(student, cache, [entry.prompt for entry in distinct])
    hidden = []
    results: list[TargetResult] = []
    first_row = 0
    for batch in batch_prefill(distinct, n_shared, student.device):
        cached_prompts = []
        for entry in batch:
            cached_prompts.append(
                CachedPrompt(first_row, entry.copies, len(entry.prompt))
            )
            first_row += entry.copies
        cache.state.prompts = cached_prompts
        hidden_P_T_D = read_with_targets(student, cache, batch, n_shared)
        # The first token of the answer is predicted from the prompt's last one.
        ends = [len(entry.prompt) - n_shared - 1 for entry in batch]
        last_P_D = hidden_P_T_D[torch.arange(len(batch)), ends]
        for entry, last_D in zip(batch, last_P_D, strict=True):
            hidden.append(last_D.expand(entry.copies, -1))
        results += score_targets(student, hidden_P_T_D, ends, batch, max_known_tokens)
    cache.state.prompts = None
    return torch.cat(hidden), results


def prefill_whole(
    student: InferenceModel,
    cache: KVCache,
    distinct: Sequence[PrefillPrompt],
    max_known_tokens: int,
) -> tuple[Any, list[TargetResult]]:
    """The same where prompts can't share anything: all that transformers' cache can do.

    There are passes for the targets, without a cache, and one pass, padded on the left,
    for the prompts whose answers are unknown after that. The cache then has a row for
    each prompt; the rows of known answers may hold anything.
    """
    import torch

    row_prompts: list[int] = []  # which prompt each row has
    for p, entry in enumerate(distinct):
        row_prompts += [p] * entry.copies

    results = score_whole_rows(student, distinct, max_known_tokens)
    unknown = {
        p for p, entry in zip(row_prompts, results, strict=True) if entry.answer is None
    }
    to_read = sorted(unknown) or [0]
    # All prompts are padded together: which of them are read doesn't move a column.
    ids_P_T, mask_P_T = pad_for(
        student, [entry.prompt for entry in distinct], left=True
    )
    mask_Q_T = mask_P_T[to_read]
    position_Q_T = (mask_Q_T.cumsum(-1) - 1).clamp(min=0)
    hidden_Q_T_D = forward_decoder(
        student, cache, ids_P_T[to_read], mask_Q_T, position_Q_T
    )

    place_of = {p: q for q, p in enumerate(to_read)}
    places = [place_of.get(p, 0) for p in row_prompts]
    place_B = torch.tensor(places, device=student.device)
    if places != list(range(len(to_read))):
        cache.past.reorder_cache(place_B)
    return hidden_Q_T_D[place_B, -1], results


def score_whole_rows(
    student: InferenceModel, distinct: Sequence[PrefillPrompt], max_known_tokens: int
) -> list[TargetResult]:
    """A result for each row's target, from passes without a cache."""
    if not any(entry.target for entry in distinct):
        return [TargetResult()] * sum(entry.copies for entry in distinct)
    results: list[TargetResult] = []
    for batch in batch_prefill(distinct, 0, student.device):
        hidden_P_T_D = read_with_targets(student, None, batch, 0)
        ends = [len(entry.prompt) - 1 for entry in batch]
        results += score_targets(student, hidden_P_T_D, ends, batch, max_known_tokens)
    return results


def group_equal_prompts(
    prompts: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]
) -> list[PrefillPrompt]:
    """Equal neighbours as one prompt."""
    distinct = []
    for (prompt, target), rows in groupby(zip(prompts, targets, strict=True)):
        distinct.append(PrefillPrompt(prompt, target, len(list(rows))))
    return distinct


def batch_prefill(
    distinct: Sequence[PrefillPrompt], n_shared: int, device: Any
) -> Iterator[list[PrefillPrompt]]:
    """The prompts that are read together, in their order."""
    max_tokens = scale_for_device(PREFILL_TOKENS, device)

    def too_large(batch: Sequence[PrefillPrompt]) -> bool:
        longest = max(
            len(entry.prompt) - n_shared + len(entry.target) for entry in batch
        )
        return longest * len(batch) > max_tokens

    return fill_batches(distinct, too_large)


def read_with_targets(
    student: InferenceModel,
    cache: KVCache | None,
    batch: Sequence[PrefillPrompt],
    n_shared: int,
) -> Any:
    """hidden_P_T_D of the prompts and targets after the shared prefix.

    A target's last token predicts nothing, and is not read.
    """
    rows = [[*entry.prompt, *entry.target[:-1]][n_shared:] for entry in batch]
    return forward_after_prefix(student, cache, rows, n_shared)


def score_targets(
    student: InferenceModel,
    hidden_P_T_D: Any,
    ends: Sequence[int],
    batch: Sequence[PrefillPrompt],
    max_known_tokens: int,
) -> list[TargetResult]:
    """A result for each row of the batch. ends: the prompts' last columns."""
    import torch

    with_target = [p for p, entry in enumerate(batch) if entry.target]
    hidden = []
    ids = []
    for p in with_target:
        target = batch[p].target
        hidden.append(hidden_P_T_D[p, ends[p] : ends[p] + len(target)])
        ids.append(torch.tensor(list(target), device=student.device))

    results = [TargetResult()] * len(batch)
    nlls = compute_target_nlls(student, hidden, ids)
    with_nlls = zip(with_target, hidden, ids, nlls, strict=True)
    for p, hidden_T_D, ids_T, (nll, is_greedy) in with_nlls:
        fits = len(ids_T) <= max_known_tokens
        answer = None
        if is_greedy and fits and ends_with_end_token(student, ids_T):
            signals_T = compute_target_signals(student, hidden_T_D, ids_T)
            answer = KnownAnswer(ids_T, signals_T, hidden_T_D)
        results[p] = TargetResult(nll, answer)

    by_row: list[TargetResult] = []
    for entry, result in zip(batch, results, strict=True):
        by_row += [result] * entry.copies
    return by_row


def compute_target_nlls(
    student: InferenceModel, hidden: Sequence[Any], ids: Sequence[Any]
) -> list[tuple[float, bool]]:
    """Each target's mean nll, and whether each of its tokens is the likeliest one."""
    import torch

    if not ids:
        return []
    nll_parts = []
    likeliest_parts = []
    for block_hidden, block_ids in split_blocks(
        torch.cat(list(hidden)), torch.cat(list(ids))
    ):
        logits = apply_head(student, block_hidden)
        nll_parts.append(compute_nlls(logits, block_ids).double())
        likeliest_parts.append(logits.argmax(-1) == block_ids)

    lengths = [len(ids_T) for ids_T in ids]
    nlls = torch.split(torch.cat(nll_parts), lengths)
    likeliest = torch.split(torch.cat(likeliest_parts), lengths)
    return [
        (float(nll_T.mean()), bool(likeliest_T.all()))
        for nll_T, likeliest_T in zip(nlls, likeliest, strict=True)
    ]


def ends_with_end_token(student: InferenceModel, ids_T: Any) -> bool:
    """Whether the last token is an end token, and no other is."""
    *others, last = [token in student.ends for token in ids_T.tolist()]
    return last and not any(others)


def compute_target_signals(
    student: InferenceModel, hidden_T_D: Any, ids_T: Any
) -> TokenSignals:
    parts = [
        compute_signals(apply_head(student, hidden), hidden, ids)
        for hidden, ids in split_blocks(hidden_T_D, ids_T)
    ]
    return join_signals(parts)
