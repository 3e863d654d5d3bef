"""Reads a chat completion: its text, or the reason why there is none, whatever a server sends.

What is no completion at all has a `failure`: such a call got no answer. A completion that can't
be used has a `problem`: it is paid for, and the same request would hardly end in another.
"""

import json
from dataclasses import dataclass
from typing import NamedTuple

from ..ledger.costs import Usage
from .body_errors import find_body_error
from .encoding import encode_json
from .json_pairs import parse_json_pair
from .json_values import count_at, is_count, parse_json, text_at, value_at
from .thinking import THINK_CLOSE, THINK_OPEN, find_control, find_mark, split_thinking

# How much of what a server or a model says a reason quotes.
MAX_EXCERPT_CHARS = 120
# What servers call the end of an answer, in lower case. None: the server doesn't say.
COMPLETE = frozenset(
    {
        None,
        "stop",
        "eos",
        "eos_token",
        "stop_sequence",
        "end_turn",
        "completed",
        "complete",
    }
)
CUT_OFF = frozenset(
    {
        "length",
        "max_tokens",
        "max_length",
        "max_new_tokens",
        "max_output_tokens",
        "model_length",
        "model_context_window_exceeded",
        "token_limit",
    }
)
FILTERED = frozenset(
    {"content_filter", "content-filter", "safety", "recitation", "sensitive"}
)


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
    # Set where it is no completion at all.
    failure: "ReplyFailure | None" = None

    def text(self, *, thinking: bool = False) -> str:
        """The answer, on request with the thinking before it. Raises UnusableReply."""
        if self.problem is not None:
            raise UnusableReply(self.problem)
        return _check_text(self._thought(thinking) + self.answer, self.answer)

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
        try:
            pair = parse_json_pair(text)
        except ValueError as command:
            raise UnusableReply(
                f"a LaTeX command in JSON without its second backslash: {command}"
            ) from None
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
        solution = solution.strip()
        return question, _check_text(self._thought(thinking) + solution, solution)

    def _thought(self, thinking: bool) -> str:
        if not thinking or not self.thought:
            return ""
        mark = find_mark(self.thought)
        if mark:
            raise UnusableReply(f"the teacher's thinking holds the mark {mark}")
        return f"{THINK_OPEN}\n{self.thought}\n{THINK_CLOSE}\n\n"


class ReplyFailure(NamedTuple):
    """A reply with HTTP 200 that is no completion."""

    what: str
    # The HTTP status that its body stands for, if it names one.
    status: int | None = None
    # Nobody asked a model: an error that says so, or a web page. Otherwise it may be billed.
    is_free: bool = False


def parse_completion(body: str) -> Completion:
    """Never raises. A reply without anything usable says why when its text is asked for."""
    data = parse_json(body)
    usage = parse_usage(value_at(data, "usage"))
    try:
        failure = find_failure(data, body, usage)
        if failure:
            return Completion(usage, problem=failure.what, failure=failure)
        thought, answer = _parse_message(data)
    except UnusableReply as error:
        # What was written counts, though nobody uses it: see believe_usage.
        written = _join_parts(value_at(data, "choices", 0, "message", "content"))
        return Completion(usage, thought=written, problem=str(error))
    return Completion(usage, answer, thought)


def find_failure(data: object, body: str, usage: Usage | None) -> ReplyFailure | None:
    """Why a body is no completion, or None."""
    error = find_body_error(data)
    if error:
        excerpt = _excerpt(value_at(error.error, "message") or error.error)
        what = f"the teacher's answer is an error: {excerpt}"
        return ReplyFailure(what, error.status, is_free=usage is None)
    if isinstance(value_at(data, "choices", 0, "message"), dict):
        return None
    is_web_page = body.lstrip()[:1] == "<"
    return ReplyFailure(
        "the teacher's answer is not a chat completion", is_free=is_web_page
    )


