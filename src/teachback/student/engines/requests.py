"""Requests completions from a student's server, many at a time, in the caller's order."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from ...endpoints.endpoint import read_key
from ...endpoints.event_loop import run_async
from ...endpoints.http_client import HttpClient, HttpFailure, HttpReply, RequestLimits
from ...endpoints.retries import RetryPolicy
from ...errors import StudentError
from ..chat import HasTokenizer
from .completion import (
    MAX_ERROR_CHARS,
    DecodingOptions,
    ServerAnswer,
    parse_student_completion,
)

# The most likely tokens of each position: what the gap between them needs.
TOP_LOGPROBS = 2
DEFAULT_LIMITS = RequestLimits()
SERVER_RETRIES = RetryPolicy(max_wait_s=30.0)
# Of a log's end, which an error shows some lines of.
MAX_LOG_BYTES = 20_000


@dataclass(frozen=True)
class ServerTarget:
    # Up to and without /completions.
    base_url: str
    # The student's name there.
    model: str
    limits: RequestLimits = DEFAULT_LIMITS
    # What the server writes, if teachback started it.
    log: Path | None = None


class CompletionRequest(NamedTuple):
    """Some answers to a prompt."""

    prompt: list[int]
    n: int = 1
    # Of the first answer; the others take the numbers after it. None: greedy.
    seed: int | None = None


class FailedRequest(NamedTuple):
    """One try of a request that got no answer."""

    reason: str
    fix: str = ""
    # What Retry-After asks for.
    retry_after_s: float = 0.0
    # The same request would be refused again.
    is_final: bool = False


def request_completions(
    server: ServerTarget,
    student: HasTokenizer,
    requests: Sequence[CompletionRequest],
    decoding: DecodingOptions,
) -> list[list[ServerAnswer]]:
    """The n answers to each request.

    Raises StudentError for the first request that has no answer after all tries, and sends
    no more then. Raises ConfigError where the key is not in the environment.
    """
    return run_async(_request_all(server, student, requests, decoding))


async def _request_all(
    server: ServerTarget,
    student: HasTokenizer,
    requests: Sequence[CompletionRequest],
    decoding: DecodingOptions,
) -> list[list[ServerAnswer]]:
    in_flight = asyncio.Semaphore(server.limits.in_flight)
    decode = partial(decode_tokens, student)

    async def request_one(
        http: HttpClient, request: CompletionRequest
    ) -> list[ServerAnswer]:
        body = make_request_body(server, student, request, decoding)
        async with in_flight:
            reply = await _post_until_answered(http, server, body)
        return parse_student_completion(
            reply, request.n, student.ends, decoding, decode
        )

    async with HttpClient(server.limits, read_student_key(server.limits)) as http:
        tasks = [
            asyncio.ensure_future(request_one(http, request)) for request in requests
        ]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # After an error the others must end before the connection is closed.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _post_until_answered(
    http: HttpClient, server: ServerTarget, body: bytes
) -> str:
    """The body of the answer, after as many tries as the limits allow."""
    jitter = Random()  # no data depends on it
    failure = FailedRequest("")
    for n_failures in range(server.limits.tries):
        if n_failures:
            wait_s = SERVER_RETRIES.wait_s(
                n_failures - 1, failure.retry_after_s, jitter
            )
            await asyncio.sleep(wait_s)
        reply = await http.post(f"{server.base_url}/completions", body)
        if isinstance(reply, HttpReply) and reply.status == 200:
            return reply.body
        failure = explain_failure(reply, server)
        if failure.is_final:
            raise StudentError(
                "the student's server refuses a request",
                got=failure.reason,
                fix=failure.fix,
            )
    problem = f"the student's server gave no answer in {server.limits.tries} tries"
    raise StudentError(
        problem + read_log_end(server.log), got=failure.reason, fix=failure.fix
    )


def explain_failure(
    reply: HttpReply | HttpFailure, server: ServerTarget
) -> FailedRequest:
    if isinstance(reply, HttpReply):
        return FailedRequest(
            f"HTTP {reply.status} from {server.base_url}: "
            f"{reply.body[:MAX_ERROR_CHARS]}",
            "see what the server says; its context must hold prompt and answer",
            reply.retry_after_s,
            not SERVER_RETRIES.is_retryable(reply.status),
        )
    if reply.kind == "timeout":
        fix = "raise the deadline, or lower the number of requests in flight"
    else:
        fix = (
            f"start the server at {server.base_url}, "
            "or let teachback start one (student.serve)"
        )
    return FailedRequest(reply.detail, reply.fix or fix, is_final=reply.is_permanent)


def make_request_body(
    server: ServerTarget,
    student: HasTokenizer,
    request: CompletionRequest,
    decoding: DecodingOptions,
) -> bytes:
    """The body of a request, with all that bends the distribution switched off.

    vLLM takes what is left out from the model's generation_config.json, llama.cpp from its
    own defaults (top_k 40, top_p 0.95).
    """
    body: dict[str, Any] = {
        "model": server.model,
        "prompt": request.prompt,
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "logprobs": TOP_LOGPROBS,
        "n": request.n,
        "top_p": 1.0,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop_token_ids": sorted(student.ends),
        "return_tokens_as_token_ids": True,
    }
    if decoding.stop:
        body["stop"] = list(decoding.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    return json.dumps(body).encode()


def read_student_key(limits: RequestLimits) -> str | None:
    """Raises ConfigError if the key's variable is not set."""
    return read_key(limits.key_env, "the key of the student's server")


def read_log_end(log: Path | None, lines: int = 15) -> str:
    """The end of a server's log, as an error shows it."""
    if log is None or not log.exists():
        return ""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - MAX_LOG_BYTES))
        text = file.read().decode("utf-8", "replace")
    last_lines = [
        f"    {line[:MAX_ERROR_CHARS]}" for line in text.splitlines()[-lines:]
    ]
    return "\n".join(["", f"  the end of {log}:", *last_lines])


def decode_tokens(student: HasTokenizer, tokens: Sequence[int]) -> str:
    return str(student.tokenizer.decode(tokens, skip_special_tokens=True))
