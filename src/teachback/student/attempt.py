"""The student answers: batched greedy decoding, with the log-probability of each token it chose."""

from collections.abc import Sequence
from typing import NamedTuple

from ..types import Attempt
from .chat import Chat, prompt_ids
from .folder import Loaded


class Asked(NamedTuple):
    id: str
    message: str


class Decoded(NamedTuple):
    """tokens and their nll in nats, the end token included when it was produced (ended)."""

    tokens: list[int]
    nll: list[float]
    ended: bool


def attempt(student: Loaded, chat: Chat, asked: Sequence[Asked], max_new_tokens: int) -> list[Attempt]:
    """One greedy answer a question, of at most max_new_tokens tokens; all questions are one batch, in any order."""
    prompts = [prompt_ids(student, chat, question.message) for question in asked]
    return [
        summarise(student, question.id, d)
        for question, d in zip(asked, decode(student, prompts, max_new_tokens), strict=True)
    ]


def summarise(student: Loaded, id: str, decoded: Decoded) -> Attempt:
    words = [token for token in decoded.tokens if token not in student.ends]
    return Attempt(
        id=id,
        text=student.tokenizer.decode(words, skip_special_tokens=True),
        n_tokens=len(decoded.tokens),
        truncated=not decoded.ended,
        nll=sum(decoded.nll) / len(decoded.nll),
    )


def decode(student: Loaded, prompts: Sequence[list[int]], max_new_tokens: int) -> list[Decoded]:
    """Greedy decoding of B prompts, padded on the left. A finished row leaves the batch.

    The nll of the chosen token is logsumexp(logits) − max(logits), in float32: no second pass is needed for `loss`.
    """
    import torch

    longest = max(map(len, prompts))
    pad = min(student.ends)
    ids_B_T = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=student.device)
    mask_B_T = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=student.device)
    done = [Decoded([], [], False) for _ in prompts]
    rows = torch.arange(len(prompts), device=student.device)  # which prompt each row of the batch belongs to
    position_B_T = (mask_B_T.cumsum(-1) - 1).clamp(min=0)
    cache = None
    with torch.inference_mode():
        for _ in range(max_new_tokens):
            out = student.model(
                input_ids=ids_B_T,
                attention_mask=mask_B_T,
                position_ids=position_B_T,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = out.past_key_values
            logits_B_V = out.logits[:, -1].float()
            top = logits_B_V.max(-1)
            nll_B = logits_B_V.logsumexp(-1) - top.values
            running = []
            for b, (row, token, nll) in enumerate(
                zip(rows.tolist(), top.indices.tolist(), nll_B.tolist(), strict=True)
            ):
                ended = token in student.ends
                done[row] = Decoded([*done[row].tokens, token], [*done[row].nll, nll], ended)
                if not ended:
                    running.append(b)
            if not running:
                break
            stay = torch.tensor(running, device=student.device)
            if len(running) < len(rows):
                cache.batch_select_indices(stay)
            rows, mask_B_T = rows[stay], mask_B_T[stay]
            mask_B_T = torch.cat([mask_B_T, mask_B_T.new_ones(len(running), 1)], dim=1)
            ids_B_T = top.indices[stay, None]
            position_B_T = mask_B_T.sum(-1, keepdim=True) - 1
    return done
