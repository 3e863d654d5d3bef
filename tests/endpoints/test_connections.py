"""How an endpoint is reached: proxies, certificates, hosts, headers and queries."""

import base64
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from raw_server import RawRequest, good_response, make_response, run_raw_server
from teachback.endpoints.endpoint import Endpoint
from teachback.endpoints.http_client import (
    HttpFailure,
    HttpReply,
    RequestLimits,
    send_request,
)
from teachback.errors import ConfigError, TeacherDown
from teachback.ledger.ledger import Ledger
from teaching import KEY, buy, closed_port, good, rows

# A self-signed certificate for localhost with its key, good for a hundred years.
PEM = Path(__file__).parents[1] / "tls/localhost.pem"
OPTIONS: dict[str, Any] = {"in_flight": 2, "tries": 2, "deadline_s": 5.0}


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


# ---- proxies


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_asked(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with run_raw_server(good_response) as proxy:
        monkeypatch.setenv(variable, f"http://me:pass%20word@127.0.0.1:{proxy.port}")
        drafts = buy("http://teacher.invalid/v1", ledger, 2, **OPTIONS)
        (login,) = {
            request.headers["proxy-authorization"] for request in proxy.requests
        }
        targets = {request.target for request in proxy.requests}
    assert all(map(good, drafts))
    assert targets == {"http://teacher.invalid/v1/chat/completions"}
    assert base64.b64decode(login.removeprefix("Basic ")) == b"me:pass word"


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "*", "example.com,127.0.0.1"])
def test_no_proxy_is_obeyed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with run_raw_server(good_response) as server:
        assert all(map(good, buy(server.base_url, ledger, 2, **OPTIONS)))


