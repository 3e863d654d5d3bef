"""Answers requests and counts them. The HTTP server around it is in server.py."""

import asyncio
import json
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from .completion import (
    RehearsalResponse,
    bad_request_response,
    completion_response,
    error_response,
    transport_fault_response,
    wrong_key_response,
)
from .faults import Fault, FaultSchedule
from .messages import (
    RehearsalTeacher,
    Request,
    TeacherReply,
    UnanswerableRequest,
    openai_error_body,
)
from .pace import NO_LATENCY, LatencyModel, RequestBucket, RequestLimit

SLOW_PIECES = 40  # of a slow body
HOLD_POLL_S = 0.005


@dataclass(frozen=True)
class RehearsalOptions:
    """What the server answers, and how."""

    teacher: RehearsalTeacher
    faults: FaultSchedule = ()
    latency_s: LatencyModel = NO_LATENCY
    # For tests: a request waits while this is true of it.
    hold_while: Callable[[Request], bool] = lambda request: False
    limit: RequestLimit | None = None  # a request too many gets HTTP 429 at once
    api_key: str | None = field(default=None, repr=False)  # others get HTTP 401
    keep_requests: bool = True  # they are counted in any case
    # One line of JSON for each request, written before anything goes back. So the log counts on the
    # server's side, whatever happens to the client. An existing file is continued.
    log_path: Path | None = None
    # What /v1/models lists. A completion names the model of its request.
    model: str = "teachback"


@dataclass
class RehearsalServer:
    """A server's address and counts. Any thread may read them.

    A request is in flight once it has been read. That ends when its answer is handed to the socket,
    or when the client has gone.
    """

    base_url: str = ""
    requests: list[Request] = field(default_factory=list)
    calls: int = 0  # requests for completions, refused ones included
    calls_over_limit: int = 0  # requests that the rate limit turned away
    peak: int = 0  # the highest number in flight
    # In flight, busy seconds up to the last change, its time. One tuple, so that a reader in
    # another thread sees all three of the same moment.
    _load: tuple[int, float, float] = (0, 0.0, 0.0)

    @property
    def in_flight(self) -> int:
        return self._load[0]

    @property
    def busy_s(self) -> float:
        """The time integral of `in_flight` up to now."""
        in_flight, busy_s, since = self._load
        return busy_s + in_flight * (time.monotonic() - since)

    def change_in_flight(self, change: int) -> None:
        in_flight, busy_s, since = self._load
        now = time.monotonic()
        busy_s += in_flight * (now - since)
        in_flight += change
        self._load = (in_flight, busy_s, now)
        self.peak = max(self.peak, in_flight)


