"""How likely the student finds given answers: the mean nll of their tokens.

Completions stand side by side, as in finetuning, so that the head runs on their tokens only.
"""

from collections.abc import Iterator, Sequence

from .chat import Chat
from .finetune import IGNORE, Tokens, collate, dict_row
from .folder import Loaded

BATCH_TOKENS = 2048  # of a micro-batch, its padding included
BATCH_LOGITS = 1024  # of its positions, those with logits: a vocabulary each, 200 KB where it has 49,000 tokens


def score(
    student: Loaded,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    batch_tokens: int = BATCH_TOKENS,
    batch_logits: int = BATCH_LOGITS,
) -> list[float]:
    """Mean nll in nats of the tokens of each (message, answer) row's answer, its end token included, in float32.

    As a training row: the same tokens as in finetuning. One forward pass; the prompts are read for context only.
    """
    tokens = [dict_row(student, chat, message, answer) for message, answer in rows]
    nll_of: dict[int, float] = {}
    for batch in batches(tokens, batch_tokens, batch_logits):
        nll_of |= zip(batch, mean_nll(student, [tokens[i] for i in batch]), strict=True)
    return [nll_of[i] for i in range(len(rows))]


def batches(rows: Sequence[Tokens], batch_tokens: int, batch_logits: int) -> Iterator[list[int]]:
    """Positions by length, cut so that B × (longest prompt + longest answer) and B × longest answer stay in bounds.

    A row that is longer than a bound is alone.
    """
    batch: list[int] = []
    before = after = 0
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i]["prompt"]) + len(rows[i]["answer"])):
        before, after = max(before, len(rows[i]["prompt"])), max(after, len(rows[i]["answer"]))
        full = (before + after) * (len(batch) + 1) > batch_tokens or after * (len(batch) + 1) > batch_logits
        if batch and full:
            yield batch
            batch, before, after = [], len(rows[i]["prompt"]), len(rows[i]["answer"])
        batch.append(i)
    if batch:
        yield batch


def mean_nll(student: Loaded, rows: Sequence[Tokens]) -> list[float]:
    """Of one micro-batch. Row by row, so that one row's logits at most are copied."""
    import torch

    given = {name: v.to(student.device) if torch.is_tensor(v) else v for name, v in collate(rows).items()}
    labels_B_K = given.pop("labels")[:, 1:]
    means = []
    with torch.inference_mode():
        logits_B_K_V = student.model(**given).logits
        for logits_K_V, labels_K in zip(logits_B_K_V, labels_B_K, strict=True):
            logits_T_V, labels_T = logits_K_V[labels_K != IGNORE].float(), labels_K[labels_K != IGNORE]
            nll_T = logits_T_V.logsumexp(-1) - logits_T_V.gather(-1, labels_T[:, None])[:, 0]
            means.append(nll_T.double().mean().item())
    return means