def test_https_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: RawRequest) -> bytes:
        return make_response("no", 407)

    with run_raw_server(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        reply = send_request("https://teacher.invalid/v1", RequestLimits())
        assert [request.target for request in proxy.requests] == ["teacher.invalid:443"]
    assert isinstance(reply, HttpFailure)
    assert reply.kind == "no connection"
    assert reply.detail == "the proxy refuses: HTTP 407"
    assert "HTTPS_PROXY" in reply.fix


def test_a_server_of_our_own_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    with run_raw_server(lambda request: make_response("here")) as server:
        reply = send_request(server.base_url, RequestLimits(uses_proxy=False))
    assert isinstance(reply, HttpReply)
    assert reply.body == "here"


@pytest.mark.parametrize(
    "proxy", ["socks5://secret-0:1080", "http://secret-0:port", "http://"]
)
def test_a_proxy_that_can_not_be_used_is_refused(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(ConfigError, match="proxy in the environment") as refused:
        buy("http://teacher.invalid/v1", ledger, 1)
    assert "secret-0" not in str(refused.value)


def test_a_proxys_password_is_kept_nowhere(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(request: RawRequest) -> bytes:
        return make_response(str(request.headers), 400)

    with run_raw_server(echo) as proxy, Ledger(path) as ledger:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:{KEY}@127.0.0.1:{proxy.port}")
        with pytest.raises(TeacherDown) as down:
            buy("http://teacher.invalid/v1", ledger, 3, **OPTIONS)
    kept = [
        *(row[0] for row in rows(path, "SELECT reason FROM calls")),
        str(down.value),
    ]
    encoded = base64.b64encode(f"me:{KEY}".encode()).decode()
    for text in kept:
        assert "proxy-authorization" in text
        assert KEY not in text
        assert encoded[6:-4] not in text


# ---- certificates


def test_an_unknown_certificate_is_refused_with_its_cause_and_its_fix(
    path: Path,
) -> None:
    with run_raw_server(good_response, server_tls()) as server, Ledger(path) as ledger:
        with pytest.raises(TeacherDown) as down:
            buy(f"https://localhost:{server.port}/v1", ledger, 3, **OPTIONS)
        assert server.requests == []
    said = str(down.value)
    assert (
        f"bad certificate of localhost:{server.port}: self-signed certificate" in said
    )
    assert "SSL_CERT_FILE" in said
    assert {state for (state,) in rows(path, "SELECT state FROM calls")} == {"refused"}


def test_an_authority_of_the_environment_is_trusted(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    with run_raw_server(good_response, server_tls()) as server:
        url = f"https://localhost:{server.port}/v1"
        assert all(map(good, buy(url, ledger, 2, **OPTIONS)))
        with pytest.raises(
            TeacherDown, match=r"(?s)mismatch.*as its certificate names it"
        ):
            buy(f"https://127.0.0.1:{server.port}/v1", ledger, 4, **OPTIONS)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_refused(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(
        ConfigError, match=r"SSL_CERT_FILE names no file of certificates"
    ):
        buy("https://localhost:1/v1", ledger, 1)


def test_https_to_a_server_that_speaks_http(ledger: Ledger) -> None:
    def answer_at_once(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(10_000)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_at_once, args=(listener,), daemon=True).start()
        url = f"https://localhost:{listener.getsockname()[1]}/v1"
        with pytest.raises(TeacherDown, match=r"(?s)no TLS.*begins with http://"):
            buy(url, ledger, 1, **OPTIONS)


# ---- hosts


def test_no_such_host_is_one_message(path: Path) -> None:
    """A name under .invalid never exists (RFC 6761)."""
    with Ledger(path) as ledger, pytest.raises(TeacherDown) as down:
        buy("http://teacher.invalid/v1", ledger, 1, **OPTIONS)
    said = str(down.value)
    assert "got: no such host: teacher.invalid\n" in said
    assert "check the host in `base_url`" in said
    assert rows(path, "SELECT DISTINCT state, reason FROM calls") == [
        ("refused", "no such host: teacher.invalid")
    ]
    assert down.value.exit_code == 4


def test_a_body_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from teachback.endpoints import http_client

    monkeypatch.setattr(http_client, "MAX_BODY_BYTES", 10_000)
    endless = make_response(b" " * 20_000)
    with run_raw_server(lambda request: endless) as server:
        started = time.monotonic()
        reply = send_request(server.base_url, RequestLimits())
    assert isinstance(reply, HttpFailure)
    assert reply.kind == "connection lost"
    assert "more than 10000 bytes" in reply.detail
    assert time.monotonic() - started < 5


# ---- headers and queries


def test_headers_are_sent_with_what_the_environment_holds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_KEY", f" {KEY}\n")
    headers = {
        "api-key": "${AZURE_KEY}",
        "Authorization": "Basic ${AZURE_KEY}",
        "X-Title": "study 1",
    }

    def respond(request: RawRequest) -> bytes:
        if request.index == 0:
            return make_response(str(request.headers), 500)
        return good_response(request)

    with run_raw_server(respond) as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, 2, headers=headers, **OPTIONS)
        sent = server.requests[0].headers
    assert all(map(good, drafts))
    assert (sent["api-key"], sent["authorization"]) == (KEY, f"Basic {KEY}")
    assert (sent["x-title"], sent["content-type"]) == ("study 1", "application/json")
    for file in path.parent.glob(f"{path.name}*"):
        assert KEY.encode() not in file.read_bytes()
    assert "'x-title': 'study 1'" in rows(path, "SELECT max(reason) FROM calls")[0][0]


@pytest.mark.parametrize(
    ("headers", "more", "said"),
    [
        ({"api-key": "secret-0"}, {}, "api-key"),
        ({"X-Auth-Token": "secret-0"}, {}, "X-Auth-Token"),
        ({"Cookie": "session=secret-0"}, {}, "Cookie"),
        ({"X-Forward": "Bearer secret-0"}, {}, "X-Forward"),
        ({"X-Other": "sk-secret-0"}, {}, "X-Other"),
        ({"Authorization": "${SOME}"}, {"key_env": "K"}, "both set Authorization"),
        ({"Content-Length": "3"}, {}, "Content-Length"),
        ({"a b": "x"}, {}, "a name that is none"),
        ({"X": "two\r\nlines: secret-0"}, {}, "header X can't be sent"),
        ({"X": "数"}, {}, "header X can't be sent"),
    ],
)
def test_headers_that_can_not_work_are_refused(
    headers: dict[str, str], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=r"header|Authorization") as refused:
        Endpoint(base_url="http://host/v1", model="m", headers=headers, **more)
    assert said in str(refused.value)
    assert "secret-0" not in str(refused.value)


@pytest.mark.parametrize("value", [None, "", "a\x07b", "数"])
def test_a_header_that_the_environment_lacks(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    if value is not None:
        monkeypatch.setenv("NO_SUCH", value)
    with pytest.raises(ConfigError, match="environment variable NO_SUCH"):
        buy("http://127.0.0.1:9/v1", ledger, 1, headers={"api-key": "${NO_SUCH}"})


@pytest.mark.parametrize(
    ("base_url", "target"),
    [
        ("/v1?api-version=2024-10-21", "/v1/chat/completions?api-version=2024-10-21"),
        (
            "/d/x/?api-version=1&region=eu",
            "/d/x/chat/completions?api-version=1&region=eu",
        ),
        ("?v=1", "/chat/completions?v=1"),
    ],
)
def test_a_query_of_base_url_stays_at_the_end(
    ledger: Ledger, base_url: str, target: str
) -> None:
    with run_raw_server(good_response) as server:
        url = f"http://127.0.0.1:{server.port}{base_url}"
        assert all(map(good, buy(url, ledger, 1, **OPTIONS)))
        assert {request.target for request in server.requests} == {target}


@pytest.mark.parametrize(
    "query",
    ["key=secret-0", "sig=secret-0", "x=" + "secret-0" * 9, "a=1&token=secret-0"],
)
def test_a_query_with_a_secret_is_refused(query: str) -> None:
    with pytest.raises(ConfigError, match="credential") as refused:
        Endpoint(base_url=f"http://host/v1?{query}", model="m")
    assert "secret" not in str(refused.value)
