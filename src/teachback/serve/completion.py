"""Builds the rehearsal server's responses, in the format of OpenAI's chat completions."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .faults import Fault, FaultKind
from .messages import (
    Request,
    TeacherReply,
    UnanswerableRequest,
    count_words,
    openai_error_body,
)

# What the fault `full` adds for a chat template: a client's default allowance for it.
TEMPLATE_ALLOWANCE_TOKENS = 64
REFUSAL_TEXT = "I'm sorry, but I can't help with that."


@dataclass(frozen=True)
class RehearsalResponse:
    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    reply: TeacherReply | None = None
    usage: Mapping[str, Any] | None = None  # as in the body; None if the body has none
    skips_latency: bool = False

    @property
    def kind(self) -> FaultKind:
        return self.fault.kind if self.fault else "none"


def error_response(
    status: int, body: str, headers: Mapping[str, str] | None = None
) -> RehearsalResponse:
    return RehearsalResponse(body.encode(), status, headers or {}, skips_latency=True)


def wrong_key_response(headers: Mapping[str, str]) -> RehearsalResponse:
    """An error that repeats the client's key, as some real servers do.

    So tests can check that a client keeps no key in its files.
    """
    key = headers.get("Authorization", "").removeprefix("Bearer ")
    message = f"Incorrect API key provided: {key}."
    body = openai_error_body(message, "invalid_request_error", "invalid_api_key")
    return error_response(401, body)


def bad_request_response(error: UnanswerableRequest) -> RehearsalResponse:
    body = openai_error_body(str(error), "invalid_request_error", None, error.param)
    return error_response(400, body)


def transport_fault_response(fault: Fault) -> RehearsalResponse | None:
    """The response to a fault that never reaches the teacher; None for other faults."""
    if fault.kind == "status":
        return RehearsalResponse(
            fault.body.encode(), fault.status, fault.headers, fault
        )
    if fault.kind in ("hang", "reset"):
        return RehearsalResponse(fault=fault)
    if fault.kind == "garbage":
        return RehearsalResponse(b"<html>it works</html>", fault=fault)
    return None


def completion_response(
    request: Request, reply: TeacherReply, fault: Fault | None
) -> RehearsalResponse:
    """Return the reply as a chat completion, distorted by the fault.

    Words beyond the request's cap are always cut off.
    """
    kind = fault.kind if fault else "none"
    if kind == "wrong json":
        content = [{"type": "text", "text": reply.text}]
        other_shape = {"type": "message", "content": content}
        body = json.dumps(other_shape).encode()
        return RehearsalResponse(body, fault=fault, reply=reply)

    text, finish_reason = _cut(reply.text, request.max_tokens, kind)
    message = {"role": "assistant", "content": text, "refusal": None}
    if kind == "refusal":
        text = REFUSAL_TEXT
        message = {"role": "assistant", "content": None, "refusal": text}
    elif kind == "null":
        message = {"role": "assistant", "content": None, "refusal": None}

    choice = {
        "index": 0,
        "message": message,
        "finish_reason": finish_reason,
        "logprobs": None,
    }
    completion = {
        "id": f"chatcmpl-{request.index}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.body["model"],
        "choices": [] if kind == "empty" else [choice],
    }
    usage = None
    if kind != "no usage":
        usage = _usage(request, text, kind)
        completion["usage"] = usage
    return RehearsalResponse(
        json.dumps(completion).encode(), fault=fault, reply=reply, usage=usage
    )


def _cut(text: str, cap: int | None, kind: FaultKind) -> tuple[str, str]:
    """Return the text up to the cap, or half of it for a fault, and the finish reason."""
    n_words = count_words(text)
    limit = n_words if cap is None else cap
    is_cut_by_fault = kind in ("length", "content filter")
    if not is_cut_by_fault and n_words <= limit:
        return text, "stop"
    words = text.split()[: min(limit, max(1, n_words // 2))]
    finish_reason = "content_filter" if kind == "content filter" else "length"
    return " ".join(words), finish_reason


def _usage(request: Request, text: str, kind: FaultKind) -> dict[str, Any]:
    n_bytes = len(request.raw)
    cap = request.max_tokens
    prompt = 4 + sum(count_words(message["content"]) for message in request.messages)
    completion = count_words(text)
    if kind == "over":
        completion = n_bytes + 10 * (cap or completion)
    elif kind == "full":
        # A token has at least one byte, so the prompt can't have more tokens than bytes.
        prompt = n_bytes + TEMPLATE_ALLOWANCE_TOKENS
        completion = cap or completion
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
