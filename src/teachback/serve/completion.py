"""The bodies of the rehearsal server's answers, in the format of OpenAI's chat completions. Pure functions."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .faults import Fault, Kind
from .messages import Reply, Request, Unanswerable, error_body, tokens

TEMPLATE_TOKENS = (
    64  # what `full` adds for a chat template: the most that a client reckons with
)
SORRY = "I'm sorry, but I can't help with that."


@dataclass(frozen=True)
class Answer:
    """What goes back. at_once: without waiting for the latency. usage: as the body says it, where it says one."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    reply: Reply | None = None
    usage: Mapping[str, Any] | None = None
    at_once: bool = False

    @property
    def kind(self) -> Kind:
        return self.fault.kind if self.fault else "none"


def refused(
    status: int, error: str, headers: Mapping[str, str] | None = None
) -> Answer:
    return Answer(error.encode(), status, headers or {}, at_once=True)


def wrong_key(headers: Mapping[str, str]) -> Answer:
    """As some real servers do, this one repeats the key that it was sent: a client must not let it into its files."""
    sent = headers.get("Authorization", "").removeprefix("Bearer ")
    return refused(
        401,
        error_body(
            f"Incorrect API key provided: {sent}.",
            "invalid_request_error",
            "invalid_api_key",
        ),
    )


def unanswerable(why: Unanswerable) -> Answer:
    return refused(400, error_body(str(why), "invalid_request_error", None, why.param))


def without_reply(fault: Fault) -> Answer | None:
    """The answer of a fault that keeps the teacher out of it; None for the others."""
    if fault.kind == "status":
        return Answer(fault.body.encode(), fault.status, fault.headers, fault)
    if fault.kind in ("hang", "reset"):
        return Answer(fault=fault)
    return (
        Answer(b"<html>it works</html>", fault=fault)
        if fault.kind == "garbage"
        else None
    )


def completion(request: Request, reply: Reply, fault: Fault | None) -> Answer:
    """A chat completion with the reply, as the fault bends it. More words than the cap are cut off, fault or not."""
    kind = fault.kind if fault else "none"
    if kind == "wrong json":
        other = {"type": "message", "content": [{"type": "text", "text": reply.text}]}
        return Answer(json.dumps(other).encode(), fault=fault, reply=reply)
    text, finish = _cut(reply.text, request.cap, kind)
    text = SORRY if kind == "refusal" else text
    message = {"role": "assistant", "content": text, "refusal": None}
    if kind in ("null", "refusal"):
        message |= {"content": None, "refusal": text if kind == "refusal" else None}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    usage = None if kind == "no usage" else _usage(request, text, kind)
    body = {
        "id": f"chatcmpl-{request.at}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.body["model"],
        "choices": [] if kind == "empty" else [choice],
    }
    return Answer(
        json.dumps(body | ({"usage": usage} if usage else {})).encode(),
        200,
        {},
        fault,
        reply,
        usage,
    )


def _cut(text: str, cap: int | None, kind: Kind) -> tuple[str, str]:
    """The text and why it ends."""
    length = tokens(text)
    most = length if cap is None else cap
    if kind not in ("length", "content filter") and length <= most:
        return text, "stop"
    kept = " ".join(text.split()[: min(most, max(1, length // 2))])
    return kept, "content_filter" if kind == "content filter" else "length"


def _usage(request: Request, text: str, kind: Kind) -> dict[str, Any]:
    size, cap = len(request.raw), request.cap
    prompt, completion = (
        4 + sum(tokens(message["content"]) for message in request.messages),
        tokens(text),
    )
    if kind == "over":
        completion = size + 10 * (cap or completion)
    elif kind == "full":
        prompt, completion = size + TEMPLATE_TOKENS, cap or completion
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
