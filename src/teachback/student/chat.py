"""Questions and answers as tokens, the same way in attempts, finetuning and evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Protocol

from ..errors import StudentError
from ..types import Scalar

SHOWN = 12  # tokens in an error


class Speaker(Protocol):
    """A student, as far as its words go. ends: the token ids that end an answer."""

    @property
    def tokenizer(self) -> Any: ...
    @property
    def ends(self) -> frozenset[int]: ...


@dataclass(frozen=True)
class Chat:
    """How a question becomes a conversation. options: `chat_template_kwargs` (such as enable_thinking=False)."""

    system: str | None = None
    options: Mapping[str, Scalar] = field(default_factory=dict)


def prompt_ids(student: Speaker, chat: Chat, message: str) -> list[int]:
    return encode(
        student.tokenizer, render(student, chat, messages(chat, message), ask=True)
    )


def row_ids(
    student: Speaker, chat: Chat, message: str, answer: str
) -> tuple[list[int], list[int]]:
    """A training row: the prompt's tokens, as they are in an attempt, and the answer's, its end token included.

    Raises StudentError where the conversation's tokens don't begin with the prompt's.
    """
    asked = prompt_ids(student, chat, message)
    turns = [*messages(chat, message), {"role": "assistant", "content": answer}]
    whole = encode(student.tokenizer, render(student, chat, turns, ask=False))
    if whole[: len(asked)] != asked:
        raise other_prompt(student, asked, whole)
    ids = whole[len(asked) :]
    last = max(
        (i for i, token in enumerate(ids) if token in student.ends), default=None
    )
    return asked, ids[: last + 1] if last is not None else [
        *ids,
        student.tokenizer.eos_token_id,
    ]


def other_prompt(
    student: Speaker, asked: Sequence[int], whole: Sequence[int]
) -> StudentError:
    same = (a == b for a, b in zip(asked, whole, strict=False))
    at = sum(1 for _ in takewhile(bool, same))
    return StudentError(
        "the chat template gives the prompt other tokens once the answer is there: "
        "the student would be trained on other prompts than it is asked",
        got=f"from token {at} on: {shown(student, whole[at:])}",
        allowed=f"as in the prompt alone: {shown(student, asked[at:])}",
        fix="set student.chat_template_kwargs (for a reasoning model, its switch for no thinking); "
        "or, if it is this row alone, let its answer begin without white space",
    )


def shown(student: Speaker, ids: Sequence[int], last: bool = False) -> str:
    """The first tokens, or the last, with their texts."""
    some = ids[-SHOWN:] if last else ids[:SHOWN]
    words = ", ".join(
        f"{token} {student.tokenizer.decode([token])!r}" for token in some
    )
    return f"[{'… ' if last and len(ids) > SHOWN else ''}{words}{' …' if not last and len(ids) > SHOWN else ''}]"


def messages(chat: Chat, message: str) -> list[dict[str, str]]:
    system = (
        [{"role": "system", "content": chat.system}] if chat.system is not None else []
    )
    return [*system, {"role": "user", "content": message}]


def render(student: Speaker, chat: Chat, turns: list[dict[str, str]], ask: bool) -> str:
    text = student.tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=ask, **chat.options
    )
    return str(text)


def encode(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)
