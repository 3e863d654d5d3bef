"""A question's embedding: the mean of the student's last hidden states over its prompt.

Core-set selection measures distances between the last layer's activations (Sener and
Savarese, arXiv 1708.00489).
"""

from collections.abc import Sequence

import numpy as np

from .attempt import AttemptRequest
from .batching import batch_by_length, micro_batch_tokens
from .chat import Chat, prompt_ids
from .context import check_fits_context
from .forward import forward_after_prefix
from .inference import InferenceModel
from .sketch import FloatArray


def embed_questions(
    student: InferenceModel,
    chat: Chat,
    requests: Sequence[AttemptRequest],
    batch_tokens: int | None = None,
) -> FloatArray:
    """embedding_N_D in float32, a row for each question, in their order.

    The mean runs over all tokens of the prompt as an attempt sees it, chat template and
    system message included. The states are the last layer's after its norm, which is
    what the head reads.
    """
    import torch

    prompts = [prompt_ids(student, chat, request.message) for request in requests]
    lengths = [len(prompt) for prompt in prompts]
    context = student.max_tokens
    for request, length in zip(requests, lengths, strict=True):
        check_fits_context(context, length, 0, request.message)
    max_tokens = micro_batch_tokens(batch_tokens, student.device)
    mean_of: dict[int, FloatArray] = {}
    with torch.inference_mode():
        for batch in batch_by_length(lengths, max_tokens):
            rows = [prompts[i] for i in batch]
            hidden_B_T_D = forward_after_prefix(student, None, rows, 0)
            for i, hidden_T_D in zip(batch, hidden_B_T_D, strict=True):
                own_T_D = hidden_T_D[: lengths[i]]
                mean_of[i] = own_T_D.float().mean(0).cpu().numpy()
    return np.stack([mean_of[i] for i in range(len(prompts))])
