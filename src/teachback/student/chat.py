"""Questions and answers as tokens, the same in attempts, finetuning and evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from ..errors import StudentError
from ..types import Scalar
from .chat_date import pin_template_date
from .thinking import THOUGHT_END, check_may_think, follow_prompt, keeps_thoughts

MAX_TOKENS_SHOWN = 12  # in an error
# An answer whose end in a conversation is looked for. No template rewrites it.
PLAIN_ANSWER = "Yes"


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
    # What a template that asks for today's date is told; None: the day it is.
    today: date | None = None


def prompt_ids(student: HasTokenizer, chat: Chat, message: str) -> list[int]:
    """The prompt's tokens."""
    return encode_text(student.tokenizer, render_prompt(student, chat, message))


def render_prompt(student: HasTokenizer, chat: Chat, message: str) -> str:
    return render_chat(student, chat, chat_turns(chat, message), ask=True)


def render_conversation(
    student: HasTokenizer, chat: Chat, message: str, answer: str
) -> str:
    turns = [*chat_turns(chat, message), {"role": "assistant", "content": answer}]
    return render_chat(student, chat, turns, ask=False)


def row_ids(
    student: HasTokenizer, chat: Chat, message: str, answer: str
) -> tuple[list[int], list[int]]:
    """A training row: the prompt's tokens, as in an attempt, and the answer's.

    The answer's include its end token. They are what the chat template makes of the
    conversation. Where it opens or closes the thinking in the prompt only, or drops an
    answer's thinking, the answer follows the prompt as it is. Raises StudentError where
    the conversation's tokens don't begin with the prompt's otherwise.
    """
    prompt_text = render_prompt(student, chat, message)
    prompt = encode_text(student.tokenizer, prompt_text)
    text = render_conversation(student, chat, message, answer)
    conversation = encode_text(student.tokenizer, text)
    continues_prompt = conversation[: len(prompt)] == prompt
    if continues_prompt and THOUGHT_END not in answer:
        return prompt, cut_at_end(student, conversation[len(prompt) :])

    n_shared = count_shared(prompt_text, text)
    if THOUGHT_END in answer:
        check_may_think(prompt_text, answer)
        if continues_prompt and keeps_thoughts(text[n_shared:], answer):
            return prompt, cut_at_end(student, conversation[len(prompt) :])

    # The texts may differ behind the question only: by an opened thought, say.
    differs_early = message.strip() not in prompt_text[:n_shared]
    if not continues_prompt and (differs_early or n_shared == len(prompt_text)):
        raise prompt_mismatch_error(student, prompt, conversation)
    return prompt, follow_prompt_ids(student, chat, message, answer)


def follow_prompt_ids(
    student: HasTokenizer, chat: Chat, message: str, answer: str
) -> list[int]:
    """The answer's tokens right behind the prompt, where the template wouldn't put it."""
    prompt_text = render_prompt(student, chat, message)
    prompt = encode_text(student.tokenizer, prompt_text)
    rest = follow_prompt(prompt_text, answer)
    rest += find_answer_end(student, chat, message)
    ids = encode_text(student.tokenizer, prompt_text + rest)
    if ids[: len(prompt)] == prompt:
        return cut_at_end(student, ids[len(prompt) :])
    return cut_at_end(student, encode_text(student.tokenizer, rest))


def cut_at_end(student: HasTokenizer, ids: list[int]) -> list[int]:
    """The ids up to their last end token, or with one where they have none."""
    end_positions = [i for i, token in enumerate(ids) if token in student.ends]
    if end_positions:
        return ids[: end_positions[-1] + 1]
    eos_id = student.tokenizer.eos_token_id
    return [*ids, eos_id if eos_id in student.ends else min(student.ends)]


def count_shared(text: str, other: str) -> int:
    """How many characters both begin with."""
    for i, (a, b) in enumerate(zip(text, other, strict=False)):
        if a != b:
            return i
    return min(len(text), len(other))


def find_answer_end(student: HasTokenizer, chat: Chat, message: str) -> str:
    """What the template writes after an answer."""
    text = render_conversation(student, chat, message, PLAIN_ANSWER)
    if PLAIN_ANSWER not in text:
        raise StudentError(
            "the chat template drops or changes the answer",
            got=repr(text[-120:]),
            allowed=f"a conversation that ends with the answer {PLAIN_ANSWER!r}",
            fix="choose another student, or mend its chat template",
        )
    return text[text.rfind(PLAIN_ANSWER) + len(PLAIN_ANSWER) :]


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
    options: dict[str, Any] = dict(chat.options)
    if chat.today is not None:
        template = student.tokenizer.get_chat_template()
        options["chat_template"] = pin_template_date(template, chat.today)
    text = student.tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=ask, **options
    )
    return str(text)


def encode_text(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)