@dataclass
class RequestHandlers:
    """The HTTP handlers.

    Nothing is awaited between reading a request and logging its answer, so the log is in the order
    of arrival.
    """

    options: RehearsalOptions
    server: RehearsalServer
    stop_event: asyncio.Event
    log_fd: int | None  # None: no log
    bucket: RequestBucket | None

    async def completions(self, http: web.Request) -> web.StreamResponse:
        raw = await http.read()
        request = Request(self.server.calls, raw, http.headers)
        self.server.calls += 1
        if self.options.keep_requests:
            self.server.requests.append(request)
        self.server.change_in_flight(1)
        try:
            response = self.respond(request)
            if self.log_fd is not None:
                os.write(self.log_fd, _log_line(request, response))
            return await self.send(http, request, response)
        finally:
            self.server.change_in_flight(-1)

    async def models(self, http: web.Request) -> web.Response:
        if not self.is_authorized(http.headers.get("Authorization")):
            return _whole_response(wrong_key_response(http.headers))
        model = {
            "id": self.options.model,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "teachback",
        }
        return web.json_response({"object": "list", "data": [model]})

    def is_authorized(self, authorization: str | None) -> bool:
        key = self.options.api_key
        return key is None or authorization == f"Bearer {key}"

    def respond(self, request: Request) -> RehearsalResponse:
        if not self.is_authorized(request.headers.get("Authorization")):
            return wrong_key_response(request.headers)

        wait_s = self.bucket.take() if self.bucket else 0.0
        if self.bucket and wait_s:
            self.server.calls_over_limit += 1
            message = f"Rate limit reached: try again in {wait_s:.3f} s."
            body = openai_error_body(message, "requests", "rate_limit_exceeded")
            return error_response(429, body, self.bucket.limit.retry_headers(wait_s))

        fault = self.find_fault(request)
        transport_fault = transport_fault_response(fault) if fault else None
        if transport_fault:
            if self.log_fd is None:
                return transport_fault
            return replace(transport_fault, reply=self.reply_for_log(request))
        try:
            return completion_response(request, self.ask_teacher(request), fault)
        except UnanswerableRequest as error:
            return bad_request_response(error)

    def ask_teacher(self, request: Request) -> TeacherReply:
        reply = self.options.teacher(request.messages)
        return TeacherReply(reply) if isinstance(reply, str) else reply

    def reply_for_log(self, request: Request) -> TeacherReply | None:
        """The reply that a fault holds back. It tells the log which call it was."""
        with suppress(UnanswerableRequest):
            return self.ask_teacher(request)
        return None

    def find_fault(self, request: Request) -> Fault | None:
        faults = self.options.faults
        if callable(faults):
            return faults(request)
        return faults[request.index] if request.index < len(faults) else None

    async def send(
        self, http: web.Request, request: Request, response: RehearsalResponse
    ) -> web.StreamResponse:
        if response.kind == "hang":
            await self.stop_event.wait()
        if response.kind in ("hang", "reset"):
            if http.transport is not None:
                http.transport.abort()
            return web.Response()

        if not response.skips_latency:
            await asyncio.sleep(self.options.latency_s(request))
            while self.options.hold_while(request) and not self.stop_event.is_set():
                await asyncio.sleep(HOLD_POLL_S)

        if response.fault and response.kind == "half":
            return await _send_half(http, response.body)
        if response.fault and response.kind == "slow":
            return await _send_slowly(http, response.body, response.fault.seconds)
        return _whole_response(response)


def _whole_response(response: RehearsalResponse) -> web.Response:
    headers = {"Content-Type": "application/json", **response.headers}
    return web.Response(body=response.body, status=response.status, headers=headers)


async def _start_stream(http: web.Request, size: int) -> web.StreamResponse:
    headers = {"Content-Type": "application/json", "Content-Length": str(size)}
    stream = web.StreamResponse(headers=headers)
    await stream.prepare(http)
    return stream


async def _send_half(http: web.Request, body: bytes) -> web.StreamResponse:
    stream = await _start_stream(http, len(body))
    await stream.write(body[: len(body) // 2])
    if http.transport is not None:
        http.transport.close()
    return stream


async def _send_slowly(
    http: web.Request, body: bytes, seconds: float
) -> web.StreamResponse:
    stream = await _start_stream(http, len(body))
    piece_size = math.ceil(len(body) / SLOW_PIECES)
    for start in range(0, len(body), piece_size):
        await stream.write(body[start : start + piece_size])
        await asyncio.sleep(seconds * piece_size / len(body))
    return stream


def _log_line(request: Request, response: RehearsalResponse) -> bytes:
    """One line of JSON.

    at: the request's number. sha256: of its body. role, seed, n: null if the teacher does not know
    them. usage: null if the answer has none.
    """
    reply = response.reply or TeacherReply("")
    has_status = response.kind not in ("hang", "reset")
    line = {
        "at": request.index,
        "sha256": sha256(request.raw).hexdigest(),
        "role": reply.role,
        "seed": reply.seed,
        "n": reply.n,
        "fault": response.fault.kind if response.fault else None,
        "status": response.status if has_status else None,
        "usage": response.usage,
    }
    return json.dumps(line).encode() + b"\n"
