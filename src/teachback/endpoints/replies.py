"""Reads a chat completion: its text, or the reason why there is none, whatever a server sends.

*Thinking* is what a model says before its answer. It has a field of its own, or stands as
`<think>...</think>` at the beginning of the content. `<think>` is missing where the server's chat
template wrote it. Questions and solutions are looked for behind it.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..ledger.costs import Usage
from .encoding import encode_json

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
# How much of what a server or a model says a reason quotes.
MAX_EXCERPT_CHARS = 120


class UnusableReply(Exception):
    """A reply that was paid for and can't be used. Its text is the draft's reason."""


@dataclass(frozen=True)
class Completion:
    # What the server says it used, if it says so.
    usage: Usage | None
    answer: str = ""
    thought: str = ""
    # Why nothing can be used.
    problem: str | None = None

    def text(self, *, thinking: bool = False) -> str:
        """The answer, on request with the thinking before it. Raises UnusableReply."""
        if self.problem is not None:
            raise UnusableReply(self.problem)
        return _check_unicode(self._thought(thinking) + self.answer)

    def question(self, max_bytes: int) -> str:
        """The last tagged question: a teacher may have tried others before.

        max_bytes: how long it may be in a request. Raises UnusableReply.
        """
        return _parse_question(self.text(), max_bytes)

    def pair(self, max_bytes: int, *, thinking: bool = False) -> tuple[str, str]:
        """A question and its solution, from the fields of one JSON object or from tags.

        The last tagged solution counts, and the last question before it.
        Raises UnusableReply.
        """
        text = self.text()
        pair = _parse_json_pair(text)
        if pair is None:
            head, _, _ = text.rpartition("</solution>")
            head, tag, solution = head.rpartition("<solution>")
            if not tag:
                head, solution = text, ""
            question = _parse_question(head, max_bytes)
        else:
            question, solution = pair
            question = _check_question(question.strip(), max_bytes)

        if not solution.strip():
            raise UnusableReply("no solution in the teacher's answer")
        return question, _check_unicode(self._thought(thinking) + solution.strip())

    def _thought(self, thinking: bool) -> str:
        if not thinking or not self.thought:
            return ""
        return f"{THINK_OPEN}\n{self.thought}\n{THINK_CLOSE}\n\n"


def parse_completion(body: str) -> Completion:
    """Never raises. A reply without anything usable says why when its text is asked for."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    usage = parse_usage(_value_at(data, "usage"))
    try:
        thought, answer = _parse_message(data)
    except (UnusableReply, RecursionError) as error:
        # RecursionError: a server's error is nested too deep to be written out again.
        return Completion(usage, problem=str(error))
    return Completion(usage, answer, thought)


def parse_usage(usage: object) -> Usage | None:
    """From the reply's field of that name.

    Some servers count hidden reasoning in the total alone. It counts as output.
    """
    prompt = _value_at(usage, "prompt_tokens")
    completion = _value_at(usage, "completion_tokens")
    total = _value_at(usage, "total_tokens")
    if not (is_count(prompt) and is_count(completion)):
        return None

    hidden = max(0, total - prompt - completion) if is_count(total) else 0
    output = completion + hidden
    cached = _count_at(usage, "prompt_tokens_details", "cached_tokens")
    cached = cached or _count_at(usage, "prompt_cache_hit_tokens")
    reasoning = _count_at(usage, "completion_tokens_details", "reasoning_tokens")
    return Usage(prompt, output, min(cached, prompt), min(reasoning or hidden, output))


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _parse_message(data: object) -> tuple[str, str]:
    """The thinking and the answer. Raises UnusableReply."""
    choice = _value_at(data, "choices", 0)
    # Some gateways send errors with HTTP 200.
    error = _value_at(data, "error") or _value_at(choice, "error")
    if error:
        excerpt = _excerpt(_value_at(error, "message") or error)
        raise UnusableReply(f"the teacher's answer is an error: {excerpt}")

    message = _value_at(choice, "message")
    finish = _value_at(choice, "finish_reason")
    if not isinstance(message, dict):
        raise UnusableReply("the teacher's answer is not a chat completion")
    refusal = _stripped(message.get("refusal"))
    if refusal:
        raise UnusableReply(f"refused: {_excerpt(refusal)}")
    if finish == "content_filter":
        raise UnusableReply("held back by the teacher's content filter")

    thought, answer = _split_thinking(_join_parts(message.get("content")))
    thought = thought or _stripped(message.get("reasoning_content"))
    thought = thought or _stripped(message.get("reasoning"))
    if finish == "length":
        raise UnusableReply(
            "cut off by the token limit" if answer else "cut off while thinking"
        )
    if not answer:
        raise UnusableReply("no text in the teacher's answer")
    return thought, answer


def _split_thinking(content: str) -> tuple[str, str]:
    """Thinking that the content begins with, and what comes after it."""
    head, close, rest = content.partition(THINK_CLOSE)
    begins_with_thinking = head.startswith(THINK_OPEN)
    if begins_with_thinking and not close:
        raise UnusableReply("cut off while thinking")
    if close and (begins_with_thinking or THINK_OPEN not in head):
        return head.removeprefix(THINK_OPEN).strip(), rest.strip()
    return "", content


def _join_parts(content: object) -> str:
    """A message's content: a text, or a list of parts of which some are text."""
    if isinstance(content, list):
        texts = [part for part in content if _value_at(part, "type") == "text"]
        content = "".join(part["text"] for part in texts if _stripped(part.get("text")))
    return _stripped(content)


def _parse_question(text: str, max_bytes: int) -> str:
    head, _, _ = text.rpartition("</question>")
    _, tag, question = head.rpartition("<question>")
    return _check_question(question.strip() if tag else "", max_bytes)


def _check_question(question: str, max_bytes: int) -> str:
    if not question:
        raise UnusableReply("no question in the teacher's answer")
    if len(encode_json(question)) - 2 > max_bytes:
        raise UnusableReply(f"the teacher's question is longer than {max_bytes} bytes")
    return _check_unicode(question)


def _parse_json_pair(text: str) -> tuple[str, str] | None:
    """For users who set `response_format`. "solution", if there, is the longer "answer"."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    question = _value_at(data, "question")
    solution = _value_at(data, "solution") or _value_at(data, "answer")
    if isinstance(question, str) and isinstance(solution, str):
        return question, solution
    return None


def _check_unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnusableReply("the teacher's answer is not valid Unicode") from None
    return text


def _value_at(value: Any, *path: str | int) -> Any:
    """What lies at a path in JSON. None: there is no such thing."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def _count_at(value: object, *path: str) -> int:
    count = _value_at(value, *path)
    return count if is_count(count) else 0


def _stripped(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _excerpt(value: object) -> str:
    """Short, on one line, and fit for a file whatever the server sent."""
    text = value if isinstance(value, str) else json.dumps(value)
    one_line = " ".join(text.encode("utf-8", "replace").decode().split())
    return one_line[:MAX_EXCERPT_CHARS].rstrip()
