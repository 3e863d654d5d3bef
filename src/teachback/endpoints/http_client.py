"""The one HTTP client: for teachers, judges, verifiers and students' servers.

It sends a request once and says what came of it. Its callers decide about retries and costs.
Nobody sees a body or an error message before the key is taken out of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, TypeAlias

from .connections import Route, explain_connection_error, find_route
from .event_loop import run_async
from .redaction import redact_secrets
from .retries import parse_retry_after

if TYPE_CHECKING:
    import aiohttp

MAX_CONNECT_S = 30.0
# Servers drop idle connections (vLLM after 5 s). A request that meets one as it closes is
# lost, and perhaps paid for. So connections are closed here first.
KEEPALIVE_S = 2.0
# aiohttp quotes up to 8 KB of what it can't parse.
MAX_DETAIL_CHARS = 300
# A server that never stops sending shall not fill the memory.
MAX_BODY_BYTES = 2**28
NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class RequestLimits:
    # Requests at a time, and so connections.
    in_flight: int = 32
    # Tries of each request.
    tries: int = 5
    # Seconds for one try: its wait in the server's queue and the whole reply included.
    deadline_s: float = 600.0
    # The environment variable that holds the key; None: no key.
    key_env: str | None = None
    # Whether a proxy in the environment is used. Not for a server that teachback starts itself.
    uses_proxy: bool = True


@dataclass(frozen=True)
class HttpReply:
    status: int
    # Without the key.
    body: str
    # As they came: they may repeat the key.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float:
        """What a reply that is no success asks to wait."""
        return parse_retry_after(self.headers)


class HttpFailure(NamedTuple):
    """A request without a whole reply.

    After "no connection" the server has not read the request. Otherwise it may have.
    """

    kind: Literal["no connection", "timeout", "connection lost"]
    # What the error says, without the key.
    detail: str
    # What to do about it, where that is known.
    fix: str = ""
    # Every other request would meet it too, now and later.
    is_permanent: bool = False


HttpResult: TypeAlias = HttpReply | HttpFailure


class HttpClient:
    """`async with HttpClient(limits, key) as http: await http.post(url, body)`.

    headers: sent with every request. secrets: in the headers, and taken out as the key is.
    """

    def __init__(
        self,
        limits: RequestLimits,
        key: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        secrets: Sequence[str] = (),
    ) -> None:
        self.limits = limits
        self._key = key
        self._headers = headers
        self._secrets = [key, *secrets] if key else list(secrets)
        # By URL: how each is reached.
        self._routes: dict[str, Route] = {}
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        import aiohttp

        deadline_s = self.limits.deadline_s
        headers = {**self._headers, "Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.limits.in_flight, keepalive_timeout=KEEPALIVE_S
            ),
            timeout=aiohttp.ClientTimeout(
                total=deadline_s, sock_connect=min(deadline_s, MAX_CONNECT_S)
            ),
            headers=headers,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def get(self, url: str) -> HttpResult:
        return await self._send("GET", url, None)

    async def post(self, url: str, body: bytes) -> HttpResult:
        return await self._send("POST", url, body)

    def find_route(self, url: str) -> Route:
        """How the URL is reached. Raises ConfigError for a proxy or certificates that can't be
        used.
        """
        route = self._routes.get(url)
        if route is None:
            route = find_route(url, uses_proxy=self.limits.uses_proxy)
            self._routes[url] = route
            self._secrets += route.secrets
        return route

    def redact(self, text: str) -> str:
        """The text without the key and the other secrets."""
        return redact_secrets(text, self._secrets)

    async def _send(self, method: str, url: str, body: bytes | None) -> HttpResult:
        import aiohttp

        route = self.find_route(url)
        try:
            async with self._session.request(
                method, url, data=body, allow_redirects=False, **route.options
            ) as response:
                raw = await _read_body(response)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ClientHttpProxyError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ) as error:
            problem = explain_connection_error(error)
            return HttpFailure(
                "no connection",
                self._shorten(problem.what),
                problem.fix,
                problem.is_permanent,
            )
        except TimeoutError:
            return HttpFailure(
                "timeout", f"nothing within {self.limits.deadline_s:g} s"
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return HttpFailure("connection lost", self._describe(error))

        text = raw.decode(json.detect_encoding(raw), "replace")
        return HttpReply(response.status, self.redact(text), response.headers)

    def _describe(self, error: Exception) -> str:
        # Not repr(error): aiohttp's holds the request's headers, and so the key.
        return self._shorten(f"{type(error).__name__}: {error}")

    def _shorten(self, text: str) -> str:
        return self.redact(text)[:MAX_DETAIL_CHARS]


async def _read_body(response: "aiohttp.ClientResponse") -> bytes:
    """The whole body. Raises ValueError for one that doesn't end."""
    chunks = []
    n_bytes = 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        n_bytes += len(chunk)
        if n_bytes > MAX_BODY_BYTES:
            raise ValueError(f"a reply of more than {MAX_BODY_BYTES} bytes")
    return b"".join(chunks)


def send_request(
    url: str,
    limits: RequestLimits,
    key: str | None = None,
    *,
    body: bytes | None = None,
    deadline_s: float | None = None,
) -> HttpResult:
    """One small request from code that is not async: a GET, or with a body a POST."""
    if deadline_s is not None:
        limits = replace(limits, deadline_s=deadline_s)

    async def send() -> HttpResult:
        async with HttpClient(limits, key) as http:
            return await (http.get(url) if body is None else http.post(url, body))

    return run_async(send())
