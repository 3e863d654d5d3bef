"""The rehearsal server as a raw client sees it: each fault, its counts, its log, its limit."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from teachback.errors import ConfigError
from teachback.serve.additions import addition_teacher
from teachback.serve.faults import Fault
from teachback.serve.pace import RequestLimit, lognormal_latency
from teachback.serve.server import run_server, serve_until_stopped
from teachback.serve.service import RehearsalOptions, RehearsalServer

ASK = "Write one in <question> tags."
Headers = Mapping[str, str]


def body(prompt: str = ASK, **fields: Any) -> bytes:
    return json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": prompt}], **fields}
    ).encode()


PLAIN, CAPPED, NONE = body(), body(max_tokens=50), dict[str, str]()


def post(
    server: RehearsalServer,
    raw: bytes = PLAIN,
    headers: Headers = NONE,
    timeout: float = 5,
) -> tuple[int, Headers, bytes]:
    connection = http.client.HTTPConnection(
        urlsplit(server.base_url).netloc, timeout=timeout
    )
    try:
        connection.request("POST", "/v1/chat/completions", raw, dict(headers))
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def answered(fault: Fault | None, raw: bytes = CAPPED) -> dict[str, Any]:
    with run_server(RehearsalOptions(addition_teacher, [fault])) as server:
        status, headers, answer = post(server, raw)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    read: dict[str, Any] = json.loads(answer)
    return read


def test_a_good_answer_and_what_a_fault_leaves_of_it() -> None:
    text, good = addition_teacher([{"content": ASK}]), answered(None)
    words = text.split()
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {
        "prompt_tokens": 4 + 5,
        "completion_tokens": len(words),
        "total_tokens": 9 + len(words),
    }
    usage |= {
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }  # type: ignore[dict-item]
    assert good["choices"] == [choice]
    assert good["usage"] == usage
    assert (good["object"], good["model"]) == ("chat.completion", "m")
    assert abs(good["created"] - time.time()) < 10
    assert answered(Fault("none"))["choices"] == [choice]
    assert answered(Fault("empty"))["choices"] == []
    assert answered(Fault("null"))["choices"][0]["message"] == {
        **message,
        "content": None,
    }
    assert "choices" not in answered(Fault("wrong json"))
    assert answered(Fault("no usage")).keys() == good.keys() - {"usage"}
    refusal = answered(Fault("refusal"))["choices"][0]
    assert (refusal["message"]["content"], refusal["finish_reason"]) == (None, "stop")
    assert "can't help" in refusal["message"]["refusal"]
    for kind, finish in ("length", "length"), ("content filter", "content_filter"):
        cut = answered(Fault(kind))  # type: ignore[arg-type]
        assert (
            cut["choices"][0]["finish_reason"],
            cut["usage"]["completion_tokens"],
        ) == (
            finish,
            len(words) // 2,
        )
    capped = answered(None, body(max_completion_tokens=3))
    assert capped["choices"][0]["message"]["content"] == "Here it is."
    assert (
        capped["choices"][0]["finish_reason"],
        capped["usage"]["completion_tokens"],
    ) == (
        "length",
        3,
    )
    assert answered(Fault("full"))["usage"]["total_tokens"] == len(CAPPED) + 64 + 50
    assert answered(Fault("over"))["usage"]["completion_tokens"] > 500


def test_the_faults_below_json() -> None:
    faults = [
        Fault("garbage"),
        Fault("reset"),
        Fault("half"),
        Fault("slow", seconds=0.3),
        Fault("status", 503, "busy", {"Retry-After": "7"}),
        Fault("hang"),
    ]
    with run_server(RehearsalOptions(addition_teacher, faults)) as server:
        assert post(server)[2].startswith(b"<html>")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            post(server)
        with pytest.raises(http.client.IncompleteRead) as half:
            post(server)
        assert half.value.partial.startswith(b'{"id"')
        start = time.monotonic()
        assert b"chat.completion" in post(server)[2]
        assert 0.25 < time.monotonic() - start < 2
        status, headers, text = post(server)
        assert (status, headers["Retry-After"], text) == (503, "7", b"busy")
        with pytest.raises(TimeoutError):
            post(server, timeout=0.1)
        until(lambda: server.in_flight == 0)  # the client has gone
        assert server.calls == len(server.requests) == 6
        assert post(server)[0] == 200


def test_a_hanging_client_is_let_go_when_the_server_closes() -> None:
    with ThreadPoolExecutor() as pool:
        with run_server(RehearsalOptions(addition_teacher, [Fault("hang")])) as server:
            asked = pool.submit(post, server)
            until(lambda: server.in_flight == 1)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            asked.result()


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'"text"',
        b"\xff",
        b'{"model": "m", "messages": []}',
        b"[" * 100_000,
        body(stream=True),
        *(body(max_tokens=cap) for cap in (0, -1, "9", True)),
        b'{"model": "m", "messages": [{"content": null}]}',
    ],
)
def test_a_request_that_is_none_gets_400(raw: bytes) -> None:
    with run_server(RehearsalOptions(addition_teacher)) as server:
        status, _, text = post(server, raw)
    assert status == 400
    assert json.loads(text)["error"].keys() == {"message", "type", "param", "code"}


def test_the_key_is_asked_for_and_repeated() -> None:
    with run_server(RehearsalOptions(addition_teacher, api_key="sk-right")) as server:
        assert post(server, headers={"Authorization": "Bearer sk-right"})[0] == 200
        for wrong in (
            {},
            {"Authorization": "Bearer sk-wrong"},
            {"Authorization": "sk-right"},
        ):
            status, _, text = post(server, headers=wrong)
            assert (status, json.loads(text)["error"]["code"]) == (
                401,
                "invalid_api_key",
            )
            assert (
                wrong.get("Authorization", "").removeprefix("Bearer ")
                in json.loads(text)["error"]["message"]
            )
    assert "sk-right" not in repr(
        RehearsalOptions(addition_teacher, api_key="sk-right")
    )


def test_the_log_has_a_request_as_soon_as_it_was_read(tmp_path: Path) -> None:
    """Whatever becomes of the client, and though the answer is never sent."""
    log = tmp_path / "log.jsonl"
    service = RehearsalOptions(
        addition_teacher,
        [None, Fault("hang"), Fault("no usage")],
        hold_while=lambda request: True,
        log_path=log,
    )
    bodies = [body(ASK, temperature=n) for n in range(4)]
    for _ in range(2):  # an existing log is continued
        with run_server(service) as server:
            address = urlsplit(server.base_url)
            for n, raw in enumerate(bodies):
                with socket.create_connection(
                    (address.hostname, address.port)
                ) as client:
                    client.sendall(
                        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Length: %d\r\n\r\n" % len(raw)
                    )
                    client.sendall(raw)
                    until(lambda n=n: server.calls == n + 1 and server.in_flight == 1)  # type: ignore[misc]
                until(lambda: server.in_flight == 0)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["sha256"] for line in lines] == [
        sha256(raw).hexdigest() for raw in bodies
    ] * 2
    assert [line["fault"] for line in lines[:4]] == [None, "hang", "no usage", None]
    assert [line["status"] for line in lines[:4]] == [200, None, 200, 200]
    assert [line["usage"] and line["usage"]["prompt_tokens"] for line in lines[:4]] == [
        9,
        None,
        None,
        9,
    ]


def test_a_port_that_is_taken_and_a_log_that_cannot_be(tmp_path: Path) -> None:
    with run_server(RehearsalOptions(addition_teacher)) as server:
        port = urlsplit(server.base_url).port or 0
        with (
            pytest.raises(OSError, match=str(port)),
            run_server(RehearsalOptions(addition_teacher), port),
        ):
            pass
        with pytest.raises(ConfigError, match=f"(?s)port {port}.*fix: another port"):
            serve_until_stopped(RehearsalOptions(addition_teacher), port)
    with pytest.raises(ConfigError, match=r"no/log\.jsonl"):
        serve_until_stopped(
            RehearsalOptions(addition_teacher, log_path=tmp_path / "no/log.jsonl")
        )


def test_what_is_in_flight_is_counted_and_summed() -> None:
    with (
        run_server(
            RehearsalOptions(
                addition_teacher, latency_s=lognormal_latency(0.25), keep_requests=False
            )
        ) as server,
        ThreadPoolExecutor(6) as pool,
    ):
        asked = [pool.submit(post, server) for _ in range(6)]
        until(lambda: server.in_flight == 6)
        assert {future.result()[0] for future in asked} == {200}
        until(lambda: server.in_flight == 0)
        assert server.peak == 6
        assert 6 * 0.25 <= server.busy_s < 6 * 0.25 + 1
        still = server.busy_s
        time.sleep(0.02)
        assert server.busy_s == still
        assert (server.calls, server.requests) == (6, [])


def test_a_limited_server_answers_429_and_says_when() -> None:
    with run_server(
        RehearsalOptions(
            addition_teacher, limit=RequestLimit(2, burst=3, retry_after="fraction")
        )
    ) as server:
        answers = [post(server) for _ in range(5)]
        assert [status for status, *_ in answers] == [200, 200, 200, 429, 429]
        assert 0 < float(answers[4][1]["Retry-After"]) <= 0.5
        assert json.loads(answers[4][2])["error"]["code"] == "rate_limit_exceeded"
        time.sleep(float(answers[4][1]["Retry-After"]))
        assert post(server)[0] == 200
        assert (server.calls, server.calls_over_limit) == (6, 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(number: int) -> None:
    code = (
        "from teachback.serve.additions import addition_teacher\n"
        "from teachback.serve.server import serve_until_stopped\n"
        "from teachback.serve.service import RehearsalOptions\n"
        "serve_until_stopped(RehearsalOptions(addition_teacher), 0)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert post(RehearsalServer(process.stdout.readline().strip()))[0] == 200
        process.send_signal(number)
        assert process.stdout.read() == "1 requests, at most 1 at a time\n"
    assert process.returncode == 0
