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
# Between two looks at a call that another arm has in flight.
POLL_S = 0.05
TURNED_AWAY = frozenset({429, 503})
# Perhaps about this request only: it is too long, or a content filter holds it back.
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
    is_unread: bool = False
    # By 429 or 503, which is no try.
    is_turned_away: bool = False
    # What Retry-After asked for.
    wait_s: float = 0.0
    # The same request would be refused again.
    is_final: bool = False


class BoughtAnswer(NamedTuple):
    """A call's answer, which the ledger has."""

    completion: Completion
    usage: Usage


class InFlightElsewhere:
    """A call that another arm's process has in flight."""


class OrderFailed(Exception):
    """An order that will get no answer. The text is the reason that its result gets."""


class NothingSent(Exception):
    """Nothing more is sent, because of an error somewhere else."""


class Unanswered(Exception):
    """A call whose tries are used up. Either this call is at fault, or the endpoint is down."""

    def __init__(self, client: "Client", last_try: FailedTry) -> None:
        what = f"no answer in {client.endpoint.tries} tries"
        if last_try.is_final:
            what = "refused"
        super().__init__(f"{what}: {last_try.reason}")
        self.client = client
        self.last_try = last_try


@dataclass
class Halt:
    """Stops all clients after the first error: what is in flight ends, and nothing more is sent."""

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

    An endpoint has one client at a time, because all calls share its limits.
    """

    def __init__(
        self, endpoint: Endpoint, ledger: Ledger, group: GroupCommit, halt: Halt
    ) -> None:
        self.endpoint = endpoint
        self.ledger = ledger
        self.group = group
        self.halt = halt
        limits = RateLimits(
            endpoint.in_flight, endpoint.requests_per_minute, endpoint.tokens_per_minute
        )
        self.limiter = RateLimiter(limits)
        # Now, or in an earlier call that the ledger served.
        self.has_answered = False
        # Calls that wait to be tried again.
        self.n_asleep = 0
        self._key = endpoint.read_key()
        # Ids of the calls in flight.
        self._sent: set[int] = set()
        self._last_answer_at = time.monotonic()
        # Spreads retries over time. No data depends on it, so it needs no seed.
        self._jitter = Random()
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
        """After an interruption nobody will know what the calls in flight cost."""
        with self.ledger.group():
            for call in self._sent:
                self.ledger.doubt(call, "interrupted")

    async def ask(
        self, pair: Pair, role: str, request: bytes, max_tokens: int
    ) -> Completion:
        """Buy one answer.

        Raises OrderFailed (no budget), Unanswered, NothingSent and TeacherDown.
        """
        if pair.state != "open":
            raise explain_closed_pair(pair, role)
        worst_cost = self.endpoint.worst_cost(request, max_tokens)
        n_failed = n_turned_away = 0
        while True:
            is_first = n_failed + n_turned_away == 0
            reply = await self._try(pair, role, request, worst_cost, is_first)
            if reply is None:
                await self._sleep(POLL_S)
                continue
            if isinstance(reply, RecordedAnswer):
                return parse_completion(reply.body)
            if isinstance(reply, BoughtAnswer):
                return reply.completion

            if reply.is_turned_away:
                n_turned_away += 1
                self._check_patience(reply)
            else:
                n_failed += 1
                if reply.is_final or n_failed >= self.endpoint.tries:
                    raise Unanswered(self, reply)
            # After "limited" the limiter itself holds all calls back for as long as was asked.
            wait_s = 0.0 if reply.outcome == "limited" else reply.wait_s
            await self._pause(n_failed + n_turned_away, wait_s)

    async def _try(
        self, pair: Pair, role: str, request: bytes, worst_cost: Cost, is_first: bool
    ) -> BoughtAnswer | RecordedAnswer | FailedTry | None:
        """None: another arm has the same call in flight, in another process, and its answer will
        be ours.
        """
        ticket = await self.limiter.enter(worst_cost.tokens)
        # What the limiter learns of the try. This is the case where nothing was sent.
        outcome: CallOutcome = "refused"
        wait_s, unused_tokens = 0.0, 0
        try:
            if self.halt.error:
                raise NothingSent
            call = await self.group.run(
                self._charge_call, pair, role, request, worst_cost
            )
            if call is None:
                before = f"the {role}" if is_first else "a retry"
                raise OrderFailed(f"budget closed before {before}")
            if not isinstance(call, int):
                unused_tokens = worst_cost.tokens
                return call if isinstance(call, RecordedAnswer) else None

            reply = await self._post(call, request)
            if isinstance(reply, BoughtAnswer):
                outcome = "answered"
                unused_tokens = max(0, worst_cost.tokens - reply.usage.total)
            else:
                outcome, wait_s = reply.outcome, reply.wait_s
                unused_tokens = worst_cost.tokens if reply.is_unread else 0
            return reply
        finally:
            self.limiter.leave(
                ticket, outcome, retry_after_s=wait_s, unused_tokens=unused_tokens
            )

    def _charge_call(
        self, pair: Pair, role: str, request: bytes, worst: Cost
    ) -> int | RecordedAnswer | InFlightElsewhere | None:
        """Runs in the ledger's thread. The call is noted here, because the task that asked may be
        cancelled meanwhile.
        """
        if self.ledger.shared:
            # Another arm may have sent the call since the ledger was looked at.
            known = self.ledger.find_answer(pair, role, request)
            if known:
                return known
            if self.ledger.is_in_flight_elsewhere(pair, role, request):
                return InFlightElsewhere()
        call = self.ledger.charge_call(pair, role, request, worst)
        if call is not None:
            self._sent.add(call)
        return call

    async def _post(self, call: int, request: bytes) -> BoughtAnswer | FailedTry:
        """One try. Its outcome is in the ledger before it is returned."""
        started_at = time.monotonic()
        reply = await self._http.post(self.endpoint.url, request)
        latency_s = time.monotonic() - started_at
        if isinstance(reply, HttpFailure):
            return await self._record_failure(call, reply)
        if not reply.is_success:
            refusal = read_refusal(reply)
            await self._end_call(self.ledger.refuse, call, refusal, reply.body[:200])
            self._check_endpoint(reply)
            return refusal

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
        self.has_answered = True
        self._last_answer_at = time.monotonic()
        return BoughtAnswer(completion, usage)

    async def _record_failure(self, call: int, failure: HttpFailure) -> FailedTry:
        """A connection that never stood costs nothing. Any other failure leaves the cost in
        doubt.
        """
        if failure.kind == "no connection":
            failed = FailedTry("no connection", is_unread=True)
            return await self._end_call(
                self.ledger.refuse, call, failed, failure.detail
            )
        if failure.kind == "timeout":
            failed = FailedTry(failure.detail)
            return await self._end_call(self.ledger.doubt, call, failed)
        failed = FailedTry("connection lost after sending")
        return await self._end_call(self.ledger.doubt, call, failed, failure.detail)

    async def _end_call(
        self,
        end: Callable[[int, str], None],
        call: int,
        failed: FailedTry,
        detail: str = "",
    ) -> FailedTry:
        """end: how the ledger ends the call, `refuse` or `doubt`."""
        self._sent.discard(call)
        reason = f"{failed.reason}: {detail}" if detail else failed.reason
        await self.group.run(end, call, reason)
        return failed

    def _check_endpoint(self, reply: HttpReply) -> None:
        """Raises TeacherDown after a refusal that every other request would meet too."""
        status, body, wait_s = reply.status, reply.body, reply.retry_after_s
        patience_s = self.endpoint.patience_s
        if status == 429 and is_out_of_money(body):
            raise TeacherDown(
                "the teacher's account is used up", got=body[:200], fix=FIXES[402]
            )
        if status in TURNED_AWAY and wait_s > patience_s:
            raise TeacherDown(
                f"the teacher asks to wait {wait_s:g} s, patience_s is {patience_s:g}",
                got=body[:200],
                fix="run the same command later, or raise patience_s",
            )
        if status not in REFUSED_REQUEST and not RETRIES.is_retryable(status):
            key = self.endpoint.key_env or "a variable named by key_env"
            raise TeacherDown(
                f"the teacher refuses: HTTP {status} from {self.endpoint.url}",
                got=body[:200],
                fix=FIXES.get(status, "check `base_url`").format(key=key),
            )

    def _check_patience(self, failed: FailedTry) -> None:
        """Raises TeacherDown when the endpoint has answered nothing for too long."""
        patience_s = self.endpoint.patience_s
        if time.monotonic() - self._last_answer_at > patience_s:
            raise TeacherDown(
                f"the teacher has turned every call away for {patience_s:g} s",
                got=failed.reason,
                fix=f"see that {self.endpoint.url} is up; the same command goes on from here",
            )

    async def _pause(self, failures: int, retry_after_s: float) -> None:
        """Wait before the next try. It ends early when everything stops."""
        await self._sleep(RETRIES.wait_s(failures, retry_after_s, self._jitter))

    async def _sleep(self, seconds: float) -> None:
        self.n_asleep += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(self.halt.event.wait(), seconds)
        self.n_asleep -= 1


def read_refusal(reply: HttpReply) -> FailedTry:
    """The failed try, from a reply with any status but 2xx."""
    status, wait_s = reply.status, reply.retry_after_s
    if status in REFUSED_REQUEST:
        return FailedTry(f"HTTP {status}: {reply.body[:200]}", "refused", is_final=True)
    is_turned_away = status in TURNED_AWAY
    outcome: CallOutcome = "refused"
    if status == 429 or (status == 503 and wait_s > 0):
        outcome = "limited"
    elif status >= 500:
        outcome = "failed"
    return FailedTry(
        f"HTTP {status}",
        outcome,
        is_unread=is_turned_away,
        is_turned_away=is_turned_away,
        wait_s=wait_s,
    )


def explain_closed_pair(pair: Pair, role: str) -> Exception:
    """Why a pair that is closed can't ask for what the ledger has no answer to."""
    if pair.state == "failed":
        return OrderFailed(pair.reason or "failed")
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
