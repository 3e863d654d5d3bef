"""Decodes the answers of a batch; a row whose answer has ended leaves it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .decode_log import (
    DecodedAnswer,
    DecodeLog,
    decoded_answers,
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
    stops: Callable[[list[int]], bool] | None = None,
    targets: Sequence[Sequence[int]] | None = None,
    sketch: TensorSketch | None = None,
) -> list[DecodedAnswer]:
    """An answer to each prompt, greedy without `sampling`.

    Equal prompts that are neighbours are read once. Signals are at temperature 1 in any
    case. stops: whether an answer ends after these tokens. targets: answers to score as
    well, in one pass with their prompts; empty: none. sketch: makes the gradients.
    """
    import torch

    with torch.inference_mode():
        longest = max(map(len, prompts))
        cache = make_kv_cache(
            student.model.config, len(prompts), longest, longest + max_new_tokens
        )
        active = start_rows(student, prompts, max_new_tokens)
        # A target may stand for the answer only where the answer is the greedy one.
        plain = sampling is None and stops is None and sketch is None
        hidden_B_D, results = prefill(
            student,
            cache,
            prompts,
            targets or [()] * len(prompts),
            max_known_tokens=max_new_tokens if plain else 0,
        )

        log = new_decode_log(hidden_B_D, max_new_tokens, sketch)
        for row, result in enumerate(results):
            if result.answer is not None:
                log_known_answer(log, row, result.answer)
        kept = compact_rows([result.answer is None for result in results])
        active, hidden_B_D = keep_rows(student, cache, active, hidden_B_D, kept)

        for t in range(max_new_tokens if kept else 0):
            logits_B_V = apply_head(student, hidden_B_D)
            token_B = choose_tokens(logits_B_V, sampling, active.rows_B)
            sketch_rows = log.sums.at(active.rows_B) if log.sums else None
            signals_B = compute_signals(logits_B_V, hidden_B_D, token_B, sketch_rows)
            log_tokens(log, t, active.rows_B, token_B, signals_B, hidden_B_D)
            kept = compact_rows(
                find_active_rows(student, log, t, active.rows_B, token_B, stops)
            )
            if not kept or t + 1 == max_new_tokens:
                break

            active, token_B = keep_rows(student, cache, active, token_B, kept)
            mask_B_C = active.mask_B_C[:, : longest + t + 1]
            position_B_1 = active.position_B[:, None] + t
            hidden_B_1_D = forward_decoder(
                student, cache, token_B[:, None], mask_B_C, position_B_1
            )
            hidden_B_D = hidden_B_1_D[:, 0]

        return [
            answer._replace(target_nll=result.nll)
            for answer, result in zip(decoded_answers(log), results, strict=True)
        ]


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
    kept: list[int],
) -> tuple[ActiveRows, Any]:
    """Drop all other rows. values_B: any tensor with an entry for each row."""
    import torch

    if not kept or len(kept) == len(values_B):
        return active, values_B
    kept_B = torch.tensor(kept, dtype=torch.long, device=student.device)
    cache.keep(kept, kept_B)
    return ActiveRows(*(column[kept_B] for column in active)), values_B[kept_B]


def find_active_rows(
    student: InferenceModel,
    log: DecodeLog,
    t: int,
    rows_B: Any,
    token_B: Any,
    stops: Callable[[list[int]], bool] | None,
) -> list[bool]:
    """Which of the B rows get another token. Logs how long all of them are."""
    rows = rows_B.tolist()
    tokens = token_B.tolist()
    # All at once, so that a GPU waits once.
    answers = None if stops is None else log.token_N_T[rows_B, : t + 1].tolist()
    active = []
    for i, row in enumerate(rows):
        ended = tokens[i] in student.ends
        if stops is not None and answers is not None:
            ended = ended or stops(answers[i])
        log.length_N[row] = t + 1
        log.ended_N[row] = ended
        active.append(not ended)
    return active
