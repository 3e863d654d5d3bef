"""What goes wrong between here and a student's server: tried again, or an error that says what to
do; never a guess.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from teachback.endpoints.http_client import RequestLimits
from teachback.endpoints.retries import RetryPolicy
from teachback.errors import ConfigError, StudentError
from teachback.student.attempt import AttemptRequest
from teachback.student.chat import Chat, prompt_ids
from teachback.student.engines import requests as server_requests
from teachback.student.engines.requests import ServerTarget
from teachback.student.engines.server import (
    WeightlessStudent,
    answer_on_server,
    load_weightless_student,
)
from teachback.types import Attempt

CHAT = Chat()
END = 1
AnswerScript = Callable[
    [int, dict[str, Any]], Awaitable[web.Response | str]
]  # a text: what goes wrong


def make_completion(
    ids: list[int], finish: str = "stop", **changes: Any
) -> dict[str, Any]:
    """A completion as vLLM writes it."""
    logprobs = {
        "tokens": [f"token_id:{i}" for i in ids],
        "token_logprobs": [-0.5 for _ in ids],
        "top_logprobs": [{f"token_id:{i}": -0.5, "token_id:0": -1.5} for i in ids],
    }
    choice = {
        "index": 0,
        "text": "",
        "finish_reason": finish,
        "logprobs": logprobs,
    } | changes
    return {
        "choices": [choice],
        "usage": {"prompt_tokens": 9, "completion_tokens": len(ids)},
    }


@dataclass
class ScriptedServer:
    """A server whose answers a test writes."""

    base_url: str = ""
    # Of the requests so far.
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    n_in_flight: int = 0
    max_in_flight: int = 0


async def send(http: web.Request, answer: web.Response | str) -> web.StreamResponse:
    """A response, or "reset" before it or after "half" of it."""
    if isinstance(answer, web.Response):
        return answer
    half = web.StreamResponse(headers={"Content-Length": "1000"})
    if answer == "half":
        await half.prepare(http)
        await half.write(b'{"choices": [')
    assert http.transport is not None
    http.transport.abort()
    return half


@contextmanager
def run_scripted_server(answer: AnswerScript) -> Iterator[ScriptedServer]:
    """answer(how many were asked before, the request). In a thread of its own."""
    server = ScriptedServer()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    closing = asyncio.Event()

    async def handle(http: web.Request) -> web.StreamResponse:
        request = await http.json()
        place = len(server.bodies)
        server.bodies.append(request)
        server.headers.append(http.headers)
        server.n_in_flight += 1
        server.max_in_flight = max(server.max_in_flight, server.n_in_flight)
        try:
            return await send(http, await answer(place, request))
        finally:
            server.n_in_flight -= 1

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/completions", handle)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        ready.set()
        await closing.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(closing.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def student(tiny: Path) -> WeightlessStudent:
    return load_weightless_student(tiny)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_requests, "SERVER_RETRIES", RetryPolicy(0.01, 30.0))


def ask(
    url: str, student: WeightlessStudent, n: int = 1, **limits: Any
) -> list[Attempt]:
    target = ServerTarget(url, "m", RequestLimits(**limits))
    return answer_on_server(
        target, student, CHAT, [AttemptRequest(str(i), f"{i}?") for i in range(n)], 8
    )


def test_what_is_asked_is_the_prompt_of_finetuning_and_nothing_bends_the_distribution(
    student: WeightlessStudent,
) -> None:
    async def answer(place: int, request: dict[str, Any]) -> web.Response:
        return web.json_response(make_completion([40, 41, END]))

    with run_scripted_server(answer) as server:
        (attempt,) = ask(server.base_url, student)
    (request,) = server.bodies
    assert request["prompt"] == prompt_ids(student, CHAT, "0?")
    switched_off = {
        "temperature": 0,
        "top_p": 1,
        "top_k": -1,
        "min_p": 0,
        "repetition_penalty": 1,
        "n": 1,
    }
    assert {name: request[name] for name in switched_off} == switched_off
    assert (request["model"], request["max_tokens"], request["stop_token_ids"]) == (
        "m",
        8,
        [END],
    )
    assert "seed" not in request
    assert (attempt.text, attempt.n_tokens, attempt.truncated, attempt.nll) == (
        "DE",
        3,
        False,
        pytest.approx(0.5),
    )


def test_what_may_pass_is_tried_again(student: WeightlessStudent) -> None:
    async def answer(place: int, request: dict[str, Any]) -> web.Response | str:
        faults = [
            web.Response(status=429, headers={"Retry-After": "0.05"}),
            web.Response(status=500, text="out of memory"),
            "reset",
            "half",
            web.json_response(make_completion([40, END])),
        ]
        return faults[place]

    with run_scripted_server(answer) as server:
        (attempt,) = ask(server.base_url, student, tries=5)
    assert (len(server.bodies), attempt.n_tokens) == (5, 2)
    assert all(request == server.bodies[0] for request in server.bodies)


def test_tries_come_to_an_end(student: WeightlessStudent) -> None:
    async def answer(place: int, request: dict[str, Any]) -> web.Response:
        return web.Response(status=503, text="Loading model")

    with (
        run_scripted_server(answer) as server,
        pytest.raises(
            StudentError, match=r"no answer in 3 tries(.|\n)*503(.|\n)*Loading"
        ),
    ):
        ask(server.base_url, student, tries=3)
    assert len(server.bodies) == 3


def test_a_refusal_ends_it_and_nothing_more_is_asked(
    student: WeightlessStudent,
) -> None:
    async def answer(place: int, request: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.05 if place else 0)
        return web.Response(status=400, text="maximum context length is 16 tokens")

    with (
        run_scripted_server(answer) as server,
        pytest.raises(StudentError, match="maximum context length is 16 tokens"),
    ):
        ask(server.base_url, student, n=50, in_flight=4, tries=5)
    assert len(server.bodies) <= 8


def test_nobody_there(student: WeightlessStudent) -> None:
    async def answer(place: int, request: dict[str, Any]) -> web.Response:
        raise AssertionError

    with run_scripted_server(answer) as server:
        url = server.base_url
    with pytest.raises(
        StudentError,
        match=rf"2 tries(.|\n)*Connect(.|\n)*fix: start the server at {url}",
    ):
        ask(url, student, tries=2)


def test_an_answer_has_a_deadline(student: WeightlessStudent) -> None:
    async def answer(place: int, request: dict[str, Any]) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    with (
        run_scripted_server(answer) as server,
        pytest.raises(
            StudentError, match=r"nothing within 0\.1 s(.|\n)*raise the deadline"
        ),
    ):
        ask(server.base_url, student, tries=2, deadline_s=0.1)


def test_so_many_are_in_flight_and_no_more(student: WeightlessStudent) -> None:
    async def answer(place: int, request: dict[str, Any]) -> web.Response:
        await asyncio.sleep(0.02)
        return web.json_response(make_completion([request["prompt"][-3], END]))

    with run_scripted_server(answer) as server:
        attempts = ask(server.base_url, student, n=30, in_flight=6)
    assert server.max_in_flight == 6
    assert len(attempts) == len(server.bodies) == 30


@pytest.mark.parametrize("spelling", ["sk-test/abc-123", r"sk-test\/abc-123"])
def test_the_key_comes_from_the_environment_and_is_never_shown(
    spelling: str, student: WeightlessStudent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers repeat the key that they refuse, some with the slash escaped as JSON allows."""

    async def answer(place: int, request: dict[str, Any]) -> web.Response:
        if place == 0:
            return web.json_response(make_completion([40, END]))
        return web.Response(status=401, text=f'{{"error": "wrong key: {spelling}"}}')

    with run_scripted_server(answer) as server:
        with pytest.raises(ConfigError, match="THE_KEY"):
            ask(server.base_url, student, key_env="THE_KEY")
        monkeypatch.setenv("THE_KEY", "sk-test/abc-123")
        ask(server.base_url, student, key_env="THE_KEY")
        with pytest.raises(StudentError, match=r"HTTP 401(.|\n)*wrong key: \[key\]"):
            ask(server.base_url, student, key_env="THE_KEY")
    assert [headers.get("Authorization") for headers in server.headers] == [
        "Bearer sk-test/abc-123"
    ] * 2


def test_it_works_under_an_event_loop_that_runs(student: WeightlessStudent) -> None:
    async def answer(place: int, request: dict[str, Any]) -> web.Response:
        return web.json_response(make_completion([40, END]))

    async def notebook(url: str) -> list[Attempt]:
        return ask(url, student)

    with run_scripted_server(answer) as server:
        assert asyncio.run(notebook(server.base_url))[0].n_tokens == 2
