"""What is served, what is counted, and how one request is answered. The server around it is in server.py."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from .completion import (
    Answer,
    completion,
    refused,
    unanswerable,
    without_reply,
    wrong_key,
)
from .faults import Fault, Faults
from .messages import Reply, Request, Teacher, Unanswerable, error_body
from .pace import AT_ONCE, Bucket, Latency, Limit

PIECES = 40  # of a slow body


@dataclass(frozen=True)
class Service:
    """What is served, and how.

    latency_s: seconds that a request takes. held: a request is answered when this says no, asked again and again.
    limit: requests too many get 429, at once. key: requests without it get 401. keep: keep the requests; their number
    is counted anyway. model: what /v1/models lists; a completion is by whichever model was asked for.

    log: a file that gets one line of JSON for each request *when it has been read*, before anything goes back: `at`,
    `sha256` of the exact body, `role`, `seed` and `n` where the teacher knows them, the `fault`, the `status` and the
    `usage` that the answer holds (null where it holds none). So whoever reads it counts on the server's side, whatever
    became of the client. An existing file is continued.
    """

    teacher: Teacher
    faults: Faults = ()
    latency_s: Latency = AT_ONCE
    held: Callable[[Request], bool] = lambda request: False
    limit: Limit | None = None
    key: str | None = field(default=None, repr=False)
    keep: bool = True
    log: Path | None = None
    model: str = "teachback"


@dataclass
class Server:
    """What it was asked so far; it can be read from any thread.

    calls: completions asked for, refused ones too. limited: of these, how many the rate limit turned away. peak: the
    most at once. A request is in flight from when it has been read until its answer is handed to the socket or the
    client has gone.
    """

    base_url: str = ""
    requests: list[Request] = field(default_factory=list)
    calls: int = 0
    limited: int = 0
    peak: int = 0
    # In flight, busy seconds until the last change, its time: one tuple, so that a reader sees all three of one moment.
    _slots: tuple[int, float, float] = (0, 0.0, 0.0)

    @property
    def in_flight(self) -> int:
        return self._slots[0]

    @property
    def busy_s(self) -> float:
        """The time integral of `in_flight`, up to now."""
        in_flight, busy_s, since = self._slots
        return busy_s + in_flight * (time.monotonic() - since)

    def enter(self, change: int) -> None:
        in_flight, busy_s, since = self._slots
        now = time.monotonic()
        self._slots = (in_flight + change, busy_s + in_flight * (now - since), now)
        self.peak = max(self.peak, in_flight + change)


@dataclass
class Handlers:
    """Everything from a request that has been read to its answer is one step: the log's order is that of arrival."""

    service: Service
    server: Server
    closing: asyncio.Event
    log: int | None  # a file descriptor
    bucket: Bucket | None

    async def completions(self, http: web.Request) -> web.StreamResponse:
        raw = await http.read()
        request = Request(self.server.calls, raw, http.headers)
        self.server.calls += 1
        if self.service.keep:
            self.server.requests.append(request)
        self.server.enter(1)
        try:
            answer = self.answer(request)
            if self.log is not None:
                os.write(self.log, _line(request, answer))
            return await self.send(http, request, answer)
        finally:
            self.server.enter(-1)

    async def models(self, http: web.Request) -> web.Response:
        if not self.let_in(http.headers.get("Authorization")):
            return _response(wrong_key(http.headers))
        model = {
            "id": self.service.model,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "teachback",
        }
        return web.json_response({"object": "list", "data": [model]})

    def let_in(self, authorization: str | None) -> bool:
        return self.service.key is None or authorization == f"Bearer {self.service.key}"

    def answer(self, request: Request) -> Answer:
        if not self.let_in(request.headers.get("Authorization")):
            return wrong_key(request.headers)
        if self.bucket and (wait_s := self.bucket.take()):
            self.server.limited += 1
            error = error_body(
                f"Rate limit reached: try again in {wait_s:.3f} s.",
                "requests",
                "rate_limit_exceeded",
            )
            return refused(429, error, self.bucket.limit.headers(wait_s))
        fault = self.fault(request)
        if fault and (answer := without_reply(fault)):
            return (
                answer
                if self.log is None
                else replace(answer, reply=self.unsaid(request))
            )
        try:
            return completion(request, self.reply(request), fault)
        except Unanswerable as why:
            return unanswerable(why)

    def reply(self, request: Request) -> Reply:
        reply = self.service.teacher(request.messages)
        return Reply(reply) if isinstance(reply, str) else reply

    def unsaid(self, request: Request) -> Reply | None:
        """What a fault keeps back: the log says whose request it was."""
        with suppress(Unanswerable):
            return self.reply(request)
        return None

    def fault(self, request: Request) -> Fault | None:
        faults = self.service.faults
        if callable(faults):
            return faults(request)
        return faults[request.at] if request.at < len(faults) else None

    async def send(
        self, http: web.Request, request: Request, answer: Answer
    ) -> web.StreamResponse:
        if answer.kind == "hang":
            await self.closing.wait()
        if answer.kind in ("hang", "reset"):
            if http.transport is not None:
                http.transport.abort()
            return web.Response()
        if not answer.at_once:
            await asyncio.sleep(self.service.latency_s(request))
            while self.service.held(request) and not self.closing.is_set():
                await asyncio.sleep(0.005)
        return (
            await _in_pieces(http, answer)
            if answer.kind in ("half", "slow")
            else _response(answer)
        )


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": "application/json", **answer.headers}
    return web.Response(body=answer.body, status=answer.status, headers=headers)


async def _in_pieces(http: web.Request, answer: Answer) -> web.StreamResponse:
    """A slow body, or half of one."""
    body, fault = answer.body, answer.fault
    assert fault is not None
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(body))}
    )
    await response.prepare(http)
    if fault.kind == "half":
        await response.write(body[: len(body) // 2])
        if http.transport is not None:
            http.transport.close()
        return response
    size = -(-len(body) // PIECES)
    for start in range(0, len(body), size):
        await response.write(body[start : start + size])
        await asyncio.sleep(fault.seconds * size / len(body))
    return response


def _line(request: Request, answer: Answer) -> bytes:
    reply = answer.reply or Reply("")
    line = {
        "at": request.at,
        "sha256": sha256(request.raw).hexdigest(),
        "role": reply.role,
        "seed": reply.seed,
        "n": reply.n,
        "fault": answer.fault and answer.fault.kind,
        "status": None if answer.kind in ("hang", "reset") else answer.status,
        "usage": answer.usage,
    }
    return json.dumps(line).encode() + b"\n"
