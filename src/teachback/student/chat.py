"""Questions and answers as tokens, the same way in attempts, finetuning and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import StudentError
from ..types import Scalar
from .folder import Loaded


@dataclass(frozen=True)
class Chat:
    """How a question becomes a conversation. options: `chat_template_kwargs` (such as enable_thinking=False)."""

    system: str | None = None
    options: Mapping[str, Scalar] = field(default_factory=dict)


def prompt_ids(student: Loaded, chat: Chat, message: str) -> list[int]:
    return encode(student.tokenizer, render(student, chat, messages(chat, message), ask=True))


def row_ids(student: Loaded, chat: Chat, message: str, answer: str) -> tuple[list[int], list[int]]:
    """A training row: the prompt's tokens, as they are in an attempt, and the answer's, its end token included."""
    asked = messages(chat, message)
    prompt = render(student, chat, asked, ask=True)
    whole = render(student, chat, [*asked, {"role": "assistant", "content": answer}], ask=False)
    if not whole.startswith(prompt):
        raise StudentError(
            "the chat template writes the question differently once the answer is there: "
            "the student would be trained on other prompts than it is asked",
            got=f"{whole[: len(prompt) + 40]!r}",
            allowed=f"a text that begins with {prompt!r}",
            fix="set student.chat_template_kwargs (for a reasoning model, its switch for no thinking)",
        )
    ids = encode(student.tokenizer, whole[len(prompt) :])
    last = max((i for i, token in enumerate(ids) if token in student.ends), default=None)
    answer_ids = ids[: last + 1] if last is not None else [*ids, student.tokenizer.eos_token_id]
    return encode(student.tokenizer, prompt), answer_ids


def messages(chat: Chat, message: str) -> list[dict[str, str]]:
    system = [{"role": "system", "content": chat.system}] if chat.system is not None else []
    return [*system, {"role": "user", "content": message}]


def render(student: Loaded, chat: Chat, turns: list[dict[str, str]], ask: bool) -> str:
    text = student.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ask, **chat.options)
    return str(text)


def encode(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)
