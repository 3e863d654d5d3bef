"""Attention over packed rows: one sequence of several rows, each of which sees itself alone.

Transformers would separate the rows by a mask of all tokens against all. Here each row
is attended to on its own, so packing costs no more than the rows. On a CPU this is plain
matrix products; the backward pass computes the weights again instead of keeping them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from ..attention import group_query_heads, score_scale, set_attention

PACKED_ATTENTION = "teachback_apart"  # the name for transformers


@contextmanager
def attend_rows_apart(model: Any) -> Iterator[None]:
    """Within it the model attends to packed rows, and its inputs need `row_lengths`."""
    previous = model.config._attn_implementation
    set_attention(model, PACKED_ATTENTION, attend_packed)
    try:
        yield
    finally:
        model.set_attn_implementation(previous)


class ScoreRule(NamedTuple):
    """How a model's attention scores are made."""

    scale: float
    window: int | None  # tokens that one sees, itself included; None: all before it
    cap: float | None  # the soft limit of a score


class RowParts(NamedTuple):
    """One row's part of the queries, keys and values, by group of heads."""

    start: int  # its first token
    length: int
    query_G_N_D: Any  # N = length × the heads that share a key
    key_G_S_D: Any
    value_G_S_D: Any

    def write(self, into_T_H_D: Any, part: Any) -> None:
        """Put a part of this row, by group, in its place in a tensor of all rows."""
        heads = into_T_H_D.shape[1]
        part_H_S_D = part.reshape(heads, self.length, -1)
        end = self.start + self.length
        into_T_H_D[self.start : end].copy_(part_H_S_D.transpose(0, 1))


