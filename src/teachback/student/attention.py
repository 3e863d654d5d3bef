"""Attention on a CPU by plain matrix products, where torch's fused kernel is slower: in bf16, and for one new token.

Query heads that share keys and values are rows of one product, so that neither is ever repeated.
"""

from typing import Any

NAME = "teachback_grouped"  # as transformers knows it


def use_grouped(model: Any) -> None:
    """Switch a model that runs SDPA; any other keeps the attention it has (Gemma 2 caps its scores, for one)."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    if model.config._attn_implementation != "sdpa":
        return
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)


def attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **kwargs: Any
) -> tuple[Any, None]:
    """output_B_T_H_D of query_B_H_T_D, key_B_G_S_D and value_B_G_S_D; the mask is boolean, B × 1 × T × S."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    B, H, T, D = query.shape
    G, S = key.shape[1:3]
    causal = T > 1 and attention_mask is None
    boolean = attention_mask is None or (attention_mask.dtype == torch.bool and attention_mask.shape[1] == 1)
    fused = (T > 1 and query.dtype == torch.float32) or not boolean or kwargs.get("position_bias") is not None
    if fused or torch.is_grad_enabled() or (causal and (T != S or kwargs.get("is_causal") is False)):
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
        return output, None
    if causal:
        attention_mask = torch.ones(T, S, dtype=torch.bool, device=query.device).tril()
    grouped = query.reshape(B * G, H // G * T, D)
    scores = torch.bmm(grouped, key.reshape(B * G, S, D).transpose(1, 2)).view(B, H, T, S)
    scale = D**-0.5 if scaling is None else scaling
    if attention_mask is None:
        scores = scores.mul_(scale)
    else:  # the smallest number, not -inf: a token of the padding may see nothing at all
        unseen = torch.finfo(scores.dtype).min * (~attention_mask).to(scores.dtype)
        scores = torch.add(unseen, scores, alpha=scale)
    weights = scores.softmax(-1).view(B * G, H // G * T, S)
    return torch.bmm(weights, value.reshape(B * G, S, -1)).view(B, H, T, -1).transpose(1, 2), None
