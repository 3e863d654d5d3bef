"""What one forward pass says of an answer: how likely, how uncertain, how far it would pull the weights, where it lies.

`signals` is all there is to compute, of tokens whose logits are at hand: decoding calls it with those it chose from,
`read` with those of given answers. Logits are float32 and never more than a block of them exists. With a sketch the
same pass says where the answer would pull the weights (`sketch.py`).
"""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from .at_once import at_once
from .cache import Placed, hold
from .chat import Chat, row_ids
from .frozen import Frozen, head
from .reading import forward_from, read_common
from .sketch import Into, Sketch, add, new_sums

BATCH_TOKENS = 512  # of a micro-batch, its padding included: on a CPU more is slower, because it leaves the cache
BLOCK = 128  # positions whose logits exist at once: 25 MB where the vocabulary has 49,000 tokens
CACHED = 2**18  # logits that are reduced at once: 1 MB, which stays in a core's cache

Array = np.ndarray[Any, np.dtype[np.float32]]


class Signals(NamedTuple):
    """Of N tokens, each a float32 tensor of N entries.

    nll: −log p of the token, nats. entropy: of the distribution it was drawn from, nats. gap: p₁ − p₂, of the two
    likeliest tokens. egl: expected squared length of the head's gradient, (1 − ‖p‖²)‖h‖², over tokens drawn from p.
    """

    nll: Any
    entropy: Any
    gap: Any
    egl: Any


class Answer(NamedTuple):
    """Of one answer: means over its tokens, the worst token's nll, and the mean of what the head reads for them.

    gradient: the sketch of the head's gradient of `nll`, where one was asked for.
    """

    nll: float
    entropy: float
    gap: float
    max_nll: float
    egl: float
    embedding_D: Array
    gradient_M: Array | None = None


