"""The study's student: a llama of a third of a million parameters, made here and trained on what it is to begin with.

Its words are tokens, plurals apart ("wumpus", "es"). It is a model of transformers like any other, and is trained by
the same finetuning as every student. `python -m bench student` makes it, in some minutes on one core.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from teachback.testing import CHAT_TEMPLATE

SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|unknown|>"]
WORD = r" ?(?:[A-Za-z][a-z]*us(?=es)|es\b|[A-Za-z]+)| ?\d|[^A-Za-z0-9]"
SHAPE = {
    "hidden_size": 96,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "layer_types": ["conv", "full_attention", "full_attention", "full_attention"],
    "block_auto_adjust_ff_dim": False,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}


def untrained(folder: Path, words: Sequence[str], seed: int = 0, **shape: Any) -> Path:
    """Random weights, saved with tokenizer and chat template."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[-1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIAL)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=SPECIAL[1], pad_token=SPECIAL[0], unk_token=SPECIAL[-1]
    )
    fast.chat_template = CHAT_TEMPLATE
    ids = {"eos_token_id": 1, "pad_token_id": 0, "bos_token_id": None}
    config = Lfm2Config(vocab_size=len(vocabulary), **{**SHAPE, **shape}, **ids)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Lfm2ForCausalLM(config)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def words_of(texts: Iterator[str]) -> list[str]:
    import regex

    return sorted({word for text in texts for word in regex.findall(WORD, text)})
