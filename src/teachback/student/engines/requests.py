"""Completions of a server, many in flight, in the caller's order.

What can't be had after some tries is an error.
"""

import asyncio
import json
import os
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...errors import StudentError
from ..chat import HasTokenizer
from .completion import (
    MAX_ERROR_CHARS,
    DecodingOptions,
    ServerAnswer,
    parse_student_completion,
)

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

TOP = 2  # the most likely tokens of each position: what a gap needs
AGAIN = frozenset({408, 409, 425, 429})  # and every 5xx
BACKOFF_S, BACKOFF_CAP_S = 0.5, 30.0


@dataclass(frozen=True)
class RequestLimits:
    """in_flight: requests at a time. tries: of each, with a growing pause between them.
    deadline_s: seconds for one try, its wait in the server's queue included. key_env: name of
    the environment variable with a key; None: no key.
    """

    in_flight: int = 32
    tries: int = 5
    deadline_s: float = 600.0
    key_env: str | None = None


@dataclass(frozen=True)
class ServerTarget:
    """base_url: up to and without /completions. model: the student's name there. log: what the
    server writes, if teachback started it.
    """

    base_url: str
    model: str
    limits: RequestLimits = RequestLimits()
    log: Path | None = None


class CompletionRequest(NamedTuple):
    """n answers to a prompt. seed: of the first; the others take the numbers after it.

    None: greedy.
    """

    prompt: list[int]
    n: int = 1
    seed: int | None = None


class Miss(NamedTuple):
    """A try without an answer. wait_s: what Retry-After asks for. final: the same request would
    be refused again.
    """

    reason: str
    fix: str = ""
    wait_s: float = 0.0
    final: bool = False


def request_completions(
    server: ServerTarget,
    student: HasTokenizer,
    wanted: Sequence[CompletionRequest],
    decoding: DecodingOptions,
) -> list[list[ServerAnswer]]:
    """Of each, its n answers.

    Raises StudentError for the first that can't be had, and asks for no more then.
    """
    return run(_ask_all(server, student, wanted, decoding))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Also under an event loop that runs already (a notebook's): then in a thread of its own."""
    if not loop_runs():
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _ask_all(
    server: ServerTarget,
    student: HasTokenizer,
    wanted: Sequence[CompletionRequest],
    decoding: DecodingOptions,
) -> list[list[ServerAnswer]]:
    import aiohttp

    limits, gate = server.limits, asyncio.Semaphore(server.limits.in_flight)
    timeout = aiohttp.ClientTimeout(
        total=limits.deadline_s, sock_connect=min(limits.deadline_s, 30)
    )
    # keepalive: servers drop idle connections (vLLM after 5 s); a request must not meet one as it
    # closes
    connector = aiohttp.TCPConnector(limit=limits.in_flight, keepalive_timeout=2)
    headers = {"Content-Type": "application/json", **key(limits)}

    async def one(
        session: aiohttp.ClientSession, wish: CompletionRequest
    ) -> list[ServerAnswer]:
        async with gate:
            body = await _post(
                session, server, request(server, student, wish, decoding)
            )
        return parse_student_completion(
            body, wish.n, student.ends, decoding, partial(decoded, student)
        )

    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers
    ) as session:
        tasks = [asyncio.ensure_future(one(session, wish)) for wish in wanted]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _post(
    session: "aiohttp.ClientSession", server: ServerTarget, body: bytes
) -> str:
    """One request's answer, after as many tries as the limits allow."""
    jitter, miss = Random(), Miss("")  # no data depends on the jitter
    for tried in range(server.limits.tries):
        if tried:
            pause = min(BACKOFF_CAP_S, BACKOFF_S * 2 ** (tried - 1)) * jitter.uniform(
                0.5, 1
            )
            await asyncio.sleep(max(pause, miss.wait_s))
        told = await _try(session, server, body)
        if isinstance(told, str):
            return told
        miss = told
        if miss.final:
            raise StudentError(
                "the student's server refuses a request", got=miss.reason, fix=miss.fix
            )
    what = f"the student's server gave no answer in {server.limits.tries} tries"
    raise StudentError(what + tail(server.log), got=miss.reason, fix=miss.fix)


async def _try(
    session: "aiohttp.ClientSession", server: ServerTarget, body: bytes
) -> str | Miss:
    import aiohttp

    try:
        async with session.post(
            f"{server.base_url}/completions", data=body, allow_redirects=False
        ) as response:
            text = redacted(
                (await response.read()).decode("utf-8", "replace"), server.limits
            )
    except TimeoutError:
        what = f"nothing within {server.limits.deadline_s:g} s"
        return Miss(
            what, "raise the deadline, or lower the number of requests in flight"
        )
    except (aiohttp.ClientError, OSError) as error:
        fix = f"start the server at {server.base_url}, or let teachback start one (student.serve)"
        return Miss(f"{type(error).__name__}: {error}", fix)
    if response.status == 200:
        return text
    wait_s = min(BACKOFF_CAP_S, retry_after_s(response.headers.get("Retry-After", "")))
    final = response.status < 500 and response.status not in AGAIN
    what = f"HTTP {response.status} from {server.base_url}: {text[:MAX_ERROR_CHARS]}"
    return Miss(
        what,
        "see what the server says; its context must hold prompt and answer",
        wait_s,
        final,
    )


def request(
    server: ServerTarget,
    student: HasTokenizer,
    wanted: CompletionRequest,
    decoding: DecodingOptions,
) -> bytes:
    """What isn't said here, vLLM takes from the model's generation_config.json and llama.cpp from
    its own defaults (top_k 40, top_p 0.95): so all that bends the distribution is said, and
    switched off.
    """
    body = {
        "model": server.model,
        "prompt": wanted.prompt,
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "logprobs": TOP,
        "n": wanted.n,
        "top_p": 1.0,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop_token_ids": sorted(student.ends),
        "return_tokens_as_token_ids": True,
    }
    body |= {"stop": list(decoding.stop)} if decoding.stop else {}
    body |= {"seed": wanted.seed} if wanted.seed is not None else {}
    return json.dumps(body).encode()


def key(limits: RequestLimits) -> dict[str, str]:
    """The header with the key, from the environment only."""
    if limits.key_env is None:
        return {}
    value = os.environ.get(limits.key_env, "").strip()
    if not value:
        raise StudentError(
            f"the student's server needs the key in {limits.key_env}, which is not set"
        )
    return {"Authorization": f"Bearer {value}"}


def redacted(text: str, limits: RequestLimits) -> str:
    """Some servers repeat the key that they refuse."""
    secret = key(limits).get("Authorization", "").removeprefix("Bearer ")
    return text.replace(secret, "***") if secret else text


def retry_after_s(value: str) -> float:
    try:
        return max(0.0, float(value))
    except ValueError:
        return 0.0  # a date: the pause that grows will do


def tail(log: Path | None, lines: int = 15) -> str:
    """The end of a server's log, as an error shows it."""
    if log is None or not log.exists():
        return ""
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        last = file.read().decode("utf-8", "replace").splitlines()[-lines:]
    return "\n".join(
        [
            "",
            f"  the end of {log}:",
            *(f"    {line[:MAX_ERROR_CHARS]}" for line in last),
        ]
    )


def decoded(student: HasTokenizer, tokens: Sequence[int]) -> str:
    return str(student.tokenizer.decode(tokens, skip_special_tokens=True))
