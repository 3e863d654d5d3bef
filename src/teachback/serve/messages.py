"""A request as the rehearsal server received it, and the teacher's reply to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ..endpoints.endpoint import Messages


@dataclass(frozen=True)
class Request:
    """One HTTP request. Its body is parsed at most once."""

    index: int  # in the order of arrival, from 0
    raw: bytes  # the exact body
    headers: Mapping[str, str]

    @cached_property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.raw)
        return body

    @cached_property
    def messages(self) -> Messages:
        """The messages, checked.

        Raises UnanswerableRequest if the body is not a valid chat-completions request.
        """
        try:
            messages = self.body["messages"]
            has_model = isinstance(self.body["model"], str)
            has_texts = all(isinstance(message["content"], str) for message in messages)
            is_valid = has_model and has_texts and bool(messages)
        except (ValueError, LookupError, TypeError, RecursionError):
            is_valid = False
        if not is_valid:
            raise UnanswerableRequest(
                "not a chat-completions request: `model` and `messages` with text contents "
                "are needed"
            )
        if self.body.get("stream"):
            raise UnanswerableRequest("this server does not stream", "stream")
        cap = self.max_tokens
        if cap is not None and (type(cap) is not int or cap < 1):
            raise UnanswerableRequest(
                "the completion cap is no whole number above 0", "max_tokens"
            )
        return messages  # type: ignore[no-any-return]

    @property
    def max_tokens(self) -> int | None:
        """The cap on the completion, under its older or its newer name."""
        cap: int | None = self.body.get("max_tokens")
        return self.body.get("max_completion_tokens") if cap is None else cap

    @property
    def prompt(self) -> str:
        prompt: str = self.body["messages"][-1]["content"]
        return prompt

    @property
    def role(self) -> Literal["question", "answer"]:
        return "question" if "<question>" in self.prompt else "answer"


class TeacherReply(NamedTuple):
    text: str
    # Which call of a pair the text answers, if the teacher knows.
    role: str | None = None
    seed: str | None = None
    n: int | None = None


# Raises UnanswerableRequest for a prompt that it can't answer.
RehearsalTeacher = Callable[[Messages], str | TeacherReply]


class UnanswerableRequest(Exception):
    """The client gets HTTP 400 with this text as the message."""

    def __init__(self, message: str, param: str = "messages") -> None:
        super().__init__(message)
        self.param = param  # the field of the request that is at fault


def count_words(text: str) -> int:
    """Count the tokens of this server, which are words. Like a token, a word has a byte or more."""
    return len(text.split())


def openai_error_body(
    message: str, type: str, code: str | None = None, param: str | None = None
) -> str:
    error = {"message": message, "type": type, "param": param, "code": code}
    return json.dumps({"error": error})