def parse_usage(usage: object) -> Usage | None:
    """From the reply's field of that name. None: not reported, or not as a call can be.

    Some servers count hidden reasoning in the total alone, and some beside it. It counts as
    output.
    """
    prompt = value_at(usage, "prompt_tokens")
    completion = value_at(usage, "completion_tokens")
    total = value_at(usage, "total_tokens")
    # No request is empty.
    if not (is_count(prompt) and is_count(completion)) or prompt == 0:
        return None

    reasoning = count_at(usage, "completion_tokens_details", "reasoning_tokens")
    hidden = max(0, total - prompt - completion) if is_count(total) else 0
    if reasoning > completion + hidden:
        hidden = reasoning
    output = completion + hidden
    cached = count_at(usage, "prompt_tokens_details", "cached_tokens")
    cached = cached or count_at(usage, "prompt_cache_hit_tokens")
    return Usage(prompt, output, min(cached, prompt), min(reasoning or hidden, output))


def _parse_message(data: object) -> tuple[str, str]:
    """The thinking and the answer. Raises UnusableReply."""
    choice = value_at(data, "choices", 0)
    message = value_at(choice, "message")
    finish = value_at(choice, "finish_reason")
    reason = finish.lower() if isinstance(finish, str) else finish
    refusal = text_at(message, "refusal")
    if refusal:
        raise UnusableReply(f"refused: {_excerpt(refusal)}")
    if is_one_of(reason, FILTERED):
        raise UnusableReply("held back by the teacher's content filter")

    split = split_thinking(_join_parts(message.get("content")))
    if not split.is_whole:
        raise UnusableReply("cut off while thinking")
    if is_one_of(reason, CUT_OFF):
        raise UnusableReply(
            "cut off by the token limit" if split.answer else "cut off while thinking"
        )
    if not split.answer:
        raise UnusableReply("no text in the teacher's answer")
    if not is_one_of(reason, COMPLETE):
        raise UnusableReply(f"not finished: finish_reason {_excerpt(finish)}")
    thought = split.thought or text_at(message, "reasoning_content")
    return thought or text_at(message, "reasoning"), split.answer


def is_one_of(value: object, texts: frozenset[str | None] | frozenset[str]) -> bool:
    return (value is None or isinstance(value, str)) and value in texts


def _join_parts(content: object) -> str:
    """A message's content: a text, or a list of parts of which some are text."""
    if isinstance(content, list):
        texts = [
            part["text"]
            for part in content
            if value_at(part, "type") in ("text", "output_text")
            and text_at(part, "text")
        ]
        content = "".join(texts)
    return content.strip() if isinstance(content, str) else ""


def _parse_question(text: str, max_bytes: int) -> str:
    head, _, _ = text.rpartition("</question>")
    _, tag, question = head.rpartition("<question>")
    return _check_question(question.strip() if tag else "", max_bytes)


def _check_question(question: str, max_bytes: int) -> str:
    if not question:
        raise UnusableReply("no question in the teacher's answer")
    if len(encode_json(question)) - 2 > max_bytes:
        raise UnusableReply(f"the teacher's question is longer than {max_bytes} bytes")
    return _check_text(question, question)


def _check_text(text: str, answer: str) -> str:
    """The text, if it can be kept and trained on. answer: the part that is no thinking.

    Raises UnusableReply.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnusableReply("the teacher's answer is not valid Unicode") from None
    control = find_control(text)
    if control:
        raise UnusableReply(
            f"a control character in the teacher's answer: \\x{ord(control):02x}"
        )
    mark = find_mark(answer)
    if mark:
        raise UnusableReply(f"the teacher's answer holds the mark {mark}")
    return text


def _excerpt(value: object) -> str:
    """Short, on one line, and fit for a file whatever the server sent."""
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except RecursionError:  # it could just be read
        text = "nested too deep"
    one_line = " ".join(text.encode("utf-8", "replace").decode().split())
    return one_line[:MAX_EXCERPT_CHARS].rstrip()
