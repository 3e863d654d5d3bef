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
    """Switch a model that runs torch's SDPA to `attend_grouped`.

    Others keep their own attention: Gemma 2, for one, caps its scores.
    """
    from transformers.masking_utils import AttentionMaskInterface

    if model.config._attn_implementation != "sdpa":
        return
    AttentionMaskInterface.register(GROUPED_ATTENTION, make_grouped_mask)
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


def prefers_sdpa(n_queries: int, dtype: Any) -> bool:
    """Whether torch's fused kernel is the faster one on a CPU."""
    import torch

    return n_queries > 1 and dtype == torch.float32


def make_grouped_mask(*, q_length: int, dtype: Any, **kwargs: Any) -> Any:
    """mask_B_1_T_S that `attend_grouped` adds to its scores; SDPA's mask where SDPA runs.

    Transformers makes it once for all layers.
    """
    from transformers.masking_utils import eager_mask, sdpa_mask

    make_mask = sdpa_mask if prefers_sdpa(q_length, dtype) else eager_mask
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
    """output_B_T_H_D of query_B_H_T_D, key_B_G_S_D and value_B_G_S_D.

    The chosen kernel must suit the mask, which `make_grouped_mask` has made.
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    T = query.shape[2]
    S, D = key.shape[2:]
    can_add_mask = (
        attention_mask is not None
        and attention_mask.is_floating_point()
        and attention_mask.shape[1] == 1
    )
    needs_sdpa = not can_add_mask or kwargs.get("position_bias") is not None
    # The products below are written for inference: they keep nothing for a backward pass.
    if needs_sdpa or prefers_sdpa(T, query.dtype) or torch.is_grad_enabled():
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return output, None

    scale = score_scale(scaling, D)
    block = QUERIES_PER_BLOCK if T >= 2 * QUERIES_PER_BLOCK else T
    outputs = []
    for t in range(0, T, block):
        mask_B_1_t_S = attention_mask[:, :, t : t + block]
        n_keys = S
        if block < T:
            n_keys = count_visible_keys(mask_B_1_t_S, S - T + t + block)
        output_B_t_H_D = attend_by_products(
            query[:, :, t : t + block],
            key[:, :, :n_keys],
            value[:, :, :n_keys],
            mask_B_1_t_S[..., :n_keys],
            scale,
        )
        outputs.append(output_B_t_H_D)
    return torch.cat(outputs, dim=1), None


def count_visible_keys(mask_B_1_T_S: Any, n_causal: int) -> int:
    """How many keys, from the first on, these queries may see.

    n_causal: their number if the mask is causal. A mask that shows any later key counts as
    one that shows all.
    """
    later = mask_B_1_T_S[..., n_causal:]
    shows_later = later.numel() == 0 or later.amax() == 0
    return int(mask_B_1_T_S.shape[3] if shows_later else n_causal)


def attend_by_products(
    query: Any, key: Any, value: Any, mask_B_1_T_S: Any, scale: float
) -> Any:
    """output_B_T_H_D."""
    import torch

    B, H, T, D = query.shape
    G, S = key.shape[1:3]
    query_BG_N_D = group_query_heads(query, G)
    key_BG_D_S = key.reshape(B * G, S, D).transpose(1, 2)
    scores_B_H_T_S = torch.bmm(query_BG_N_D, key_BG_D_S).view(B, H, T, S)
    biased_B_H_T_S = torch.add(mask_B_1_T_S, scores_B_H_T_S, alpha=scale)
    weights_BG_N_S = biased_B_H_T_S.softmax(-1).view(B * G, H // G * T, S)
    output = torch.bmm(weights_BG_N_S, value.reshape(B * G, S, -1))
    return output.view(B, H, T, -1).transpose(1, 2)
