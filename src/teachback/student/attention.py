"""Attention as plain matrix products, in which heads that share keys form one product.

It replaces torch's fused kernel where that one is slower on a CPU: in bf16, and for a
single new token. `training/packed_attention.py` uses the same products for training.
"""

from collections.abc import Callable
from typing import Any

GROUPED_ATTENTION = "teachback_grouped"  # the name for transformers
# Queries of a block. A block's products leave out the keys that come after all of them.
QUERIES_PER_BLOCK = 80


def use_grouped_attention(model: Any) -> None:
    """Switch a model that runs SDPA; Gemma 2, for one, caps its scores and keeps its own."""
    from transformers.masking_utils import AttentionMaskInterface

    if model.config._attn_implementation != "sdpa":
        return
    AttentionMaskInterface.register(GROUPED_ATTENTION, grouped_mask)
    set_attention(model, GROUPED_ATTENTION, attend_grouped)


def set_attention(model: Any, name: str, attend: Callable[..., Any]) -> None:
    """Make the model attend by this function, which transformers knows by this name."""
    from transformers import AttentionInterface

    AttentionInterface.register(name, attend)
    model.set_attn_implementation(name)


def score_scale(scaling: float | None, width: int) -> float:
    """What scores are multiplied by: the model's own scaling, or 1 / √width."""
    return width**-0.5 if scaling is None else scaling


def group_query_heads(query_B_H_T_D: Any, groups: int) -> Any:
    """query_BG_N_D: heads that share a key follow one another, N = T × H / G.

    So keys and values are never repeated for each head.
    """
    B, H, T, D = query_B_H_T_D.shape
    return query_B_H_T_D.reshape(B * groups, H // groups * T, D)


def grouped_mask(*, q_length: int, dtype: Any, **kwargs: Any) -> Any:
    """mask_B_1_T_S that `attend_grouped` adds to its scores; SDPA's mask where SDPA runs.

    Transformers makes it once for all layers.
    """
    import torch
    from transformers.masking_utils import eager_mask, sdpa_mask

    fused = q_length > 1 and dtype == torch.float32
    make_mask = sdpa_mask if fused else eager_mask
    return make_mask(q_length=q_length, dtype=dtype, **kwargs)


def attend_grouped(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Any, None]:
    """output_B_T_H_D of query_B_H_T_D, key_B_G_S_D and value_B_G_S_D."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    T = query.shape[2]
    S, D = key.shape[2:]
    can_add_mask = (
        attention_mask is not None
        and attention_mask.is_floating_point()
        and attention_mask.shape[1] == 1
    )
    fused = (
        (T > 1 and query.dtype == torch.float32)
        or not can_add_mask
        or kwargs.get("position_bias") is not None
    )
    if fused or torch.is_grad_enabled():
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return output, None

    scale = score_scale(scaling, D)
    block = QUERIES_PER_BLOCK if T >= 2 * QUERIES_PER_BLOCK else T
    outputs = []
    for t in range(0, T, block):
        mask_B_1_t_S = attention_mask[:, :, t : t + block]
        seen = S
        if block < T:
            seen = count_visible_keys(mask_B_1_t_S, S - T + t + block)
        output_B_t_H_D = grouped_products(
            query[:, :, t : t + block],
            key[:, :, :seen],
            value[:, :, :seen],
            mask_B_1_t_S[..., :seen],
            scale,
        )
        outputs.append(output_B_t_H_D)
    return torch.cat(outputs, dim=1), None


def count_visible_keys(mask_B_1_T_S: Any, causal: int) -> int:
    """How many keys, from the first on, these queries may see.

    causal: their number if the mask is causal. A mask that shows later keys shows all.
    """
    later = mask_B_1_T_S[..., causal:]
    shows_later = later.numel() == 0 or later.amax() == 0
    return int(mask_B_1_T_S.shape[3] if shows_later else causal)


def grouped_products(
    query: Any, key: Any, value: Any, mask_B_1_T_S: Any, scale: float
) -> Any:
    """output_B_T_H_D."""
    import torch

    B, H, T, D = query.shape
    G, S = key.shape[1:3]
    query_BG_N_D = group_query_heads(query, G)
    key_BG_D_S = key.reshape(B * G, S, D).transpose(1, 2)
    scores_B_H_T_S = torch.bmm(query_BG_N_D, key_BG_D_S).view(B, H, T, S)
    masked = torch.add(mask_B_1_T_S, scores_B_H_T_S, alpha=scale)
    weights_BG_N_S = masked.softmax(-1).view(B * G, H // G * T, S)
    output = torch.bmm(weights_BG_N_S, value.reshape(B * G, S, -1))
    return output.view(B, H, T, -1).transpose(1, 2)
