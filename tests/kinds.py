"""Tiny random students of 59 model types, and what teachback does with each.

`check_kind` compares attempts, scores and losses with the model's own forward pass, row by row,
and says in words how the kind is run. docs/students.md has the table of all of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from architectures import SHAPE
from teachback.student.attempt import AttemptRequest, answer_questions
from teachback.student.chat import Chat, prompt_ids, row_ids
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.loading import LoadedStudent, load_student
from teachback.student.scoring import score_answers
from teachback.student.training.batch import split_micro_batches, tokenize_rows
from teachback.student.training.finetune import Recipe, finetune
from teachback.student.training.layout import (
    BatchLayout,
    choose_layout,
    compute_batch_loss,
)
from teachback.testing import tiny_student

WINDOW = 12
MIXED = ["sliding_attention", "full_attention", "sliding_attention"]
LINEAR = ["linear_attention", "full_attention", "linear_attention"]
MAMBA_SHAPE = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_chunk_size": 8,
    "mamba_expand": 2,
}
DELTA_SHAPE = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": LINEAR,
}
MOE = {
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
}
LATENT = {
    **MOE,
    "num_key_value_heads": 4,
    "kv_lora_rank": 8,
    "q_lora_rank": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "qk_nope_head_dim": 8,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
GPT = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 512, "n_inner": 48}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "apertus": {},
    "arcee": {},
    "bamba": {"attn_layer_indices": [1], **MAMBA_SHAPE},
    "bitnet": {},
    "bloom": {"n_layer": 3, "n_head": 4},
    "codegen": {**GPT, "rotary_dim": 8},
    "cohere": {"logit_scale": 0.25},
    "cohere2": {"sliding_window": WINDOW, "logit_scale": 0.25, "layer_types": MIXED},
    "deepseek_v2": LATENT,
    "deepseek_v3": LATENT,
    "diffllama": {},
    "doge": {},
    "ernie4_5": {},
    "exaone4": {
        "sliding_window": WINDOW,
        "sliding_window_pattern": 3,
        "layer_types": MIXED,
    },
    "falcon_mamba": {"state_size": 8},
    "gemma": {},
    "gemma3n_text": {
        "sliding_window": WINDOW,
        "num_hidden_layers": 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "vocab_size_per_layer_input": 261,
        "hidden_size_per_layer_input": 8,
        "activation_sparsity_pattern": [0.0] * 4,
        "laurel_rank": 8,
    },
    "gemma4_text": {
        "sliding_window": WINDOW,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        "hidden_size_per_layer_input": 8,
        "vocab_size_per_layer_input": 261,
        "global_head_dim": 16,
        "num_kv_shared_layers": 0,
    },
    "glm": {},
    "glm4": {},
    "gpt2": GPT,
    "gpt_bigcode": GPT,
    "gpt_neo": {
        "num_layers": 3,
        "num_heads": 4,
        "attention_types": [[["global", "local", "global"], 1]],
        "window_size": WINDOW,
    },
    "gpt_neox": {"rotary_pct": 0.5},
    "gpt_oss": {**MOE, "sliding_window": WINDOW, "layer_types": MIXED},
    "gptj": {**GPT, "rotary_dim": 8},
    "granite": {
        "embedding_multiplier": 3.0,
        "logits_scaling": 2.0,
        "residual_multiplier": 0.5,
        "attention_multiplier": 0.2,
    },
    "granitemoe": MOE,
    "granitemoehybrid": {
        **MOE,
        "shared_intermediate_size": 32,
        "layer_types": ["mamba", "attention", "mamba"],
        **MAMBA_SHAPE,
    },
    "helium": {},
    "hunyuan_v1_dense": {},
    "jamba": {
        **MOE,
        "attn_layer_period": 3,
        "attn_layer_offset": 1,
        "mamba_d_state": 8,
        "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
    },
    "lfm2_moe": {
        **MOE,
        "layer_types": ["conv", "full_attention", "conv"],
        "num_dense_layers": 1,
    },
    "llama4_text": {
        **MOE,
        "attention_chunk_size": 16,
        "intermediate_size_mlp": 48,
        "no_rope_layers": [1, 0, 1],
    },
    "mamba": {"state_size": 8},
    "mamba2": {
        "num_heads": 8,
        "head_dim": 8,
        "state_size": 8,
        "n_groups": 1,
        "chunk_size": 8,
    },
    "minicpm3": {
        "num_key_value_heads": 4,
        "kv_lora_rank": 8,
        "q_lora_rank": 8,
        "qk_rope_head_dim": 8,
        "v_head_dim": 8,
        "qk_nope_head_dim": 8,
    },
    "minimax": {**MOE, "layer_types": LINEAR, "block_size": 8},
    "mixtral": {**MOE, "sliding_window": None},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 3, "max_seq_len": 512},
    "nemotron": {},
    "nemotron_h": {
        "hybrid_override_pattern": "M*M",
        "mamba_num_heads": 4,
        "mamba_head_dim": 16,
        "ssm_state_size": 8,
        "n_groups": 1,
        "chunk_size": 8,
    },
    "olmo2": {},
    "olmo3": {"sliding_window": WINDOW, "layer_types": MIXED},
    "olmoe": MOE,
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32, "dropout": 0.0},
    "persimmon": {},
    "phimoe": MOE,
    "qwen2_moe": {**MOE, "shared_expert_intermediate_size": 16},
    "qwen3_5_text": DELTA_SHAPE,
    "qwen3_moe": MOE,
    "qwen3_next": {**MOE, "shared_expert_intermediate_size": 16, **DELTA_SHAPE},
    "recurrent_gemma": {
        "attention_window_size": WINDOW,
        "lru_width": 32,
        "block_types": ["recurrent", "attention"],
    },
    "rwkv": {"attention_hidden_size": 32},
    "seed_oss": {},
    "smollm3": {"no_rope_layers": [1, 0, 1]},
    "stablelm": {},
    "starcoder2": {"sliding_window": WINDOW},
    "xlstm": {},
}
# Their recurrent layers decode from a state that is not quite what one pass computes.
STATE_ERRORS = {"nemotron_h": 1e-3}
CHAT = Chat()
QUESTIONS = [
    "What is 2 + 3?",
    "Name the colour of the sky on a clear day, please.",
    "ab",
    "Count: one two three four",
]
ROWS = [
    ("What is 1 + 1?", "It is 2."),
    ("Say hello to all of the people here", "Hello!"),
    ("x", "y z"),
]
MAX_NEW_TOKENS = 10


class KindReport(NamedTuple):
    """How a kind is run, as docs/students.md says it."""

    name: str
    attempts: str
    training: str
    adapters: str

    def __str__(self) -> str:
        return f"| {' | '.join(self)} |"


def build_kind(name: str, folder: Path) -> Path:
    """A student of one of KINDS in the folder, which is made. Returns the folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    tiny_student(folder)  # for its tokenizer; the model is replaced
    changes = {**SHAPE, "max_position_embeddings": 512, **KINDS[name]}
    vocab_size = AutoConfig.from_pretrained(folder).vocab_size
    config = AutoConfig.for_model(name, vocab_size=vocab_size, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.data += 0.3 * torch.randn_like(parameter)
    model.generation_config.eos_token_id = 1
    model.generation_config.pad_token_id = 0
    model.save_pretrained(folder)
    return folder


def check_kind(name: str, folder: Path) -> KindReport:
    """Compare all that teachback does with the kind with the model's own forward pass."""
    build_kind(name, folder)
    own = load_student(folder)
    student = load_for_inference(folder)
    check_attempts(own, student, STATE_ERRORS.get(name, 1e-5))
    check_scores(own, student)
    layout = check_losses(own)
    trained = finetune(
        folder,
        ROWS,
        folder / "work",
        chat=CHAT,
        recipe=Recipe(method="lora", lr=1e-2, epochs=2, rows_per_step=3),
        seed=0,
    )
    before = score_answers(student, CHAT, ROWS)
    after = score_answers(load_for_inference(trained), CHAT, ROWS)
    assert sum(after) < sum(before)
    return KindReport(
        f"`{name}`", describe_attempts(student), describe_training(layout), "yes"
    )


def check_attempts(own: LoadedStudent, student: InferenceModel, error: float) -> None:
    """Each answer is greedy by the model's own pass over it, with that pass's nll."""
    requests = [AttemptRequest(str(i), text) for i, text in enumerate(QUESTIONS)]
    batch = answer_questions(student, CHAT, requests, MAX_NEW_TOKENS)
    for question, attempt in zip(QUESTIONS, batch.attempts, strict=True):
        prompt = prompt_ids(student, CHAT, question)
        tokens = greedy_tokens(own, prompt)
        nll_T = nll_of(own, prompt, tokens)
        assert attempt.n_tokens == len(tokens)
        words = [token for token in tokens if token not in own.ends]
        assert attempt.text == own.tokenizer.decode(words, skip_special_tokens=True)
        assert attempt.nll == pytest.approx(nll_T.mean().item(), abs=error)


def greedy_tokens(own: LoadedStudent, prompt: list[int]) -> list[int]:
    """By the model's own passes over the whole text, without a cache."""
    tokens: list[int] = []
    while len(tokens) < MAX_NEW_TOKENS and not own.ends & set(tokens):
        with torch.no_grad():
            ids = torch.tensor([[*prompt, *tokens]])
            logits = own.model(input_ids=ids, use_cache=False).logits
        tokens.append(int(logits[0, -1].argmax()))
    return tokens


def nll_of(own: LoadedStudent, prompt: list[int], answer: list[int]) -> torch.Tensor:
    with torch.no_grad():
        ids = torch.tensor([[*prompt, *answer]])
        logits = own.model(input_ids=ids, use_cache=False).logits[0]
    first = len(prompt) - 1
    log_probs = logits[first : first + len(answer)].double().log_softmax(-1)
    return -log_probs[range(len(answer)), answer]


def check_scores(own: LoadedStudent, student: InferenceModel) -> None:
    for row, nll in zip(ROWS, score_answers(student, CHAT, ROWS), strict=True):
        expected = nll_of(own, *row_ids(own, CHAT, *row)).mean().item()
        assert nll == pytest.approx(expected, abs=2e-5)


def check_losses(own: LoadedStudent) -> BatchLayout:
    """The loss of the layout that is chosen is the sum of the rows' own losses."""
    rows = tokenize_rows(own, CHAT, ROWS)
    layout = choose_layout(own.model, rows, pack=True)
    expected = sum(
        nll_of(own, row["prompt"], row["answer"]).sum().item() for row in rows
    )
    max_tokens = 1 if layout.is_single else 10_000
    loss = 0.0
    with torch.no_grad(), layout.attention(own.model):
        for batch in split_micro_batches(rows, max_tokens, layout.is_packed):
            part = compute_batch_loss(own.model, batch, layout, torch.device("cpu"))
            loss += part.item()
    assert loss == pytest.approx(expected, rel=1e-4)
    return layout


def describe_attempts(student: InferenceModel) -> str:
    abilities = student.abilities
    words = {
        "ours": "cached",
        "own": "by `generate`",
        "none": "by `generate`, without a cache",
    }[abilities.cache]
    return words if abilities.takes_padding else f"{words}, prompts of one length"


def describe_training(layout: BatchLayout) -> str:
    if layout.is_fused:
        return "packed, fused head"
    if layout.is_packed:
        return "packed"
    return "one by one" if layout.is_single else "padded"
