"""One endpoint, asked through the ledger: tries, and what each outcome means.

A **try** is sent when the limiter lets it in, the ledger holds its worst case, and that is on
disk. Its outcome is on disk before anyone sees it:

    2xx                              answered, charged what it used
    429, 503, no connection          turned away unread: costs nothing
    other 5xx, 408, 409, 425         failed: costs nothing
    400, 413, 422                    perhaps about this request only: costs nothing, not tried again
    401, 402, 403, 404, ...          the endpoint refuses all of us: TeacherDown
    timeout, reset, half an answer   in doubt: charged in full

A call has `tries` tries. Being turned away by 429 or 503 is none of them: the call is sent again
as long as the endpoint has answered anything in the last `patience_s` seconds.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import NamedTuple, Self

from ..endpoints.endpoint import Endpoint
from ..endpoints.http_client import HttpClient, HttpFailure, HttpReply
from ..endpoints.rate_limits import CallOutcome, RateLimiter, RateLimits
from ..endpoints.replies import Completion, parse_completion
from ..endpoints.retries import RetryPolicy
from ..errors import InputsChanged, TeachbackError, TeacherDown
from ..ledger.costs import Cost, Usage
from ..ledger.group_commit import GroupCommit
from ..ledger.ledger import Ledger, Pair, RecordedAnswer

RETRIES = RetryPolicy()
POLL_S = 0.05  # between two looks at a call that another arm has in flight
TURNED_AWAY = frozenset({429, 503})
# Perhaps about this request only: too long, or held back by a content filter.
REFUSED_REQUEST = frozenset({400, 413, 422})
# Codes of a 429 that no waiting helps.
OUT_OF_MONEY_CODES = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
)
FIXES = {
    401: "put a valid key into {key}",
    402: "pay the provider, or use the key of an account that can",
    403: "give the key in {key} access to this model",
    404: "check `base_url` (it ends before /chat/completions) and `model`",
}


@dataclass(frozen=True)
class FailedTry:
    """A try without an answer."""

    reason: str
    outcome: CallOutcome = "failed"
    # Turned away before the model read it.
    unread: bool = False
    # By 429 or 503.
    turned_away: bool = False
    # What Retry-After asked for.
    wait_s: float = 0.0
    # The same request would be refused again.
    final: bool = False


class BoughtAnswer(NamedTuple):
    """A call's answer, which the ledger has."""

    completion: Completion
    usage: Usage


class InFlightElsewhere:
    """A call that another arm's process has in flight."""


class Failed(Exception):
    """A pair that will get no answer; the text is the draft's reason."""


class Stopped(Exception):
    """Nothing more is sent, because of an error somewhere else."""


class Unanswered(Exception):
    """A call whose tries are used up: the pair's bad luck, or the end of the endpoint."""

    def __init__(self, client: "Client", miss: FailedTry) -> None:
        tries = (
            "refused" if miss.final else f"no answer in {client.endpoint.tries} tries"
        )
        super().__init__(f"{tries}: {miss.reason}")
        self.client, self.miss = client, miss


@dataclass
class Halt:
    """The first error, for all clients: what is in flight ends, nothing more is sent."""

    error: TeachbackError | None = None
    event: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list["Client"] = field(default_factory=list)

    def stop(self, error: TeachbackError) -> None:
        self.error = self.error or error
        self.event.set()
        for client in self.clients:
            client.limiter.let_all_in()


