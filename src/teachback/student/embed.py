"""Where a question lies for the student: the mean of its last hidden states over the prompt.

The last layer's activations are what core-set selection measures distances by (Sener & Savarese, arXiv 1708.00489).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .attempt import Asked
from .chat import Chat, prompt_ids
from .folder import Loaded

BATCH_TOKENS = 2048  # a batch's size, with its padding: on a CPU more is not faster


def embed(
    student: Loaded, chat: Chat, asked: Sequence[Asked], batch_tokens: int = BATCH_TOKENS
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """embedding_N_D in float32, one row a question in their order; D is the width of the hidden states.

    The mean runs over all of the prompt's tokens, as an attempt sees them (chat template and system message included),
    of the last layer after its norm, which is what the head reads.
    """
    prompts = [prompt_ids(student, chat, question.message) for question in asked]
    mean_of: dict[int, np.ndarray[Any, np.dtype[np.float32]]] = {}
    for batch in batches([len(prompt) for prompt in prompts], batch_tokens):
        mean_of |= zip(batch, mean_hidden(student, [prompts[i] for i in batch]), strict=True)
    return np.stack([mean_of[i] for i in range(len(prompts))])


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Positions, grouped by length, so that little is padded; a prompt longer than batch_tokens is alone."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and lengths[i] * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def mean_hidden(student: Loaded, prompts: Sequence[list[int]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """embedding_B_D of B prompts, padded on the right: no token looks ahead, so that none sees the padding."""
    import torch

    longest = max(map(len, prompts))
    pad = min(student.ends)
    ids_B_T = torch.tensor([p + [pad] * (longest - len(p)) for p in prompts], device=student.device)
    mask_B_T = torch.tensor([[1] * len(p) + [0] * (longest - len(p)) for p in prompts], device=student.device)
    with torch.inference_mode():
        decoder = student.model.get_decoder()  # the model without its head, whose logits nobody asked for
        out = decoder(input_ids=ids_B_T, attention_mask=mask_B_T, use_cache=False)
        hidden_B_T_D = out.last_hidden_state.float() * mask_B_T[:, :, None]
        mean_B_D = hidden_B_T_D.sum(1) / mask_B_T.sum(1, keepdim=True)
    return mean_B_D.cpu().numpy()  # type: ignore[no-any-return]
