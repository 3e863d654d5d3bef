"""The rehearsal server in a process of its own, so that no contender pays its CPU time.

It reports the calls that it got.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

from teachback.serve.additions import addition_teacher
from teachback.serve.faults import Fault, mix_faults
from teachback.serve.messages import Request
from teachback.serve.pace import RequestLimit, lognormal_latency
from teachback.serve.server import run_server
from teachback.serve.service import RehearsalOptions, RehearsalServer


@dataclass(frozen=True)
class ServerSettings:
    # Latencies are lognormal.
    median_s: float
    sigma: float = 0.0
    # Share of requests that get a 500, drawn with `seed`.
    errors: float = 0.0
    seed: int = 0
    limit: RequestLimit | None = None


@dataclass
class CallCounts:
    """The calls that the server has got so far."""

    calls: int = 0
    # Calls that the rate limit turned away.
    limited: int = 0
    # Calls that got one of the ordered 500s.
    errors: int = 0
    # Most calls in flight at a time.
    peak: int = 0
    # When the first and the last call got in, on the monotonic clock.
    first_at: float = 0.0
    last_at: float = 0.0
    # Seconds summed over the calls in flight, up to last_at.
    busy_s: float = 0.0


class RemoteServer:
    def __init__(self, base_url: str, pipe: Connection) -> None:
        self.base_url = base_url
        self._pipe = pipe

    def count_calls(self) -> CallCounts:
        self._pipe.send("count")
        counts: CallCounts = self._pipe.recv()
        return counts


@contextmanager
def rehearsal_server(settings: ServerSettings) -> Iterator[RemoteServer]:
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(settings, there), daemon=True)
    process.start()
    there.close()
    try:
        yield RemoteServer(here.recv(), here)
    finally:
        here.close()
        process.join()


def serve(settings: ServerSettings, pipe: Connection) -> None:
    """Serve until the other end of the pipe is closed."""
    counts = CallCounts()
    latency_s = counted_latency(counts, settings)
    options = RehearsalOptions(
        addition_teacher,
        counted_faults(counts, settings),
        latency_s=lambda request: latency_s(server, request),
        limit=settings.limit,
        keep_requests=False,
    )
    with run_server(options) as server:
        pipe.send(server.base_url)
        while True:
            try:
                pipe.recv()
            except EOFError:
                return
            counts.calls = server.calls
            counts.limited = server.calls_over_limit
            counts.peak = server.peak
            pipe.send(counts)


def counted_latency(
    counts: CallCounts, settings: ServerSettings
) -> Callable[[RehearsalServer, Request], float]:
    """The latency of each call that gets in. Computing it records the call's time."""
    draw_s = lognormal_latency(settings.median_s, settings.sigma)

    def latency_s(server: RehearsalServer, request: Request) -> float:
        counts.last_at = time.monotonic()
        counts.first_at = counts.first_at or counts.last_at
        counts.busy_s = server.busy_s
        return draw_s(request)

    return latency_s


def counted_faults(
    counts: CallCounts, settings: ServerSettings
) -> Callable[[Request], Fault | None]:
    """The ordered 500s.

    Which tries get one depends on the request and on how often it got in, never on when
    and by whom it is sent.
    """
    choose = mix_faults({"500": settings.errors}, settings.seed)

    def fault(request: Request) -> Fault | None:
        chosen = choose(request)
        counts.errors += chosen is not None
        return chosen

    return fault
