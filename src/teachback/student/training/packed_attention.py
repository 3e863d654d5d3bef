"""Attention over rows that lie one behind the other in one sequence: each row sees itself alone.

transformers would keep them apart by a mask of all against all. Here every row is attended to on its own, so that
packing costs no more than the rows do. On a CPU that is plain matrix products, in which the query heads that share keys
and values are rows of one product; probabilities are computed again in the backward pass instead of kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

NAME = "teachback_apart"  # as transformers knows it


@contextmanager
def apart(model: Any) -> Iterator[None]:
    """Within it the model attends to packed rows; it must be given `row_lengths`. Afterwards it is as it was."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


class Kind(NamedTuple):
    """scale: of the scores. window: how many tokens one sees, itself included; None: all before it. cap: soft limit."""

    scale: float
    window: int | None
    cap: float | None


def attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    row_lengths: tuple[int, ...] = (),
    **_: Any,
) -> tuple[Any, None]:
    """output_1_T_H_D of query_1_H_T_D, key_1_G_T_D and value_1_G_T_D; T is the sum of the rows' lengths."""
    import torch

    if sum(row_lengths) != query.shape[2] or len(query) != 1:
        raise ValueError(
            f"packed rows of {row_lengths} tokens can't be a batch of {tuple(query.shape)}"
        )
    kind = Kind(
        query.shape[-1] ** -0.5 if scaling is None else scaling, sliding_window, softcap
    )
    if (
        query.device.type != "cpu"
        and not softcap
        and max(row_lengths) <= (sliding_window or max(row_lengths))
    ):
        if (
            value.dtype == torch.float32
        ):  # its fused kernel shares no keys; the plain one is dozens of launches a row
            key, value = (
                x.repeat_interleave(query.shape[1] // x.shape[1], 1)
                for x in (key, value)
            )
        q, k, v = (x.to(value.dtype).split(row_lengths, 2) for x in (query, key, value))
        grouped = query.shape[1] != key.shape[1]
        out = [
            torch.nn.functional.scaled_dot_product_attention(
                q[i], k[i], v[i], is_causal=True, scale=kind.scale, enable_gqa=grouped
            )
            for i in range(len(row_lengths))
        ]
        return torch.cat(out, 2).transpose(1, 2), None
    return by_products().apply(query, key, value, row_lengths, kind), None


def probabilities(
    q_G_N_D: Any, k_G_S_D: Any, unseen_S_S: Any, kind: Kind
) -> tuple[Any, Any]:
    """weight_G_N_S of one row, N = S × the heads that share a key, and the soft cap's slope at each score (or None)."""
    groups, n, _ = q_G_N_D.shape
    size = k_G_S_D.shape[1]
    scores = (q_G_N_D @ k_G_S_D.transpose(1, 2)).mul_(kind.scale)
    slope = None
    if kind.cap:
        scores = scores.div_(kind.cap).tanh_()
        slope = 1 - scores * scores
        scores = scores * kind.cap
    scores.view(groups, n // size, size, size).add_(unseen_S_S[:size, :size])
    return scores.softmax(-1), slope


def unseen(size: int, window: int | None, like: Any) -> Any:
    """mask_S_S to be added to scores: -inf where a token comes later, or too long before."""
    import torch

    mask = torch.full((size, size), float("-inf"), dtype=like.dtype, device=like.device)
    later = mask.triu(1)
    return later if window is None or window >= size else later + mask.tril(-window)


@cache
def by_products() -> Any:
    import torch

    class ByProducts(torch.autograd.Function):
        """Scores, softmax and weighted values of each row in the values' precision."""

        @staticmethod
        def forward(
            ctx: Any,
            query: Any,
            key: Any,
            value: Any,
            lengths: tuple[int, ...],
            kind: Kind,
        ) -> Any:
            ctx.save_for_backward(query, key, value)
            ctx.lengths, ctx.kind = lengths, kind
            _, H, T, _ = query.shape
            out_T_H_D = value.new_empty(T, H, value.shape[-1])
            hidden = unseen(max(lengths), kind.window, value)
            for q, k, v, place in rows(query, key, value, lengths):
                weight, _ = probabilities(q, k, hidden, kind)
                place(out_T_H_D, weight @ v)
            return out_T_H_D[None]

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            query, key, value = ctx.saved_tensors
            kind, (grad_T_H_D,) = ctx.kind, grads[0]
            grad_1_H_T_D = grad_T_H_D.transpose(0, 1)[None]
            dq, dk, dv = (
                torch.empty_like(x[0].transpose(0, 1)) for x in (query, key, value)
            )
            hidden = unseen(max(ctx.lengths), kind.window, value)
            each = zip(
                rows(query, key, value, ctx.lengths),
                rows(grad_1_H_T_D, key, value, ctx.lengths),
                strict=True,
            )
            for (q, k, v, place), (g, _, _, _) in each:
                weight, slope = probabilities(q, k, hidden, kind)
                place(dv, weight.transpose(1, 2) @ g)
                d = torch._softmax_backward_data(
                    g @ v.transpose(1, 2), weight, -1, weight.dtype
                )
                d = d if slope is None else d.mul_(slope)
                place(dq, (d @ k).mul_(kind.scale))
                place(dk, (d.transpose(1, 2) @ q).mul_(kind.scale))
            return (
                dq.transpose(0, 1)[None],
                dk.transpose(0, 1)[None],
                dv.transpose(0, 1)[None],
                None,
                None,
            )

    return ByProducts


def rows(
    query: Any, key: Any, value: Any, lengths: tuple[int, ...]
) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Each row's q_G_N_D, k_G_S_D, v_G_S_D, and what puts such a part where it belongs in a tensor _T_H_D."""
    H, G, dtype = query.shape[1], key.shape[1], value.dtype
    start = 0
    for size in lengths:
        q, k, v = (x[0, :, start : start + size].to(dtype) for x in (query, key, value))

        def place(
            into_T_H_D: Any, part: Any, start: int = start, size: int = size
        ) -> None:
            heads = H if part.shape[1] != size else G
            into_T_H_D[start : start + size].copy_(
                part.reshape(heads, size, -1).transpose(0, 1)
            )

        yield q.reshape(G, H // G * size, -1), k, v, place
        start += size
