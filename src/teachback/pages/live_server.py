"""A server that shows a page while what it shows changes: to this machine, and to one reader.

Other programs on this machine could ask it, and so could any page that is open in the reader's
browser. So only an address with a random token is answered, and only under the names of this
machine: a page of a foreign name that leads here (DNS rebinding) gets nothing. No header lets
another page read an answer.
"""

import hmac
import json
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import FrameType
from typing import Protocol

from ..errors import ConfigError
from .live_progress import LiveProgress

LOOPBACK = "127.0.0.1"
TOKEN_BYTES = 24
POLL_S = 1.0  # between two looks at the folder
QUIET_S = 15.0  # after which a line is sent that says nothing: else a lost reader is not noticed
REQUEST_TIMEOUT_S = 10.0
# The page itself forbids all else; a frame can only be forbidden here.
SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class LivePage(Protocol):
    """What the server shows. Several threads call these."""

    def render(self) -> str: ...

    def read_progress(self) -> LiveProgress: ...


class LivePageServer(ThreadingTCPServer):
    """Listens from the start, on loopback alone. Port 0 is any free port."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, page: LivePage, port: int = 0) -> None:
        """Raises OSError if the port is taken."""
        self.page = page
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self.stop_event = threading.Event()
        super().__init__((LOOPBACK, port), LivePageHandler)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/{self.token}/"

    def is_own_host(self, host: str) -> bool:
        """Whether it is what a browser sends that was given an address of this machine."""
        name, _, port = host.partition(":")
        return name in (LOOPBACK, "localhost") and (port or "80") == str(self.port)

    def find_part(self, path: str) -> str | None:
        """What is asked for below the token: "" or "events"; None: not for this reader."""
        token, slash, part = path.removeprefix("/").partition("/")
        sent = token.encode("utf-8", "replace")
        is_known = hmac.compare_digest(sent, self.token.encode())
        return part if is_known and slash and part in ("", "events") else None


class LivePageHandler(BaseHTTPRequestHandler):
    server: LivePageServer
    timeout = REQUEST_TIMEOUT_S
    server_version, sys_version = "teachback", ""

    def do_GET(self) -> None:
        # The reader may go at any moment.
        with suppress(ConnectionError, TimeoutError):
            hosts = self.headers.get_all("Host", [])
            if len(hosts) != 1 or not self.server.is_own_host(hosts[0]):
                self.send_text(403, "text/plain", "not the name of this server\n")
                return
            part = self.server.find_part(self.path)
            if part is None:
                self.send_text(404, "text/plain", "nothing is here\n")
            elif part == "events":
                self.send_events()
            else:
                self.send_text(200, "text/html", self.server.page.render())

    def send_text(self, status: int, kind: str, text: str) -> None:
        content = text.encode("utf-8")
        self.send_headers(status, kind, {"Content-Length": str(len(content))})
        self.wfile.write(content)

    def send_events(self) -> None:
        """The progress at once and whenever it changes, until the reader or the server goes."""
        self.send_headers(200, "text/event-stream", {})
        sent: LiveProgress | None = None
        quiet_s = 0.0
        while not self.server.stop_event.is_set():
            progress = self.server.page.read_progress()
            if progress != sent:
                self.wfile.write(f"data: {json.dumps(asdict(progress))}\n\n".encode())
                sent, quiet_s = progress, 0.0
            elif quiet_s >= QUIET_S:
                self.wfile.write(b":\n\n")
                quiet_s = 0.0
            self.server.stop_event.wait(POLL_S)
            quiet_s += POLL_S

    def send_headers(self, status: int, kind: str, more: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        for name, value in {**SAFE_HEADERS, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a line for each request would show the token."""


def serve_live_page(
    page: LivePage, port: int, announce: Callable[[str], object]
) -> None:
    """Serve until Ctrl-C or SIGTERM. announce(address) is called once it listens.

    In the main thread only. Raises ConfigError if the port is taken.
    """
    try:
        server = LivePageServer(page, port)
    except OSError as error:
        raise ConfigError(
            f"the page can't be served on port {port}",
            got=error,
            fix="another --port (0: any that is free)",
        ) from None
    thread = threading.Thread(target=server.serve_forever, name="page server")
    with server, set_when_stopped(server.stop_event):
        thread.start()
        try:
            announce(server.address)
            server.stop_event.wait()
        finally:
            server.stop_event.set()
            server.shutdown()
            thread.join()


@contextmanager
def set_when_stopped(stop_event: threading.Event) -> Iterator[None]:
    """Inside the block Ctrl-C and SIGTERM set the event, and do nothing else."""

    def stop(number: int, frame: FrameType | None) -> None:
        stop_event.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
