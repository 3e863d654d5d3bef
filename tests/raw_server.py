"""A server that writes raw bytes: answers as real endpoints give them, and broken HTTP.

`run_raw_server(respond)` serves in a thread. respond(request) returns the bytes of a response, or
None to reset the connection.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from teachback.serve.additions import addition_teacher


@dataclass(frozen=True)
class RawRequest:
    # Among all requests, from 0.
    index: int
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def prompt(self) -> str:
        return str(json.loads(self.body)["messages"][-1]["content"])

    @property
    def key(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


Respond = Callable[[RawRequest], bytes | None]


@dataclass
class RawServer:
    respond: Respond
    port: int = 0
    requests: list[RawRequest] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError, ValueError), connection:
            file = connection.makefile("rb")
            while head := file.readline():
                headers = {}
                while (line := file.readline().strip()) != b"":
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", 0)))
                with self.lock:
                    target = head.split()[1].decode()
                    request = RawRequest(len(self.requests), target, headers, body)
                    self.requests.append(request)
                response = self.respond(request)
                if response is None:
                    linger = b"\1\0\0\0\0\0\0\0"
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                connection.sendall(response)
                if b"Connection: close" in response:
                    return


@contextmanager
def run_raw_server(
    respond: Respond, tls: ssl.SSLContext | None = None
) -> Iterator[RawServer]:
    server = RawServer(respond)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server.port = listener.getsockname()[1]

        def wrap(connection: socket.socket) -> None:
            with suppress(OSError):
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                server.serve(connection)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(
                        target=wrap, args=(connection,), daemon=True
                    ).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


def make_response(
    body: bytes | str | Mapping[str, Any] | list[Any],
    status: int = 200,
    *headers: str,
    kind: str = "application/json",
) -> bytes:
    if not isinstance(body, bytes | str):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    head = [
        f"HTTP/1.1 {status} Status",
        f"Content-Type: {kind}",
        *headers,
        f"Content-Length: {len(raw)}",
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + raw


def make_completion(
    request: RawRequest,
    text: object = None,
    finish: object = "stop",
    usage: object = "real",
    **message: object,
) -> dict[str, Any]:
    """A good answer, but for what is given. One word counts as one token."""
    good = addition_teacher([{"role": "user", "content": request.prompt}])
    content = good if text is None else text
    counted = {
        "prompt_tokens": 4 + len(request.prompt.split()),
        "completion_tokens": max(1, len(str(content).split())),
    }
    return {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "finish_reason": finish,
            }
        ],
        "usage": counted if usage == "real" else usage,
    }


def good_text(request: RawRequest) -> str:
    return addition_teacher([{"role": "user", "content": request.prompt}])


def good_response(request: RawRequest) -> bytes:
    return make_response(make_completion(request))
