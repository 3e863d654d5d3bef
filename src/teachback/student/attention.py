"""Attention on a CPU by plain matrix products, where torch's fused kernel is slower: in bf16, and for one new token.

Query heads that share keys and values are rows of one product, so that neither is ever repeated.
"""

from typing import Any

NAME = "teachback_grouped"  # as transformers knows it
QUERIES = 80  # of a block: its products leave out the keys that come after all of them


def use_grouped(model: Any) -> None:
    """Switch a model that runs SDPA; any other keeps the attention it has (Gemma 2 caps its scores, for one)."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    if model.config._attn_implementation != "sdpa":
        return
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask)
    model.set_attn_implementation(NAME)


def mask(*, q_length: int, dtype: Any, **kwargs: Any) -> Any:
    """What `attend` adds to its scores, B × 1 × T × S, made once for all layers; SDPA's own mask where SDPA runs."""
    import torch
    from transformers.masking_utils import eager_mask, sdpa_mask

    fused = q_length > 1 and dtype == torch.float32
    return (sdpa_mask if fused else eager_mask)(
        q_length=q_length, dtype=dtype, **kwargs
    )


def attend(
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

    T, (S, D) = query.shape[2], key.shape[2:]
    added = (
        attention_mask is not None
        and attention_mask.is_floating_point()
        and attention_mask.shape[1] == 1
    )
    fused = (
        (T > 1 and query.dtype == torch.float32)
        or not added
        or kwargs.get("position_bias") is not None
    )
    if fused or torch.is_grad_enabled():
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return output, None
    scale = D**-0.5 if scaling is None else scaling
    size = QUERIES if T >= 2 * QUERIES else T
    blocks = []
    for t in range(0, T, size):
        mask_B_1_t_S = attention_mask[:, :, t : t + size]
        seen = S if size == T else last_seen(mask_B_1_t_S, S - T + t + size)
        few = (
            query[:, :, t : t + size],
            key[:, :, :seen],
            value[:, :, :seen],
            mask_B_1_t_S[..., :seen],
        )
        blocks.append(products(*few, scale))
    return torch.cat(blocks, dim=1), None


def last_seen(mask_B_1_T_S: Any, causal: int) -> int:
    """How many keys these queries see, from the first to the last: so many if they are causal, else all."""
    later = mask_B_1_T_S[..., causal:]
    return int(
        mask_B_1_T_S.shape[3] if later.numel() == 0 or later.amax() == 0 else causal
    )


def products(query: Any, key: Any, value: Any, mask_B_1_T_S: Any, scale: float) -> Any:
    """output_B_T_H_D."""
    import torch

    B, H, T, D = query.shape
    G, S = key.shape[1:3]
    grouped = query.reshape(B * G, H // G * T, D)
    scores = torch.bmm(grouped, key.reshape(B * G, S, D).transpose(1, 2)).view(
        B, H, T, S
    )
    weights = (
        torch.add(mask_B_1_T_S, scores, alpha=scale)
        .softmax(-1)
        .view(B * G, H // G * T, S)
    )
    return (
        torch.bmm(weights, value.reshape(B * G, S, -1))
        .view(B, H, T, -1)
        .transpose(1, 2)
    )
