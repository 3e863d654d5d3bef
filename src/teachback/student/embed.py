"""Where a question lies for the student: the mean of its last hidden states over the prompt.

The last layer's activations are what core-set selection measures distances by (Sener & Savarese, arXiv 1708.00489).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .attempt import Asked
from .chat import Chat, prompt_ids
from .frozen import Frozen
from .reading import forward_from
from .signals import batches, tokens_of


def embed(
    student: Frozen, chat: Chat, asked: Sequence[Asked], batch_tokens: int | None = None
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """embedding_N_D in float32, one row a question in their order; D is the width of the hidden states.

    The mean runs over all of the prompt's tokens, as an attempt sees them (chat template and system message included),
    of the last layer after its norm, which is what the head reads.
    """
    import torch

    prompts = [prompt_ids(student, chat, question.message) for question in asked]
    mean_of: dict[int, np.ndarray[Any, np.dtype[np.float32]]] = {}
    with torch.inference_mode():
        for batch in batches(
            [len(prompt) for prompt in prompts], tokens_of(batch_tokens, student.device)
        ):
            hidden_B_T_D = forward_from(student, None, [prompts[i] for i in batch], 0)
            for i, hidden_T_D in zip(batch, hidden_B_T_D, strict=True):
                mean_of[i] = hidden_T_D[: len(prompts[i])].float().mean(0).cpu().numpy()
    return np.stack([mean_of[i] for i in range(len(prompts))])
