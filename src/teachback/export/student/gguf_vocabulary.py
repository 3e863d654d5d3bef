"""A tokenizer in GGUF: byte-level BPE, which llama.cpp splits by a rule that it has a name for.

The name is found by the splitting itself, as tokenizer.json writes it down, and not by the model's
name: a tokenizer that was changed is refused or gets its own rule.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...student.chat import Chat, render_prompt
from .gguf_model import make_unknown_error
from .saved_student import SavedStudent, order_ends

WORD_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_PATTERN = WORD_PATTERN % "{1,3}"
QWEN2_PATTERN = WORD_PATTERN % ""
# Tokens that end a turn, by the keys that llama.cpp reads.
MAX_ENDS = 3


class Splitting(NamedTuple):
    """What a tokenizer does to a text before it merges."""

    steps: tuple[str, ...]
    # A word that is a token is never cut.
    ignores_merges: bool = False


# llama.cpp's names of them, and what they stand for there (llama-vocab.cpp).
NAME_OF_SPLITTING: Mapping[Splitting, str] = {
    Splitting(("gpt-2 pattern",)): "gpt-2",
    Splitting(("single digits", "gpt-2 pattern")): "smollm",
    Splitting((LLAMA3_PATTERN, "bytes"), ignores_merges=True): "llama-bpe",
    Splitting((QWEN2_PATTERN, "bytes")): "qwen2",
}


def add_vocabulary(writer: Any, student: SavedStudent, chat: Chat) -> None:
    """Raises StudentError for a tokenizer that llama.cpp would read otherwise."""
    rules = read_tokenizer_rules(student)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(find_splitting_name(student, rules))
    tokens, kinds = list_tokens(student)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = rules["model"]["merges"]
    writer.add_token_merges(
        [pair if isinstance(pair, str) else " ".join(pair) for pair in merges]
    )
    add_special_tokens(writer, student)
    writer.add_add_space_prefix(False)
    writer.add_add_bos_token(begins_with_bos(student, chat))
    writer.add_add_eos_token(False)
    writer.add_chat_template(student.tokenizer.get_chat_template())


def read_tokenizer_rules(student: SavedStudent) -> Mapping[str, Any]:
    """tokenizer.json. Raises StudentError where it is no byte-level BPE."""
    backend = getattr(student.tokenizer, "backend_tokenizer", None)
    rules: dict[str, Any] = json.loads(backend.to_str()) if backend else {}
    model = rules.get("model", {})
    normalizer = rules.get("normalizer") or {"type": "NFC"}
    is_plain = model.get("type") == "BPE" and not any(
        model.get(key)
        for key in ("byte_fallback", "continuing_subword_prefix", "end_of_word_suffix")
    )
    # llama.cpp never normalises. Texts that NFC leaves as they are, which nearly all are, are the
    # same to it.
    if not is_plain or normalizer["type"] != "NFC":
        raise make_unknown_error(
            student,
            f"a tokenizer of the type {model.get('type')}, normalizer {normalizer['type']}",
            "byte-level BPE, as GPT-2, Llama 3, Qwen and SmolLM have it",
        )
    return rules


def find_splitting_name(student: SavedStudent, rules: Mapping[str, Any]) -> str:
    """llama.cpp's name of what the tokenizer does before it merges. Raises StudentError."""
    pre = rules.get("pre_tokenizer") or {}
    steps = pre["pretokenizers"] if pre.get("type") == "Sequence" else [pre]
    splitting = Splitting(
        tuple(describe_step(step) for step in steps),
        bool(rules["model"].get("ignore_merges")),
    )
    name = NAME_OF_SPLITTING.get(splitting)
    if name is None:
        raise make_unknown_error(
            student,
            f"a tokenizer that splits texts by {splitting}",
            ", ".join(NAME_OF_SPLITTING.values()),
        )
    return name


def describe_step(step: Mapping[str, Any]) -> str:
    """The step in the words of NAME_OF_SPLITTING, or as it is."""
    kind = step.get("type")
    if kind == "ByteLevel" and not step["add_prefix_space"]:
        return "gpt-2 pattern" if step["use_regex"] else "bytes"
    if kind == "Digits" and step["individual_digits"]:
        return "single digits"
    is_split = kind == "Split" and step["behavior"] == "Isolated" and not step["invert"]
    if is_split and "Regex" in step["pattern"]:
        return str(step["pattern"]["Regex"])
    return json.dumps(step, sort_keys=True)


def list_tokens(student: SavedStudent) -> tuple[list[str], list[int]]:
    """The text and the type of every row of the embeddings, by id."""
    from gguf import TokenType

    tokenizer = student.tokenizer
    added = tokenizer.added_tokens_decoder
    text_of_id = {id: text for text, id in tokenizer.get_vocab().items()}
    tokens: list[str] = []
    kinds: list[int] = []
    for id in range(student.config.vocab_size):
        kind = TokenType.NORMAL
        if id not in text_of_id:
            kind = TokenType.UNUSED
        elif id in added:
            kind = TokenType.CONTROL if added[id].special else TokenType.USER_DEFINED
        tokens.append(text_of_id.get(id, f"[PAD{id}]"))
        kinds.append(int(kind))
    return tokens, kinds


def add_special_tokens(writer: Any, student: SavedStudent) -> None:
    tokenizer = student.tokenizer
    ends = order_ends(student)
    if len(ends) > MAX_ENDS:
        raise make_unknown_error(
            student,
            f"{len(ends)} end tokens",
            f"up to {MAX_ENDS}: GGUF has no more keys",
        )
    # llama.cpp ends an answer at each of the three.
    adders = (writer.add_eos_token_id, writer.add_eot_token_id, writer.add_eom_token_id)
    for add, token in zip(adders, ends, strict=False):
        add(token)
    others = {
        writer.add_bos_token_id: tokenizer.bos_token_id,
        writer.add_pad_token_id: tokenizer.pad_token_id,
        writer.add_unk_token_id: tokenizer.unk_token_id,
    }
    for add, id in others.items():
        if id is not None:
            add(id)


def begins_with_bos(student: SavedStudent, chat: Chat) -> bool:
    """Whether a program must put the BOS token before a prompt.

    The tokenizer does so, and the chat template writes it too: llama.cpp keeps one of the two.
    Where the template leaves it out, the student was taught without it.
    """
    tokenizer = student.tokenizer
    bos_id = tokenizer.bos_token_id
    if bos_id is None or tokenizer("x").input_ids[0] != bos_id:
        return False
    return render_prompt(student, chat, "x").startswith(tokenizer.bos_token)
