"""Questions and answers as tokens, the same in attempts, finetuning and evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import StudentError
from ..types import Scalar

MAX_TOKENS_SHOWN = 12  # in an error


class HasTokenizer(Protocol):
    """What a student's words depend on."""

    @property
    def tokenizer(self) -> Any: ...

    @property
    def ends(self) -> frozenset[int]:
        """The token ids that end an answer."""
        ...


@dataclass(frozen=True)
class Chat:
    """How a question becomes a conversation."""

    system: str | None = None
    # `chat_template_kwargs`, such as enable_thinking=False.
    options: Mapping[str, Scalar] = field(default_factory=dict)


def prompt_ids(student: HasTokenizer, chat: Chat, message: str) -> list[int]:
    """The prompt's tokens."""
    text = render_chat(student, chat, chat_turns(chat, message), ask=True)
    return encode_text(student.tokenizer, text)


def row_ids(
    student: HasTokenizer, chat: Chat, message: str, answer: str
) -> tuple[list[int], list[int]]:
    """A training row: the prompt's tokens, as in an attempt, and the answer's.

    The answer's include its end token. Raises StudentError where the conversation's
    tokens don't begin with the prompt's.
    """
    prompt = prompt_ids(student, chat, message)
    turns = [*chat_turns(chat, message), {"role": "assistant", "content": answer}]
    text = render_chat(student, chat, turns, ask=False)
    conversation = encode_text(student.tokenizer, text)
    if conversation[: len(prompt)] != prompt:
        raise prompt_mismatch_error(student, prompt, conversation)

    ids = conversation[len(prompt) :]
    end_positions = [i for i, token in enumerate(ids) if token in student.ends]
    if end_positions:
        return prompt, ids[: end_positions[-1] + 1]
    return prompt, [*ids, student.tokenizer.eos_token_id]


def prompt_mismatch_error(
    student: HasTokenizer, prompt: Sequence[int], conversation: Sequence[int]
) -> StudentError:
    start = 0  # the first token that differs
    for alone, in_row in zip(prompt, conversation, strict=False):
        if alone != in_row:
            break
        start += 1
    return StudentError(
        "the chat template gives the prompt other tokens once the answer is there: "
        "the student would be trained on other prompts than it is asked",
        got=f"from token {start} on: {describe_tokens(student, conversation[start:])}",
        allowed=f"as in the prompt alone: {describe_tokens(student, prompt[start:])}",
        fix="set student.chat_template_kwargs (for a reasoning model, its switch for no "
        "thinking); or, if it is this row alone, let its answer begin without white space",
    )


def describe_tokens(
    student: HasTokenizer, ids: Sequence[int], *, last: bool = False
) -> str:
    """The first tokens, or the last, with their texts."""
    visible_ids = ids[-MAX_TOKENS_SHOWN:] if last else ids[:MAX_TOKENS_SHOWN]
    words = [f"{token} {student.tokenizer.decode([token])!r}" for token in visible_ids]
    text = ", ".join(words)
    if len(ids) > MAX_TOKENS_SHOWN:
        text = f"… {text}" if last else f"{text} …"
    return f"[{text}]"


def chat_turns(chat: Chat, message: str) -> list[dict[str, str]]:
    turns = [{"role": "user", "content": message}]
    if chat.system is not None:
        turns.insert(0, {"role": "system", "content": chat.system})
    return turns


def render_chat(
    student: HasTokenizer, chat: Chat, turns: list[dict[str, str]], *, ask: bool
) -> str:
    """ask: the text ends where the assistant begins to answer."""
    text = student.tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=ask, **chat.options
    )
    return str(text)


def encode_text(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)
