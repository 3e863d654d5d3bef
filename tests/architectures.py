"""Tiny random students of many architectures, made on the spot: what is unusual about each is
small enough to matter.

folder = build("gemma2", tmp_path / "gemma2")    # weights, tokenizer and chat template, like any
other student
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from teachback.testing import tiny_student

WINDOW = 12  # tokens: shorter than every prompt, chat template included
SHAPE: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.3,  # logits that differ, so that its answers do
    "max_position_embeddings": 2048,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "bos_token_id": None,
    "tie_word_embeddings": False,
}
TIED: Mapping[str, Any] = {"tie_word_embeddings": True}
GEMMA: Mapping[str, Any] = {
    **TIED,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "query_pre_attn_scalar": 16,
}
# Name → (model type of transformers, what its config says besides SHAPE)
ARCHITECTURES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "llama": ("llama", {}),
    "llama-tied": ("llama", TIED),
    "qwen2": ("qwen2", TIED),
    "qwen3": ("qwen3", {}),
    "gemma2": (
        "gemma2",
        {**GEMMA, "final_logit_softcapping": 4.0, "attn_logit_softcapping": 2.0},
    ),
    "gemma3": ("gemma3_text", GEMMA),
    "mistral": ("mistral", {"sliding_window": WINDOW}),
    "phi": ("phi", {"partial_rotary_factor": 0.5}),
    "phi3": (
        "phi3",
        {"sliding_window": WINDOW, "original_max_position_embeddings": 2048},
    ),
}
# Layers that keep something else than keys and values: a convolution's last inputs, a state
HYBRIDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "lfm2": (
        "lfm2",
        {
            "layer_types": ["conv", "full_attention", "conv"],
            "block_auto_adjust_ff_dim": False,
        },
    ),
    "falcon_h1": (
        "falcon_h1",
        {
            "mamba_d_ssm": 32,
            "mamba_n_heads": 4,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "mamba_chunk_size": 8,
        },
    ),
}


def build(name: str, folder: Path, seed: int = 0) -> Path:
    """A student of one of ARCHITECTURES or HYBRIDS in the folder, which is made.

    Returns the folder.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tiny_student(folder)  # for its tokenizer; the model is replaced
    vocab_size = AutoConfig.from_pretrained(folder).vocab_size
    model_type, changes = {**ARCHITECTURES, **HYBRIDS}[name]
    config = AutoConfig.for_model(
        model_type, vocab_size=vocab_size, **{**SHAPE, **changes}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            if parameter.ndim == 1:  # norms and biases, which begin as ones and zeros
                parameter.data += 0.5 * torch.randn_like(parameter)
        if model_type.startswith(
            "gemma"
        ):  # else a tied model of this size says the same token for ever
            model.get_input_embeddings().weight.data *= 0.3
            model.get_decoder().norm.weight.data += (
                4  # and its distributions are nearly uniform
            )
    model.save_pretrained(folder)
    return folder
