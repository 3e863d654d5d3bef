"""The rehearsal server in a process of its own, so that its CPU time counts for nobody; it says what it was asked."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

from teachback.serve.faults import Fault, mix
from teachback.serve.messages import Request
from teachback.serve.pace import Limit, latency
from teachback.serve.program import additions
from teachback.serve.server import serving
from teachback.serve.service import Server, Service


@dataclass(frozen=True)
class Setting:
    """median_s, sigma: of the latency. errors: the share of requests that get a 500, drawn with `seed`."""

    median_s: float
    sigma: float = 0.0
    errors: float = 0.0
    seed: int = 0
    limit: Limit | None = None


@dataclass
class Asked:
    """calls: all that came. limited: turned away by the limit. errors: got the 500 that was ordered. peak: at a time.
    first_at, last_at: when the first and the last call that was let in came, on the clock that all processes share.
    busy_s: the time integral of the calls in flight, up to last_at."""

    base_url: str = ""
    calls: int = 0
    limited: int = 0
    errors: int = 0
    peak: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    busy_s: float = 0.0


class Rehearsal:
    """ask() says what has been asked so far."""

    def __init__(self, base_url: str, pipe: Connection) -> None:
        self.base_url, self._pipe = base_url, pipe

    def ask(self) -> Asked:
        self._pipe.send("asked")
        asked: Asked = self._pipe.recv()
        return asked


@contextmanager
def rehearsal(setting: Setting) -> Iterator[Rehearsal]:
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(setting, there), daemon=True)
    process.start()
    there.close()
    try:
        yield Rehearsal(here.recv(), here)
    finally:
        here.close()
        process.join()


def serve(setting: Setting, pipe: Connection) -> None:
    """Until the other end of the pipe is closed."""
    asked = Asked()
    noted, faults = noting(asked, setting), ordering(asked, setting)
    service = Service(
        additions,
        faults,
        latency_s=lambda r: noted(server, r),
        limit=setting.limit,
        keep=False,
    )
    with serving(service) as server:
        pipe.send(server.base_url)
        while True:
            try:
                pipe.recv()
            except EOFError:
                return
            asked.calls, asked.limited, asked.peak = (
                server.calls,
                server.limited,
                server.peak,
            )
            pipe.send(asked)


def noting(asked: Asked, setting: Setting) -> Callable[[Server, Request], float]:
    """The latency of a request that was let in, which is noted at this moment."""
    seconds = latency(setting.median_s, setting.sigma)

    def noted(server: Server, request: Request) -> float:
        asked.last_at, asked.busy_s = time.monotonic(), server.busy_s
        asked.first_at = asked.first_at or asked.last_at
        return seconds(request)

    return noted


def ordering(asked: Asked, setting: Setting) -> Callable[[Request], Fault | None]:
    """The 500s: which tries get one depends on the request and on how often it was let in, not on who asks when."""
    choose = mix({"500": setting.errors}, setting.seed)

    def ordered(request: Request) -> Fault | None:
        fault = choose(request)
        asked.errors += fault is not None
        return fault

    return ordered
