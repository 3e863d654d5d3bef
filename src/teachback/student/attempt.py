"""The student answers: batched decoding, greedy or sampled, with the log-probability of each token it chose."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from ..types import Attempt
from .chat import Chat, prompt_ids
from .folder import Loaded

BATCH_TOKENS = 2**14  # of prompts and answers, padding included: what the cache of keys and values must hold


class Asked(NamedTuple):
    id: str
    message: str


class Sampling(NamedTuple):
    """temperature: above 0. draws: a stream for each question; each of its tokens takes one number from it."""

    temperature: float
    draws: Sequence[Random]


class Decoded(NamedTuple):
    """tokens and their nll in nats, the end token included when it was produced (ended)."""

    tokens: list[int]
    nll: list[float]
    ended: bool


def attempt(
    student: Loaded, chat: Chat, asked: Sequence[Asked], max_new_tokens: int, sampling: Sampling | None = None
) -> list[Attempt]:
    """One answer a question, of at most max_new_tokens tokens; the questions in any order.

    Greedy without `sampling`. The nll is the student's own either way: at temperature 1, whatever was sampled at.
    """
    prompts = [prompt_ids(student, chat, question.message) for question in asked]
    answers: dict[int, Decoded] = {}
    for group in batches([len(prompt) + max_new_tokens for prompt in prompts]):
        draws = sampling and sampling._replace(draws=[sampling.draws[i] for i in group])
        done = decode(student, [prompts[i] for i in group], max_new_tokens, draws)
        answers.update(zip(group, done, strict=True))
    return [summarise(student, question.id, answers[i]) for i, question in enumerate(asked)]


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Places of rows that are decoded together, by length: one long prompt would pad all others to its own.

    A batch has at most BATCH_TOKENS padded tokens, or one row.
    """
    groups: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if not groups or (len(groups[-1]) + 1) * lengths[i] > BATCH_TOKENS:
            groups.append([])
        groups[-1].append(i)
    return groups


def summarise(student: Loaded, id: str, decoded: Decoded) -> Attempt:
    words = [token for token in decoded.tokens if token not in student.ends]
    return Attempt(
        id=id,
        text=student.tokenizer.decode(words, skip_special_tokens=True),
        n_tokens=len(decoded.tokens),
        truncated=not decoded.ended,
        nll=sum(decoded.nll) / len(decoded.nll),
    )


def decode(
    student: Loaded, prompts: Sequence[list[int]], max_new_tokens: int, sampling: Sampling | None = None
) -> list[Decoded]:
    """Decoding of B prompts, padded on the left. A finished row leaves the batch.

    The nll of the chosen token is logsumexp(logits) − its logit, in float32: no second pass is needed for `loss`.
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
            if sampling is None:
                chosen_B = logits_B_V.max(-1).indices
            else:
                chosen_B = sample(logits_B_V, sampling.temperature, [sampling.draws[row] for row in rows.tolist()])
            nll_B = logits_B_V.logsumexp(-1) - logits_B_V.gather(-1, chosen_B[:, None])[:, 0]
            running = []
            for b, (row, token, nll) in enumerate(zip(rows.tolist(), chosen_B.tolist(), nll_B.tolist(), strict=True)):
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
            ids_B_T = chosen_B[stay, None]
            position_B_T = mask_B_T.sum(-1, keepdim=True) - 1
    return done


def sample(logits_B_V: Any, temperature: float, draws: Sequence[Random]) -> Any:
    """token_B by the inverse of the distribution function: the first token at which it passes the row's own number.

    The sum runs in float64: in float32 it loses what tells rare tokens of a large vocabulary apart.
    """
    import torch

    sum_B_V = (logits_B_V / temperature).softmax(-1).double().cumsum(-1)
    number_B = torch.tensor([draw.random() for draw in draws], dtype=torch.float64, device=logits_B_V.device)
    token_B = torch.searchsorted(sum_B_V, (number_B * sum_B_V[:, -1])[:, None], right=True)[:, 0]
    return token_B.clamp(max=logits_B_V.shape[-1] - 1)
