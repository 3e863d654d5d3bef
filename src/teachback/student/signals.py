"""What the logits of one forward pass say about an answer's tokens.

How likely and how uncertain they are, and how far they would pull the head's weights.
Decoding computes this of the tokens it chose, `scoring.py` of given answers. Logits are
float32, and only a block of them exists at a time.
"""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from .batching import scale_for_device
from .sketch import SketchRows, add_gradients

# On a CPU. Positions whose logits exist at once: 25 MB for a vocabulary of 49,000 tokens.
HEAD_POSITIONS = 128
# Logits that are reduced at once: 1 MB, which stays in a core's cache.
LOGITS_IN_CACHE = 2**18


class TokenSignals(NamedTuple):
    """Signals of N tokens: float32 tensors of N entries."""

    nll: Any  # −log p of the token, nats
    entropy: Any  # of the distribution it was drawn from, nats
    top2_margin: Any  # p₁ − p₂ of the two likeliest tokens
    # Expected squared length of the head's gradient, (1 − ‖p‖²)‖h‖², over tokens from p.
    egl: Any


def compute_signals(
    logits_N_V: Any,
    hidden_N_D: Any,
    ids_N: Any,
    sketch_rows: SketchRows | None = None,
) -> TokenSignals:
    """Signals of the tokens ids_N.

    logits: in float32. hidden: what the head made them from. sketch_rows: where the
    sketches of the tokens' gradients are added.
    """
    size = count_tokens_in_cache(logits_N_V)
    blocks = zip(
        logits_N_V.split(size), hidden_N_D.split(size), ids_N.split(size), strict=True
    )
    block_rows = repeat(None) if sketch_rows is None else sketch_rows.split(size)
    parts = [
        compute_block_signals(*block, rows)
        for block, rows in zip(blocks, block_rows, strict=False)
    ]
    return join_signals(parts)


def join_signals(parts: Sequence[TokenSignals]) -> TokenSignals:
    """The signals of blocks of tokens that follow one another."""
    import torch

    return TokenSignals(*(torch.cat(column) for column in zip(*parts, strict=True)))


def compute_block_signals(
    logits_N_V: Any,
    hidden_N_D: Any,
    ids_N: Any,
    sketch_rows: SketchRows | None = None,
) -> TokenSignals:
    import torch

    p_N_V = logits_N_V.softmax(-1)
    if sketch_rows is not None:
        add_gradients(sketch_rows, p_N_V, hidden_N_D, ids_N)

    top_N_1 = p_N_V.amax(-1, keepdim=True)
    logsum_N = logits_N_V.amax(-1) - top_N_1[:, 0].log()
    below_N_V = p_N_V < top_N_1
    second_N = p_N_V.mul(below_N_V).amax(-1)
    tied_N = below_N_V.sum(-1) < p_N_V.shape[1] - 1
    square_N = torch.linalg.vecdot(p_N_V, p_N_V)
    # A token may be ruled out by a logit of -inf, and 0 × -inf is no number.
    mean_logit_N = torch.linalg.vecdot(p_N_V, logits_N_V.clamp(min=-1e9))
    return TokenSignals(
        nll=logsum_N - logits_N_V.gather(1, ids_N[:, None])[:, 0],
        entropy=(logsum_N - mean_logit_N).clamp(min=0),
        top2_margin=torch.where(tied_N, 0.0, top_N_1[:, 0] - second_N),
        egl=(1 - square_N).clamp(min=0) * hidden_N_D.float().square().sum(-1),
    )


def compute_nlls(logits_N_V: Any, ids_N: Any) -> Any:
    """nll_N of the tokens, where nothing else is needed."""
    import torch

    size = count_tokens_in_cache(logits_N_V)
    parts = []
    for logits, ids in zip(logits_N_V.split(size), ids_N.split(size), strict=True):
        parts.append(-logits.log_softmax(-1).gather(1, ids[:, None])[:, 0])
    return torch.cat(parts)


def count_tokens_in_cache(logits_N_V: Any) -> int:
    """How many tokens' logits are reduced at once."""
    n_logits = scale_for_device(LOGITS_IN_CACHE, logits_N_V.device)
    return max(1, n_logits // int(logits_N_V.shape[1]))


def split_blocks(*columns_N: Any) -> Iterator[tuple[Any, ...]]:
    """The columns in blocks of positions whose logits may exist at once."""
    size = scale_for_device(HEAD_POSITIONS, columns_N[0].device)
    return zip(*(column.split(size) for column in columns_N), strict=True)