def signals(
    logits_N_V: Any, hidden_N_D: Any, ids_N: Any, into: Into | None = None
) -> Signals:
    """logits in float32; hidden: what the head made them from; ids: the tokens in question.

    into: where sketches of the tokens' gradients are added, if they are wanted.
    """
    import torch

    rows = max(1, at_once(CACHED, logits_N_V.device) // logits_N_V.shape[1])
    parts = zip(
        logits_N_V.split(rows), hidden_N_D.split(rows), ids_N.split(rows), strict=True
    )
    intos = repeat(None) if into is None else into.split(rows)
    found = [block_signals(*part, one) for part, one in zip(parts, intos, strict=False)]
    return Signals(*(torch.cat(column) for column in zip(*found, strict=True)))


def block_signals(
    logits_N_V: Any, hidden_N_D: Any, ids_N: Any, into: Into | None = None
) -> Signals:
    import torch

    p_N_V = logits_N_V.softmax(-1)
    if into is not None:
        add(into, p_N_V, hidden_N_D, ids_N)
    top_N = p_N_V.amax(-1, keepdim=True)
    logsum_N = logits_N_V.amax(-1) - top_N[:, 0].log()
    below_N_V = p_N_V < top_N
    second_N = p_N_V.mul(below_N_V).amax(-1)
    tied_N = below_N_V.sum(-1) < p_N_V.shape[1] - 1
    square_N = torch.linalg.vecdot(p_N_V, p_N_V)
    mean_logit_N = torch.linalg.vecdot(
        p_N_V, logits_N_V.clamp(min=-1e9)
    )  # a token may be ruled out, with -inf
    return Signals(
        nll=logsum_N - logits_N_V.gather(1, ids_N[:, None])[:, 0],
        entropy=(logsum_N - mean_logit_N).clamp(min=0),
        gap=torch.where(tied_N, 0.0, top_N[:, 0] - second_N),
        egl=(1 - square_N).clamp(min=0) * hidden_N_D.float().square().sum(-1),
    )


def nll_only(logits_N_V: Any, ids_N: Any) -> Any:
    """nll_N, where nothing else is asked for."""
    import torch

    rows = max(1, at_once(CACHED, logits_N_V.device) // logits_N_V.shape[1])
    parts = zip(logits_N_V.split(rows), ids_N.split(rows), strict=True)
    return torch.cat(
        [-z.log_softmax(-1).gather(1, ids[:, None])[:, 0] for z, ids in parts]
    )


def read(
    student: Frozen,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    batch_tokens: int | None = None,
    sketch: Sketch | None = None,
) -> list[Answer]:
    """What the student makes of each (message, answer) row's answer, its end token included, in the rows' order.

    As a training row: the same tokens as in finetuning. One forward pass; the head runs on the answers' tokens only.
    sketch: what the answers' gradients are wanted in.
    """
    import torch

    found: dict[int, Answer] = {}
    for places, lengths, hidden_N_D, ids_N in passes(student, chat, rows, batch_tokens):
        row_N = torch.repeat_interleave(torch.tensor(lengths, device=student.device))
        sums = new_sums(sketch, len(places)) if sketch else None
        parts = [
            signals(head(student, h), h, ids, sums.at(row) if sums else None)
            for h, ids, row in blocks(hidden_N_D, ids_N, row_N)
        ]
        columns = [
            np.concatenate([part[k].cpu().numpy() for part in parts])
            for k in range(len(Signals._fields))
        ]
        ends = np.cumsum(lengths)[:-1]
        each = zip(
            *(np.split(column, ends) for column in columns),
            hidden_N_D.split(lengths),
            strict=True,
        )
        gradients = sums.means(lengths) if sums else [None] * len(places)
        for place, (nll, entropy, gap, egl, hidden), gradient_M in zip(
            places, each, gradients, strict=True
        ):
            answer = summed(
                nll, entropy, gap, egl, hidden.float().mean(0).cpu().numpy()
            )
            found[place] = answer._replace(gradient_M=gradient_M)
    return [found[i] for i in range(len(rows))]


def score(
    student: Frozen,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    batch_tokens: int | None = None,
) -> list[float]:
    """Mean nll in nats of the tokens of each (message, answer) row's answer: `read`, where only that is asked for."""
    found: dict[int, float] = {}
    for places, lengths, hidden_N_D, ids_N in passes(student, chat, rows, batch_tokens):
        found |= zip(
            places, mean_nlls(student, hidden_N_D, ids_N, lengths), strict=True
        )
    return [found[i] for i in range(len(rows))]


def mean_nlls(
    student: Frozen, hidden_N_D: Any, ids_N: Any, lengths: Sequence[int]
) -> list[float]:
    """Of answers that stand one behind the other, of so many tokens each."""
    parts = [
        nll_only(head(student, h), ids).cpu().numpy()
        for h, ids in blocks(hidden_N_D, ids_N)
    ]
    each = np.split(np.concatenate(parts), np.cumsum(lengths)[:-1])
    return [float(nll.mean(dtype=np.float64)) for nll in each]


def summed(
    nll: Array, entropy: Array, gap: Array, egl: Array, embedding_D: Array
) -> Answer:
    """An answer's tokens, one entry each, as one value each."""
    nll_mean, entropy_mean, gap_mean, egl_mean = (
        float(x.mean(dtype=np.float64)) for x in (nll, entropy, gap, egl)
    )
    return Answer(
        nll_mean, entropy_mean, gap_mean, float(nll.max()), egl_mean, embedding_D
    )


def passes(
    student: Frozen,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    batch_tokens: int | None,
) -> Iterator[tuple[list[int], list[int], Any, Any]]:
    """(rows' places, their answers' lengths, hidden_N_D, ids_N) of one micro-batch after the other.

    hidden: what the head reads for the answers' N tokens, one row's after the other's; ids: those tokens.
    """
    import torch

    tokens = [row_ids(student, chat, message, answer) for message, answer in rows]
    with torch.inference_mode():
        lengths = [
            len(prompt) + len(answer) - 1 for prompt, answer in tokens
        ]  # the last token predicts nothing
        held = hold(
            student.model.config, 0, max(lengths), max(lengths)
        )  # nobody goes on from these rows
        shared = read_common(student, held, [prompt for prompt, _ in tokens])
        for places in batches(
            [length - shared for length in lengths],
            tokens_of(batch_tokens, student.device),
        ):
            given = [tokens[i] for i in places]
            if held.extent is not None:
                held.extent.reading = [Placed(0, 0, lengths[i]) for i in places]
            behind = [[*prompt, *answer][shared:-1] for prompt, answer in given]
            hidden_B_T_D = forward_from(
                student, held if shared else None, behind, shared
            )
            starts = [len(prompt) - 1 - shared for prompt, _ in given]
            kept = [
                hidden_B_T_D[b, k : k + len(a)]
                for b, (k, (_, a)) in enumerate(zip(starts, given, strict=True))
            ]
            ids_N = torch.tensor(
                [token for _, answer in given for token in answer],
                device=student.device,
            )
            yield places, [len(answer) for _, answer in given], torch.cat(kept), ids_N


def blocks(*columns_N: Any) -> Iterator[tuple[Any, ...]]:
    return zip(
        *(column.split(at_once(BLOCK, columns_N[0].device)) for column in columns_N),
        strict=True,
    )


def tokens_of(batch_tokens: int | None, device: Any) -> int:
    """Of a micro-batch: as many as were asked for; None: as many as suit the machine."""
    return batch_tokens or at_once(BATCH_TOKENS, device)


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Rows' places by length, so that little is padded; a row that is longer than batch_tokens is alone."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and lengths[i] * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