def attend_packed(
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
    """output_1_T_H_D of query_1_H_T_D, key_1_G_T_D and value_1_G_T_D.

    T is the sum of the rows' lengths. Raises ValueError if it isn't.
    """
    if sum(row_lengths) != query.shape[2] or len(query) != 1:
        raise ValueError(
            f"packed rows of {row_lengths} tokens can't be a batch of {tuple(query.shape)}"
        )
    rule = ScoreRule(score_scale(scaling, query.shape[-1]), sliding_window, softcap)
    longest = max(row_lengths)
    # The fused kernel knows neither windows nor soft caps.
    fits_window = longest <= (sliding_window or longest)
    if query.device.type != "cpu" and not softcap and fits_window:
        return attend_fused(query, key, value, row_lengths, rule.scale), None
    function = packed_attention_function()
    return function.apply(query, key, value, row_lengths, rule), None


def attend_fused(
    query: Any, key: Any, value: Any, row_lengths: tuple[int, ...], scale: float
) -> Any:
    """The same by torch's fused kernel, row by row."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    if value.dtype == torch.float32:
        # The fused kernel of float32 shares no keys, and the plain one is dozens of
        # launches a row.
        copies = query.shape[1] // key.shape[1]
        key = key.repeat_interleave(copies, 1)
        value = value.repeat_interleave(copies, 1)
    queries, keys, values = (
        x.to(value.dtype).split(row_lengths, 2) for x in (query, key, value)
    )
    shares_keys = query.shape[1] != key.shape[1]
    outputs = [
        scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=scale, enable_gqa=shares_keys
        )
        for q, k, v in zip(queries, keys, values, strict=True)
    ]
    return torch.cat(outputs, 2).transpose(1, 2)


def compute_row_weights(
    query_G_N_D: Any, key_G_S_D: Any, mask_S_S: Any, rule: ScoreRule
) -> tuple[Any, Any]:
    """weight_G_N_S of one row, and the soft cap's slope at each score (or None)."""
    groups, n, _ = query_G_N_D.shape
    size = key_G_S_D.shape[1]  # S, the row's length
    scores = (query_G_N_D @ key_G_S_D.transpose(1, 2)).mul_(rule.scale)
    slope = None
    if rule.cap:
        scores = scores.div_(rule.cap).tanh_()
        slope = 1 - scores * scores
        scores = scores * rule.cap
    scores.view(groups, n // size, size, size).add_(mask_S_S[:size, :size])
    return scores.softmax(-1), slope


def make_future_mask(size: int, window: int | None, like: Any) -> Any:
    """mask_S_S to add to scores: -inf where a token comes later, or too long before."""
    import torch

    mask = torch.full((size, size), float("-inf"), dtype=like.dtype, device=like.device)
    later = mask.triu(1)
    if window is None or window >= size:
        return later
    return later + mask.tril(-window)


@cache
def packed_attention_function() -> Any:
    """The autograd function, made at first use: importing this module loads no torch."""
    import torch

    class PackedAttention(torch.autograd.Function):
        """Computes in the values' precision."""

        @staticmethod
        def forward(
            ctx: Any,
            query: Any,
            key: Any,
            value: Any,
            lengths: tuple[int, ...],
            rule: ScoreRule,
        ) -> Any:
            ctx.save_for_backward(query, key, value)
            ctx.lengths = lengths
            ctx.rule = rule
            return compute_packed_output(query, key, value, lengths, rule)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            query, key, value = ctx.saved_tensors
            d_query, d_key, d_value = compute_packed_gradients(
                query, key, value, ctx.lengths, ctx.rule, grads[0]
            )
            return d_query, d_key, d_value, None, None

    return PackedAttention


def compute_packed_output(
    query: Any, key: Any, value: Any, lengths: tuple[int, ...], rule: ScoreRule
) -> Any:
    """output_1_T_H_D."""
    _, H, T, _ = query.shape
    out_T_H_D = value.new_empty(T, H, value.shape[-1])
    mask_S_S = make_future_mask(max(lengths), rule.window, value)
    for row in split_rows(query, key, value, lengths):
        weight, _ = compute_row_weights(row.query_G_N_D, row.key_G_S_D, mask_S_S, rule)
        row.write(out_T_H_D, weight @ row.value_G_S_D)
    return out_T_H_D[None]


def compute_packed_gradients(
    query: Any,
    key: Any,
    value: Any,
    lengths: tuple[int, ...],
    rule: ScoreRule,
    grad_1_T_H_D: Any,
) -> tuple[Any, Any, Any]:
    """The gradients of query, key and value, in their shapes."""
    import torch

    (grad_T_H_D,) = grad_1_T_H_D
    grad_1_H_T_D = grad_T_H_D.transpose(0, 1)[None]
    dq_T_H_D = torch.empty_like(query[0].transpose(0, 1))
    dk_T_G_D = torch.empty_like(key[0].transpose(0, 1))
    dv_T_G_D = torch.empty_like(value[0].transpose(0, 1))
    mask_S_S = make_future_mask(max(lengths), rule.window, value)

    rows = split_rows(query, key, value, lengths)
    grad_rows = split_rows(grad_1_H_T_D, key, value, lengths)
    for row, grad_row in zip(rows, grad_rows, strict=True):
        grad = grad_row.query_G_N_D
        # Computed again: keeping the weights would take memory of T × S.
        weight, slope = compute_row_weights(
            row.query_G_N_D, row.key_G_S_D, mask_S_S, rule
        )
        row.write(dv_T_G_D, weight.transpose(1, 2) @ grad)
        d_weight = grad @ row.value_G_S_D.transpose(1, 2)
        d_scores = torch._softmax_backward_data(d_weight, weight, -1, weight.dtype)
        if slope is not None:
            d_scores = d_scores.mul_(slope)
        row.write(dq_T_H_D, (d_scores @ row.key_G_S_D).mul_(rule.scale))
        d_key = d_scores.transpose(1, 2) @ row.query_G_N_D
        row.write(dk_T_G_D, d_key.mul_(rule.scale))
    return (
        dq_T_H_D.transpose(0, 1)[None],
        dk_T_G_D.transpose(0, 1)[None],
        dv_T_G_D.transpose(0, 1)[None],
    )


def split_rows(
    query: Any, key: Any, value: Any, lengths: tuple[int, ...]
) -> Iterator[RowParts]:
    """Each row's part, in the values' precision."""
    groups = key.shape[1]
    start = 0
    for length in lengths:
        end = start + length
        query_1_H_S_D = query[:, :, start:end].to(value.dtype)
        yield RowParts(
            start,
            length,
            group_query_heads(query_1_H_S_D, groups),
            key[0, :, start:end].to(value.dtype),
            value[0, :, start:end],
        )
        start = end
