"""Passes of token rows through the decoder; a prefix that all rows share is read once."""

from collections.abc import Sequence
from typing import Any

from .batching import pad_rows
from .inference import InferenceModel
from .kv_cache import KVCache

# Reading a shared prefix takes a pass of its own, which must save this many tokens.
MIN_TOKENS_SAVED = 64


def read_shared_prefix(
    student: InferenceModel, cache: KVCache, prompts: Sequence[Sequence[int]]
) -> int:
    """Read the prefix that all prompts share. Returns its length in tokens.

    The cache puts it before the prompts that it takes from now on. The length is 0
    where a pass of its own isn't worth it, or where transformers' cache can't do it.
    """
    if cache.state is None:
        return 0
    n_shared = shared_prefix_length(prompts)
    if n_shared:
        cache.state.prompts = []
        forward_after_prefix(student, cache, [prompts[0][:n_shared]], 0)
    return n_shared


def shared_prefix_length(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts begin with; 0 if reading them once saves too little.

    Each prompt keeps at least one token of its own.
    """
    length = min(map(len, prompts)) - 1
    for t in range(length):
        if len({prompt[t] for prompt in prompts}) > 1:
            length = t
            break
    n_saved = length * (len(prompts) - 1)
    return length if n_saved >= MIN_TOKENS_SAVED else 0


def forward_after_prefix(
    student: InferenceModel,
    cache: KVCache | None,
    rows: Sequence[Sequence[int]],
    n_shared: int,
) -> Any:
    """hidden_P_T_D of rows that follow the n_shared tokens in the cache (None: no cache).

    Rows are padded on the right, so what a token sees lies in the columns before it,
    as in decoding.
    """
    import torch

    ids_P_T, mask_P_T = pad_for(student, rows)
    P, T = ids_P_T.shape
    mask_P_C = torch.cat([mask_P_T.new_ones(P, n_shared), mask_P_T], dim=1)
    position_P_T = torch.arange(n_shared, n_shared + T, device=student.device).expand(
        P, T
    )
    return forward_decoder(student, cache, ids_P_T, mask_P_C, position_P_T)


def pad_for(
    student: InferenceModel, rows: Sequence[Sequence[int]], *, left: bool = False
) -> tuple[Any, Any]:
    """ids_B_T and mask_B_T on the student's device, padded with an end token."""
    ids_B_T, mask_B_T = pad_rows(rows, min(student.ends), left=left)
    return ids_B_T.to(student.device), mask_B_T.to(student.device)


def forward_decoder(
    student: InferenceModel,
    cache: KVCache | None,
    ids_B_T: Any,
    mask_B_C: Any,
    position_B_T: Any,
) -> Any:
    """hidden_B_T_D, which the head reads."""
    output = student.decoder(
        input_ids=ids_B_T,
        attention_mask=mask_B_C,
        position_ids=position_B_T,
        past_key_values=None if cache is None else cache.past,
        use_cache=cache is not None,
    )
    return output.last_hidden_state
