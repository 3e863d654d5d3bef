"""Decodes the answers of a batch; a row whose answer has ended leaves it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .decode_log import (
    DecodedAnswer,
    DecodeLog,
    collect_answers,
    find_active_rows,
    log_known_answer,
    log_tokens,
    new_decode_log,
)
from .forward import forward_decoder, pad_for
from .inference import InferenceModel, apply_head
from .kv_cache import KVCache, compact_rows, make_kv_cache
from .prefill import prefill
from .sampling import Sampling, choose_tokens
from .signals import compute_signals
from .sketch import TensorSketch


class ActiveRows(NamedTuple):
    """The B rows that get another token."""

    rows_B: Any  # which of the prompts they answer
    mask_B_C: Any  # which of all C columns hold tokens, now or later
    position_B: Any  # of each row's first new token


def decode_batch(
    student: InferenceModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    check_stop: Callable[[list[int]], bool] | None = None,
    targets: Sequence[Sequence[int]] | None = None,
    sketch: TensorSketch | None = None,
) -> list[DecodedAnswer]:
    """An answer to each prompt, greedy without `sampling`.

    Equal prompts that are neighbours are read once. Signals are at temperature 1 in any
    case. check_stop: whether an answer ends after these tokens. targets: answers to score
    as well, in one pass with their prompts; empty: none. sketch: makes the gradients.
    """
    import torch

    with torch.inference_mode():
        longest = max(map(len, prompts))
        cache = make_kv_cache(
            student.model.config, len(prompts), longest, longest + max_new_tokens
        )
        active = start_rows(student, prompts, max_new_tokens)
        # A target may stand for the answer only where the answer is the greedy one. A
        # sketch has to see each token.
        may_use_target = sampling is None and check_stop is None and sketch is None
        hidden_B_D, results = prefill(
            student,
            cache,
            prompts,
            targets or [()] * len(prompts),
            max_known_tokens=max_new_tokens if may_use_target else 0,
        )

        log = new_decode_log(hidden_B_D, max_new_tokens, sketch)
        for row, result in enumerate(results):
            if result.answer is not None:
                log_known_answer(log, row, result.answer)
        rows_left = compact_rows([result.answer is None for result in results])
        if rows_left:
            active, hidden_B_D = keep_rows(
                student, cache, active, hidden_B_D, rows_left
            )
            decode_rows(
                student,
                cache,
                log,
                active,
                hidden_B_D,
                max_new_tokens,
                sampling,
                check_stop,
            )
        return [
            answer._replace(target_nll=result.nll)
            for answer, result in zip(collect_answers(log), results, strict=True)
        ]


def decode_rows(
    student: InferenceModel,
    cache: KVCache,
    log: DecodeLog,
    active: ActiveRows,
    hidden_B_D: Any,
    max_new_tokens: int,
    sampling: Sampling | None,
    check_stop: Callable[[list[int]], bool] | None,
) -> None:
    """Log up to max_new_tokens tokens of each active row, one column after the other.

    hidden_B_D: of the rows' last prompt tokens.
    """
    n_prompt_columns = active.mask_B_C.shape[1] - max_new_tokens
    for t in range(max_new_tokens):
        logits_B_V = apply_head(student, hidden_B_D)
        token_B = choose_tokens(logits_B_V, sampling, active.rows_B)
        sketch_rows = log.sums.select_rows(active.rows_B) if log.sums else None
        signals_B = compute_signals(logits_B_V, hidden_B_D, token_B, sketch_rows)
        log_tokens(log, t, active.rows_B, token_B, signals_B, hidden_B_D)
        is_active = find_active_rows(
            student, log, t, active.rows_B, token_B, check_stop
        )
        rows_left = compact_rows(is_active)
        # The last token's own pass would predict nothing.
        if not rows_left or t + 1 == max_new_tokens:
            return

        active, token_B = keep_rows(student, cache, active, token_B, rows_left)
        mask_B_C = active.mask_B_C[:, : n_prompt_columns + t + 1]
        position_B_1 = active.position_B[:, None] + t
        hidden_B_1_D = forward_decoder(
            student, cache, token_B[:, None], mask_B_C, position_B_1
        )
        hidden_B_D = hidden_B_1_D[:, 0]


def start_rows(
    student: InferenceModel, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> ActiveRows:
    import torch

    _, mask_B_T = pad_for(student, prompts, left=True)
    new_columns = mask_B_T.new_ones(len(prompts), max_new_tokens)
    return ActiveRows(
        rows_B=torch.arange(len(prompts), device=student.device),
        mask_B_C=torch.cat([mask_B_T, new_columns], dim=1),
        position_B=mask_B_T.sum(-1),
    )


def keep_rows(
    student: InferenceModel,
    cache: KVCache,
    active: ActiveRows,
    values_B: Any,
    rows_left: list[int],
) -> tuple[ActiveRows, Any]:
    """Drop all other rows. values_B: any tensor with an entry for each row."""
    import torch

    if len(rows_left) == len(values_B):
        return active, values_B
    left_B = torch.tensor(rows_left, dtype=torch.long, device=student.device)
    cache.keep_rows(rows_left, left_B)
    return ActiveRows(*(column[left_B] for column in active)), values_B[left_B]
