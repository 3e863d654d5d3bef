"""Whether a student's chat template writes what it is given: a probe, rendered and read back.

A template that drops the question gives every question the same prompt, and one that drops
the system message ignores the user's. Neither shows in a run's numbers.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ..errors import StudentError
from .chat import (
    Chat,
    HasTokenizer,
    describe_tokens,
    encode_text,
    prompt_ids,
    render_prompt,
    row_ids,
)
from .context import check_fits_context

PROBE_QUESTION = (
    "A baker sells 17 rolls at 3.50 each; two-thirds of them are gone by 9:30.\n"
    "How much (in all) has the baker taken in? Name the rolls that are left, too."
)
PROBE_ANSWER = "The baker has taken in 39.67. Six rolls are left."

# How often a prompt is written, to see whether it depends on chance.
N_RENDERINGS = 8


class HasContext(HasTokenizer, Protocol):
    @property
    def max_tokens(self) -> int | None:
        """Of prompt and answer together; None: no limit is known."""
        ...


def check_chat(
    student: HasTokenizer, chat: Chat, folder: Path, vocabulary: int | None = None
) -> None:
    """Raises StudentError where the student can't be asked or trained as `chat` says.

    vocabulary: how many tokens the model knows; None: unknown.
    """
    check_template(student, folder)
    check_system_message(student, chat, folder)
    prompts = {write_probe(student, chat, folder) for _ in range(N_RENDERINGS)}
    if len(prompts) > 1:
        raise StudentError(
            f"the chat template in {folder} writes the same question in different ways",
            got=" and ".join(repr(prompt[:80]) for prompt in sorted(prompts)[:2]),
            allowed="a template without chance",
            fix="remove what draws at random from the template",
        )
    (prompt_text,) = prompts
    check_kept(prompt_text, PROBE_QUESTION, "question", folder)
    if chat.system is not None:
        check_kept(prompt_text, chat.system, "system message", folder)
    check_probe_tokens(student, chat, folder, vocabulary)


def check_template(student: HasTokenizer, folder: Path) -> None:
    """Raises StudentError for a tokenizer that can't write a conversation."""
    if not student.tokenizer.chat_template:
        raise StudentError(
            f"the student in {folder} has no chat template",
            allowed="an instruct or chat model, "
            "whose tokenizer says how a conversation is written",
            fix="choose the model's instruct version, "
            "or put a chat_template.jinja into its folder",
        )


def check_system_message(student: HasTokenizer, chat: Chat, folder: Path) -> None:
    """Raises StudentError where the template refuses a system message, but not a question."""
    if chat.system is None:
        return
    try:
        render_prompt(student, chat, PROBE_QUESTION)
    except Exception as error:
        without = Chat(None, chat.options, chat.today)
        write_probe(student, without, folder)
        raise StudentError(
            f"the chat template in {folder} takes no system message",
            got=error,
            fix="leave student.system out, and put its text into the task's prompt",
        ) from error


def write_probe(student: HasTokenizer, chat: Chat, folder: Path) -> str:
    try:
        return render_prompt(student, chat, PROBE_QUESTION)
    # Of Jinja or of Python: the template is a program.
    except Exception as error:
        raise StudentError(
            f"the chat template in {folder} can't write a question",
            got=f"{type(error).__name__}: {error}",
            allowed="a Jinja template for messages of the roles system, user and assistant",
            fix="mend chat_template.jinja (or chat_template in tokenizer_config.json), or set "
            "student.chat_template_kwargs",
        ) from error


def check_messages(
    student: HasContext, chat: Chat, messages: Iterable[str], max_new_tokens: int
) -> None:
    """Raises StudentError for a message that doesn't fit the context with its answer."""
    max_tokens = student.max_tokens
    if max_tokens is None:
        return
    n_probe = len(prompt_ids(student, chat, PROBE_QUESTION))
    for message in messages:
        # A token stands for one byte or more. So this is an upper bound, and quick.
        bound = n_probe + len(message.encode("utf-8", "replace"))
        if bound + max_new_tokens > max_tokens:
            n_prompt = len(prompt_ids(student, chat, message))
            check_fits_context(max_tokens, n_prompt, max_new_tokens, message)


def check_kept(text: str, part: str, name: str, folder: Path) -> None:
    """Raises StudentError where a part of the conversation isn't in its text."""
    if remove_spaces(part) in remove_spaces(text):
        return
    fix = "choose another student, or mend its chat template"
    if name == "system message":
        fix = "leave student.system out, and put its text into the task's prompt"
    raise StudentError(
        f"the chat template in {folder} drops or changes the {name}",
        got=f"{part[:60]!r} became {text[:240]!r}",
        allowed=f"a template that writes the {name} as it is",
        fix=fix,
    )


def check_probe_tokens(
    student: HasTokenizer, chat: Chat, folder: Path, vocabulary: int | None
) -> None:
    """Raises StudentError where the tokens lose the question, or a row its answer."""
    prompt = prompt_ids(student, chat, PROBE_QUESTION)
    check_readable(student, prompt, PROBE_QUESTION, "question", folder)
    row_prompt, answer = row_ids(student, chat, PROBE_QUESTION, PROBE_ANSWER)
    check_readable(student, answer, PROBE_ANSWER, "answer", folder)
    unknown = [
        token
        for token in [*row_prompt, *answer]
        if vocabulary is not None and token >= vocabulary
    ]
    if unknown:
        raise StudentError(
            f"the tokenizer in {folder} writes tokens that the model doesn't know",
            got=describe_tokens(student, unknown),
            allowed=f"ids below {vocabulary}",
            fix="put back the tokenizer that belongs to the weights",
        )


def check_readable(
    student: HasTokenizer, ids: list[int], part: str, name: str, folder: Path
) -> None:
    """Raises StudentError where the part can't be read back from the tokens."""
    text = str(student.tokenizer.decode(ids))
    if remove_spaces(part) in remove_spaces(text):
        return
    alone = str(student.tokenizer.decode(encode_text(student.tokenizer, part)))
    if remove_spaces(part) == remove_spaces(alone):
        # The template is to blame, not the tokenizer.
        return check_kept(text, part, name, folder)
    raise StudentError(
        f"the tokenizer in {folder} can't write plain English: the {name} is lost",
        got=f"{part[:60]!r} became {alone[:240]!r}",
        allowed="a tokenizer from whose tokens a text can be read back",
        fix="put back the tokenizer that belongs to the weights, or choose another student",
    )


def remove_spaces(text: str) -> str:
    """Templates trim, and tokenizers add a space or leave one out."""
    return "".join(text.split())