class Client:
    """`async with Client(...) as client: await client.ask(...)`.

    One at a time for an endpoint: its limits are shared.

    heard: the endpoint answered, now or in an earlier call that the ledger served. asleep: calls
    that wait to be tried again.
    """

    def __init__(
        self, endpoint: Endpoint, ledger: Ledger, group: GroupCommit, halt: Halt
    ) -> None:
        self.endpoint, self.ledger, self.group, self.halt = (
            endpoint,
            ledger,
            group,
            halt,
        )
        limits = RateLimits(
            endpoint.in_flight, endpoint.requests_per_minute, endpoint.tokens_per_minute
        )
        self.limiter = RateLimiter(limits)
        self.heard = False
        self.asleep = 0
        self._key = endpoint.read_key()
        self._sent: set[int] = set()  # calls without an outcome
        self._last_heard = time.monotonic()
        self._jitter = Random()  # spreads retries over time: no data depends on it
        self._http: HttpClient
        halt.clients.append(self)

    async def __aenter__(self) -> Self:
        self._http = HttpClient(self.endpoint.request_limits, self._key)
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, tb)

    def abandon(self) -> None:
        """Interrupted: what these calls cost will not be known."""
        with self.ledger.group():
            for call in self._sent:
                self.ledger.doubt(call, "interrupted")

    async def ask(self, pair: Pair, role: str, request: bytes, cap: int) -> Completion:
        """Buy one answer. Raises Failed (no budget), Unanswered, Stopped and TeacherDown."""
        if pair.state != "open":
            raise explain_closed_pair(pair, role)
        tried = away = 0
        while True:
            reply = await self._try(pair, role, request, cap, first=tried + away == 0)
            if reply is None:
                await self._sleep(POLL_S)
                continue
            if isinstance(reply, RecordedAnswer):
                return parse_completion(reply.body)
            if isinstance(reply, BoughtAnswer):
                return reply.completion
            if reply.turned_away:
                away += 1
                self._refuse_endless(reply)
            else:
                tried += 1
                if reply.final or tried >= self.endpoint.tries:
                    raise Unanswered(self, reply)
            await self._pause(
                tried + away, 0.0 if reply.outcome == "limited" else reply.wait_s
            )

    async def _try(
        self, pair: Pair, role: str, request: bytes, cap: int, *, first: bool
    ) -> BoughtAnswer | RecordedAnswer | FailedTry | None:
        """None: another arm has the same call in flight, in another process.

        Its answer will be ours.
        """
        worst = self.endpoint.worst_cost(request, cap)
        ticket = await self.limiter.enter(worst.tokens)
        outcome: CallOutcome = "refused"
        wait_s, unused = 0.0, 0
        try:
            if self.halt.error:
                raise Stopped
            call = await self.group.run(self._send, pair, role, request, worst)
            if call is None:
                raise Failed(
                    f"budget closed before the {role}"
                    if first
                    else "budget closed before a retry"
                )
            if not isinstance(call, int):
                unused = worst.tokens
                return call if isinstance(call, RecordedAnswer) else None
            reply = await self._post(call, request)
            if isinstance(reply, BoughtAnswer):
                outcome, unused = "answered", max(0, worst.tokens - reply.usage.total)
            else:
                outcome, wait_s, unused = (
                    reply.outcome,
                    reply.wait_s,
                    worst.tokens if reply.unread else 0,
                )
            return reply
        finally:
            self.limiter.leave(
                ticket, outcome, retry_after_s=wait_s, unused_tokens=unused
            )

    def _send(
        self, pair: Pair, role: str, request: bytes, worst: Cost
    ) -> int | RecordedAnswer | InFlightElsewhere | None:
        """Runs in the ledger's thread, and notes the call there: whoever asked may be cancelled
        meanwhile. Where arms share the ledger, another one may have sent it since the ledger
        was looked at.
        """
        if self.ledger.shared:
            if known := self.ledger.find_answer(pair, role, request):
                return known
            if self.ledger.is_in_flight_elsewhere(pair, role, request):
                return InFlightElsewhere()
        call = self.ledger.send(pair, role, request, worst)
        if call is not None:
            self._sent.add(call)
        return call

    async def _post(self, call: int, request: bytes) -> BoughtAnswer | FailedTry:
        """One try. Its outcome is in the ledger before it is returned."""
        start = time.monotonic()
        reply = await self._http.post(self.endpoint.url, request)
        latency_s = time.monotonic() - start
        if isinstance(reply, HttpFailure):
            return await self._record_failure(call, reply)
        if not reply.is_success:
            miss = read_refusal(reply)
            await self._missed(self.ledger.refuse, call, miss, reply.body[:200])
            self._refuse_end(reply)
            return miss

        completion = parse_completion(reply.body)
        self._sent.discard(call)
        usage = await self.group.run(
            self.ledger.answer,
            call,
            reply.body,
            completion.usage,
            latency_s,
            self.endpoint.price,
        )
        self.heard, self._last_heard = True, time.monotonic()
        return BoughtAnswer(completion, usage)

    async def _record_failure(self, call: int, failure: HttpFailure) -> FailedTry:
        if failure.kind == "no connection":
            miss = FailedTry("no connection", unread=True)
            return await self._missed(self.ledger.refuse, call, miss, failure.detail)
        if failure.kind == "timeout":
            return await self._missed(
                self.ledger.doubt, call, FailedTry(failure.detail)
            )
        miss = FailedTry("connection lost after sending")
        return await self._missed(self.ledger.doubt, call, miss, failure.detail)

    def _refuse_end(self, reply: HttpReply) -> None:
        """Raises TeacherDown for what no other request would be spared."""
        status, body, wait_s = reply.status, reply.body, reply.retry_after_s
        said: dict[str, str] = {"got": body[:200]}
        if status == 429 and is_out_of_money(body):
            raise TeacherDown(
                "the teacher's account is used up", **said, fix=FIXES[402]
            )
        if status in TURNED_AWAY and wait_s > self.endpoint.patience_s:
            what = (
                f"the teacher asks to wait {wait_s:g} s, patience_s is "
                f"{self.endpoint.patience_s:g}"
            )
            raise TeacherDown(
                what, **said, fix="run the same command later, or raise patience_s"
            )
        if status not in REFUSED_REQUEST and not RETRIES.is_retryable(status):
            key = self.endpoint.key_env or "a variable named by key_env"
            fix = FIXES.get(status, "check `base_url`").format(key=key)
            raise TeacherDown(
                f"the teacher refuses: HTTP {status} from {self.endpoint.url}",
                **said,
                fix=fix,
            )

    async def _missed(
        self,
        outcome: Callable[[int, str], None],
        call: int,
        miss: FailedTry,
        detail: str = "",
    ) -> FailedTry:
        self._sent.discard(call)
        await self.group.run(
            outcome, call, f"{miss.reason}: {detail}" if detail else miss.reason
        )
        return miss

    async def _pause(self, failures: int, retry_after_s: float) -> None:
        """Wait before the next try. It ends early when everything stops."""
        await self._sleep(RETRIES.wait_s(failures, retry_after_s, self._jitter))

    async def _sleep(self, seconds: float) -> None:
        self.asleep += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(self.halt.event.wait(), seconds)
        self.asleep -= 1

    def _refuse_endless(self, miss: FailedTry) -> None:
        """Raises TeacherDown when the endpoint has answered nothing for longer than anyone should
        wait.
        """
        if time.monotonic() - self._last_heard > self.endpoint.patience_s:
            raise TeacherDown(
                f"the teacher has turned every call away for {self.endpoint.patience_s:g} s",
                got=miss.reason,
                fix=f"see that {self.endpoint.url} is up; the same command goes on from here",
            )


def read_refusal(reply: HttpReply) -> FailedTry:
    """A try that was answered with anything but 2xx."""
    status, wait_s = reply.status, reply.retry_after_s
    if status in REFUSED_REQUEST:
        return FailedTry(f"HTTP {status}: {reply.body[:200]}", "refused", final=True)
    away = status in TURNED_AWAY
    outcome: CallOutcome = "refused"
    if status == 429 or (status == 503 and wait_s > 0):
        outcome = "limited"
    elif status >= 500:
        outcome = "failed"
    return FailedTry(f"HTTP {status}", outcome, away, away, wait_s)


def explain_closed_pair(pair: Pair, role: str) -> Exception:
    """Why a pair that is closed can't ask for what the ledger has no answer to."""
    if pair.state == "failed":
        return Failed(pair.reason or "failed")
    fix = "restore the prompts, the model and its options, or begin another run"
    return InputsChanged(
        f"pair {pair.id} in the ledger was bought with another request",
        got=role,
        fix=fix,
    )


def is_out_of_money(body: str) -> bool:
    """A 429 that no waiting helps."""
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return False
    return code in OUT_OF_MONEY_CODES
