"""The one HTTP client: for teachers, judges, verifiers and students' servers.

It sends a request once and says what came of it. Its callers decide about retries and costs.
Nobody sees a body or an error message before the key is taken out of it.
"""

from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, TypeAlias

from .event_loop import run_async
from .redaction import redact_key
from .retries import parse_retry_after

if TYPE_CHECKING:
    import aiohttp

MAX_CONNECT_S = 30.0
# Servers drop idle connections (vLLM after 5 s). A request that meets one as it closes is
# lost, and perhaps paid for. So connections are closed here first.
KEEPALIVE_S = 2.0
# aiohttp quotes up to 8 KB of what it can't parse.
MAX_DETAIL_CHARS = 300


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


class HttpReply(NamedTuple):
    status: int
    # Decoded as UTF-8, without the key.
    body: str
    # What a reply that is no success asks to wait.
    retry_after_s: float = 0.0

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class HttpFailure(NamedTuple):
    """A request without a whole reply.

    After "no connection" the server has not read the request. Otherwise it may have.
    """

    kind: Literal["no connection", "timeout", "connection lost"]
    # What the error says, without the key.
    detail: str
    retry_after_s: float = 0.0


HttpResult: TypeAlias = HttpReply | HttpFailure


class HttpClient:
    """`async with HttpClient(limits, key) as http: await http.post(url, body)`."""

    def __init__(self, limits: RequestLimits, key: str | None = None) -> None:
        self.limits = limits
        self._key = key
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        import aiohttp

        deadline_s = self.limits.deadline_s
        headers = {"Content-Type": "application/json"}
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

    async def _send(self, method: str, url: str, body: bytes | None) -> HttpResult:
        import aiohttp

        try:
            async with self._session.request(
                method, url, data=body, allow_redirects=False
            ) as response:
                raw = await response.read()
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.InvalidURL,
        ) as error:
            return HttpFailure("no connection", self._describe(error))
        except TimeoutError:
            return HttpFailure(
                "timeout", f"nothing within {self.limits.deadline_s:g} s"
            )
        except (aiohttp.ClientError, OSError) as error:
            return HttpFailure("connection lost", self._describe(error))

        reply = HttpReply(
            response.status, redact_key(raw.decode("utf-8", "replace"), self._key)
        )
        if reply.is_success:
            return reply
        return reply._replace(retry_after_s=parse_retry_after(response.headers))

    def _describe(self, error: Exception) -> str:
        # Not repr(error): aiohttp's holds the request's headers, and so the key.
        text = redact_key(f"{type(error).__name__}: {error}", self._key)
        return text[:MAX_DETAIL_CHARS]


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
