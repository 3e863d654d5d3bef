"""What passes between the parts of the rehearsal server: a request as it came, and a teacher's reply to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ..endpoints.endpoint import Messages


@dataclass(frozen=True)
class Request:
    """One request as it came. at: its place in the order of arrival. raw: the exact bytes. Parsed at most once."""

    at: int
    raw: bytes
    headers: Mapping[str, str]

    @cached_property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.raw)
        return body

    @cached_property
    def messages(self) -> Messages:
        """The messages, checked. Raises Unanswerable for a body that is no chat-completions request."""
        try:
            messages, model = self.body["messages"], self.body["model"]
            good = isinstance(model, str) and all(
                isinstance(message["content"], str) for message in messages
            )
        except (ValueError, LookupError, TypeError, RecursionError):
            good = False
        if not good or not messages:
            raise Unanswerable(
                "not a chat-completions request: `model` and `messages` with text contents are needed"
            )
        if self.body.get("stream"):
            raise Unanswerable("this server does not stream", "stream")
        if self.cap is not None and (type(self.cap) is not int or self.cap < 1):
            raise Unanswerable(
                "the completion cap is no whole number above 0", "max_tokens"
            )
        return messages  # type: ignore[no-any-return]

    @property
    def cap(self) -> int | None:
        caps: tuple[int | None, ...] = tuple(
            map(self.body.get, ("max_tokens", "max_completion_tokens"))
        )
        return next((cap for cap in caps if cap is not None), None)

    @property
    def prompt(self) -> str:
        prompt: str = self.body["messages"][-1]["content"]
        return prompt

    @property
    def role(self) -> Literal["question", "answer"]:
        return "question" if "<question>" in self.prompt else "answer"


class Reply(NamedTuple):
    """A teacher's text; role, seed and n say which call of a pair it answers, where the teacher knows."""

    text: str
    role: str | None = None
    seed: str | None = None
    n: int | None = None


# Raises Unanswerable for a prompt that it can't answer.
Teacher = Callable[[Messages], str | Reply]


class Unanswerable(Exception):
    """A request that gets HTTP 400; the text is its message. param: the field that is at fault."""

    def __init__(self, message: str, param: str = "messages") -> None:
        super().__init__(message)
        self.param = param


def tokens(text: str) -> int:
    """This server's tokens are words: fewer than bytes, as everywhere."""
    return len(text.split())


def error_body(
    message: str, type: str, code: str | None = None, param: str | None = None
) -> str:
    return json.dumps(
        {"error": {"message": message, "type": type, "param": param, "code": code}}
    )
