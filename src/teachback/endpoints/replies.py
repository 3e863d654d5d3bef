"""What is read out of a chat-completions answer: text, or the reason why there is none, whatever a server sends.

**Thinking** is what a model says before its answer: a field of its own, or `<think>...</think>` where the content
begins (without `<think>` where the server's chat template wrote that). Tags are looked for in what comes after it.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..ledger.costs import Usage
from .endpoint import to_json

OPEN, CLOSE = "<think>", "</think>"
SHOWN = 120  # characters of what a server or a model says in a reason


class Unusable(Exception):
    """An answer that was paid for and can't be used; the text is the draft's reason."""


@dataclass(frozen=True)
class Completion:
    """An answer, read once. usage: what the server says it used, or None. flaw: why nothing can be used, or None."""

    usage: Usage | None
    answer: str = ""
    thought: str = ""
    flaw: str | None = None

    def text(self, *, thinking: bool = False) -> str:
        """The answer, with the thinking before it if asked. Raises Unusable, as the others do."""
        if self.flaw is not None:
            raise Unusable(self.flaw)
        return _unicode(self._thought(thinking) + self.answer)

    def question(self, most: int) -> str:
        """The last tagged question: a teacher that talks may have tried others before. most: bytes in a request."""
        return _question(self.text(), most)

    def pair(self, most: int, *, thinking: bool = False) -> tuple[str, str]:
        """A question and its solution: the last tagged ones, in this order, or the fields of one JSON object."""
        text = self.text()
        found = _json_pair(text)
        if found is None:
            head, _, _ = text.rpartition("</solution>")
            head, tag, solution = head.rpartition("<solution>")
            question, solution = (
                _question(head if tag else text, most),
                solution if tag else "",
            )
        else:
            question, solution = _fitting(found[0].strip(), most), found[1]
        if not solution.strip():
            raise Unusable("no solution in the teacher's answer")
        return question, _unicode(self._thought(thinking) + solution.strip())

    def _thought(self, thinking: bool) -> str:
        return (
            f"{OPEN}\n{self.thought}\n{CLOSE}\n\n" if thinking and self.thought else ""
        )


def read(body: str) -> Completion:
    """Never raises: an answer without anything usable says why when its text is asked for."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    usage = read_usage(_at(data, "usage"))
    try:
        thought, answer = _said(data)
    except (
        Unusable,
        RecursionError,
    ) as why:  # an error may be nested too deep to be written out again
        return Completion(usage, flaw=str(why))
    return Completion(usage, answer, thought)


def read_usage(usage: object) -> Usage | None:
    """From the answer's field of that name. Some count hidden reasoning in the total alone: then it is output."""
    prompt, completion, total = (
        _at(usage, f"{name}_tokens") for name in ("prompt", "completion", "total")
    )
    if not (is_count(prompt) and is_count(completion)):
        return None
    hidden = max(0, total - prompt - completion) if is_count(total) else 0
    cached = _count(usage, "prompt_tokens_details", "cached_tokens") or _count(
        usage, "prompt_cache_hit_tokens"
    )
    reasoning = _count(usage, "completion_tokens_details", "reasoning_tokens") or hidden
    output = completion + hidden
    return Usage(prompt, output, min(cached, prompt), min(reasoning, output))


def is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _said(data: object) -> tuple[str, str]:
    """Thinking and answer."""
    if error := _at(data, "error") or _at(
        data, "choices", 0, "error"
    ):  # some gateways send them with HTTP 200
        raise Unusable(
            f"the teacher's answer is an error: {_brief(_at(error, 'message') or error)}"
        )
    choice = _at(data, "choices", 0)
    message, finish = _at(choice, "message"), _at(choice, "finish_reason")
    if not isinstance(message, dict):
        raise Unusable("the teacher's answer is not a chat completion")
    if refusal := _string(message.get("refusal")):
        raise Unusable(f"refused: {_brief(refusal)}")
    if finish == "content_filter":
        raise Unusable("held back by the teacher's content filter")
    inline, answer = _split(_joined(message.get("content")))
    thought = (
        inline
        or _string(message.get("reasoning_content"))
        or _string(message.get("reasoning"))
    )
    if finish == "length":
        raise Unusable(
            "cut off by the token limit" if answer else "cut off while thinking"
        )
    if not answer:
        raise Unusable("no text in the teacher's answer")
    return thought, answer


def _split(content: str) -> tuple[str, str]:
    """Inline thinking and what comes after it."""
    head, close, rest = content.partition(CLOSE)
    begins = head.startswith(OPEN)
    if begins and not close:
        raise Unusable("cut off while thinking")
    if close and (begins or OPEN not in head):
        return head.removeprefix(OPEN).strip(), rest.strip()
    return "", content


def _joined(content: object) -> str:
    """A message's content: text, or a list of parts of which some are text."""
    if isinstance(content, list):
        content = "".join(
            part["text"]
            for part in content
            if _at(part, "type") == "text" and _string(part.get("text"))
        )
    return _string(content)


def _question(text: str, most: int) -> str:
    head, _, _ = text.rpartition("</question>")
    _, tag, question = head.rpartition("<question>")
    return _fitting(question.strip() if tag else "", most)


def _fitting(question: str, most: int) -> str:
    if not question:
        raise Unusable("no question in the teacher's answer")
    if len(to_json(question)) - 2 > most:
        raise Unusable(f"the teacher's question is longer than {most} bytes")
    return _unicode(question)


def _json_pair(text: str) -> tuple[str, str] | None:
    """For users who set `response_format`. Where both are there, "solution" is the longer form of "answer"."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    question, solution = (
        _at(data, "question"),
        _at(data, "solution") or _at(data, "answer"),
    )
    return (
        (question, solution)
        if isinstance(question, str) and isinstance(solution, str)
        else None
    )


def _unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unusable("the teacher's answer is not valid Unicode") from None
    return text


def _at(value: Any, *path: str | int) -> Any:
    """What lies at a path in JSON, None where there is no such thing."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def _count(value: object, *path: str) -> int:
    found = _at(value, *path)
    return found if is_count(found) else 0


def _string(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _brief(said: object) -> str:
    """Short, on one line, and fit for a file whatever was sent."""
    text = said if isinstance(said, str) else json.dumps(said)
    return " ".join(text.encode("utf-8", "replace").decode().split())[:SHOWN].rstrip()
