"""A real chat-completions server on this machine, for tests and for trying things from a shell.

    with loopback() as server:                       python tests/loopback.py --port 0
        generate(..., Endpoint(server.base_url, ...))

By default a little teacher of additions answers, with an honest usage. `faults` says which requests go wrong: a
sequence (the first request gets the first fault, None is none), or a function of the request.
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Kind = Literal["hang", "reset", "status", "no usage", "full", "over", "length", "garbage", "empty", "null"]
Teacher = Callable[[Sequence[Mapping[str, str]]], str]


@dataclass(frozen=True)
class Fault:
    """hang: no response · reset: the socket is closed without one · status: this status, body and
    headers (Retry-After, ...) · no usage: the field is missing · full: a usage as high as it can be, 64
    tokens of chat template included · over: a usage above the cap · length: cut off by the cap · garbage: not JSON ·
    empty: no choices · null: a choice without text."""

    kind: Kind
    status: int = 500
    body: str = "a fault that the test asked for"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request as it came. at: its place in the order of arrival. raw: the exact bytes."""

    at: int
    raw: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.raw)
        return body

    @property
    def prompt(self) -> str:
        prompt: str = self.body["messages"][-1]["content"]
        return prompt

    @property
    def role(self) -> Literal["question", "answer"]:
        return "question" if "<question>" in self.prompt else "answer"


Faults = Sequence[Fault | None] | Callable[[Request], Fault | None]


@dataclass
class Server:
    base_url: str
    requests: list[Request] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return len(self.requests)


def additions(messages: Sequence[Mapping[str, str]]) -> str:
    """A teacher that sets additions, each derived from the request's text, and solves them."""
    prompt = messages[-1]["content"]
    if "<question>" in prompt:
        number = int.from_bytes(hashlib.sha256(prompt.encode("utf-8", "replace")).digest()[:4], "big")
        return f"Here it is.\n<question>What is {number % 900 + 100} + {number // 900 % 90 + 10}?</question>"
    first, second = map(int, re.findall(r"(\d+) \+ (\d+)", prompt)[-1])
    return f"Adding the two numbers: {first} + {second} = {first + second}.\nAnswer: {first + second}"


def tokens(text: str) -> int:
    """This server's tokens are words: fewer than bytes, as everywhere."""
    return len(text.split())


@dataclass
class _App:
    server: Server
    teacher: Teacher
    faults: Faults
    latency_s: Callable[[Request], float]
    held: Callable[[Request], bool]
    closing: asyncio.Event

    async def completions(self, http: web.Request) -> web.StreamResponse:
        request = Request(len(self.server.requests), await http.read(), dict(http.headers))
        self.server.requests.append(request)
        fault = self.fault(request)
        kind = fault.kind if fault else None
        if kind == "hang":
            await self.closing.wait()
        if kind in ("hang", "reset"):
            if http.transport is not None:
                http.transport.abort()
            return web.Response()
        await asyncio.sleep(self.latency_s(request))
        while self.held(request) and not self.closing.is_set():
            await asyncio.sleep(0.005)
        if fault and kind == "status":
            return web.Response(status=fault.status, text=fault.body, headers=fault.headers)
        if kind == "garbage":
            return web.Response(text="<html>it works</html>", content_type="application/json")
        return web.json_response(self.completion(request, kind))

    def fault(self, request: Request) -> Fault | None:
        if callable(self.faults):
            return self.faults(request)
        return self.faults[request.at] if request.at < len(self.faults) else None

    def completion(self, request: Request, kind: Kind | None) -> dict[str, Any]:
        asked = request.body
        cap = asked.get("max_tokens") or asked.get("max_completion_tokens") or 10**9
        text = self.teacher(asked["messages"])
        cut = kind == "length" or tokens(text) > cap
        if cut:
            text = " ".join(text.split()[: min(cap, max(1, tokens(text) // 2))])
        choice = {
            "index": 0,
            "finish_reason": "length" if cut else "stop",
            "message": {"role": "assistant", "content": None if kind == "null" else text},
        }
        prompt_tokens = 4 + tokens(request.prompt)
        completion_tokens = len(request.raw) + 10 * cap if kind == "over" else tokens(text)
        if kind == "full":
            prompt_tokens, completion_tokens = len(request.raw) + 64, cap
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
        usage["total_tokens"] = prompt_tokens + completion_tokens
        answer: dict[str, Any] = {"id": f"chatcmpl-{request.at}", "object": "chat.completion", "model": asked["model"]}
        answer["choices"] = [] if kind == "empty" else [choice]
        return answer if kind == "no usage" else answer | {"usage": usage}


@contextmanager
def loopback(
    teacher: Teacher = additions,
    faults: Faults = (),
    *,
    latency_s: Callable[[Request], float] = lambda request: 0.0,
    held: Callable[[Request], bool] = lambda request: False,
    port: int = 0,
) -> Iterator[Server]:
    """A server in a thread of its own, from here to the end of the block.

    held: a request is answered when this says no, asked again and again. port 0: any that is free.
    """
    ready, errors = threading.Event(), list[OSError]()
    server = Server("")
    loop = asyncio.new_event_loop()
    closing = asyncio.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/v1/chat/completions", _App(server, teacher, faults, latency_s, held, closing).completions)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            ready.set()
            await closing.wait()
        finally:
            await runner.cleanup()

    def main() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(serve())
        except OSError as error:  # the port is taken
            errors.append(error)
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=main, name="loopback", daemon=True)
    thread.start()
    ready.wait()
    try:
        if errors:
            raise errors[0]
        yield server
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(closing.set)
        thread.join()
    if errors:
        raise errors[0]


def main() -> None:
    """Prints the base URL, then serves until it is interrupted. --latency: seconds at most, drawn for each request."""
    parser = argparse.ArgumentParser(description="A chat-completions server that teaches additions.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    arguments = parser.parse_args()
    draws = random.Random(0)
    with loopback(port=arguments.port, latency_s=lambda request: draws.uniform(0, arguments.latency)) as server:
        print(server.base_url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(f"{server.calls} requests", flush=True)


if __name__ == "__main__":
    main()
