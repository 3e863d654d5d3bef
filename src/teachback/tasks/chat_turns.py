"""Reads chats: turns of a user, an assistant and a system, in OpenAI's and ShareGPT's form."""

from collections.abc import Sequence
from typing import NamedTuple

from .cell_error import CellError

# By the names that turns go by. Other roles, such as tool, can't be shown to a student.
ROLE_OF_NAME = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "ai"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}
CHAT_PARTS = ("system", "user", "assistant")
READABLE_CHAT = (
    "texts of a system, a user and an assistant, with one reply to the last question"
)
# The keys of a turn's role and text.
TURN_KEYS = (("role", "content"), ("from", "value"), ("role", "text"))


class Turn(NamedTuple):
    role: str
    text: str


def is_chat(value: object) -> bool:
    """A list of turns, whoever speaks in them."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(turn, dict) and turn_keys(turn) is not None for turn in value)


def read_chat_part(turns: Sequence[Turn], part: str) -> str | None:
    """`system`: the system's turns. `user`: the last user's turn, below what was said before it.
    `assistant`: the reply to it. None if there is none.

    Raises CellError for another part, and for two replies.
    """
    if part not in CHAT_PARTS:
        raise CellError(f"is a chat, which has no {part!r}", ", ".join(CHAT_PARTS))
    if part == "system":
        return "\n\n".join(t.text for t in turns if t.role == "system") or None
    spoken = [turn for turn in turns if turn.role != "system"]
    n_asked = len(spoken)
    while n_asked and spoken[n_asked - 1].role != "user":
        n_asked -= 1
    if part == "user":
        return write_dialogue(spoken[:n_asked])
    replies = spoken[n_asked:]
    if len(replies) > 1:
        raise CellError("has two replies to the last question", READABLE_CHAT)
    return replies[0].text if replies else None


def read_turns(value: object) -> list[Turn] | None:
    """None for a value that is no chat. Turns without words are left out.

    Raises CellError for turns by others, and for what is no text.
    """
    if not isinstance(value, list) or not value:
        return None
    turns = []
    for turn in value:
        keys = turn_keys(turn) if isinstance(turn, dict) else None
        if keys is None:
            return None
        name, content = turn[keys[0]], turn[keys[1]]
        role = ROLE_OF_NAME.get(str(name).lower())
        if role is None:
            raise CellError(f"has a turn by {name!r}", READABLE_CHAT)
        # Parquet gives every turn the keys of all: a tool call, of a turn without one, is None.
        if turn.get("tool_calls"):
            raise CellError("has a call of a tool", READABLE_CHAT)
        text = content if isinstance(content, str) else turn_text(content)
        if text and not text.isspace():
            turns.append(Turn(role, text))
    return turns


def turn_keys(turn: dict[str, object]) -> tuple[str, str] | None:
    # A loop, as this is called for every turn of a file.
    for keys in TURN_KEYS:
        if keys[0] in turn and keys[1] in turn:
            return keys
    return None


def turn_text(content: object) -> str:
    """Raises CellError for parts that are no texts, such as images."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = []
        for part in content:
            text = part.get("text") if isinstance(part, dict) else part
            if not isinstance(text, str):
                raise CellError("has a turn that is no text", READABLE_CHAT)
            texts.append(text)
        return "\n".join(texts)
    raise CellError("has a turn that is no text", READABLE_CHAT)


def write_dialogue(turns: list[Turn]) -> str | None:
    """One question as it is; several turns with who speaks."""
    if len(turns) < 2:
        return turns[0].text if turns else None
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.text}" for turn in turns)
