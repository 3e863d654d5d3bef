"""One endpoint, asked through the ledger: tries, and what each outcome means.

A **try** is sent when the limiter lets it in, the ledger holds its worst case, and that is on
disk. Its outcome is on disk before anyone sees it:

    a chat completion                answered, charged what it used
    429, 503, no connection          turned away unread: costs nothing
    other 5xx, 408, 409, 424, ...    failed: costs nothing
    400, 413, 422                    perhaps about this request only: costs nothing, not tried again
    401, 402                         the endpoint refuses all of us: TeacherDown
    403, 404, 451, ...               the same, unless the endpoint answers others: then as with 400
    timeout, reset, half an answer,
    504, 524                         in doubt: charged in full
    HTTP 200 with an error           as the status that the error names
    HTTP 200 with anything else      in doubt, and tried again

A call has `tries` tries. Being turned away by 429 or 503 is none of them: the call is sent again
as long as the endpoint has answered anything in the last `patience_s` seconds.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from types import TracebackType
from typing import NamedTuple, Self

from ..endpoints.endpoint import Endpoint
from ..endpoints.http_client import HttpClient, HttpFailure, HttpReply
from ..endpoints.rate_limits import CallOutcome, RateLimiter, RateLimits
from ..endpoints.replies import Completion, ReplyFailure, parse_completion
from ..endpoints.retries import RetryPolicy
from ..errors import (
    DiskError,
    InputsChanged,
    LedgerError,
    TeachbackError,
    TeacherDown,
)
from ..ledger.costs import Cost, Usage, believe_usage
from ..ledger.group_commit import GroupCommit
from ..ledger.ledger import Ledger
from ..ledger.pairs import Pair, RecordedAnswer
from .outcomes import (
    REFUSED_CLIENT,
    FailedTry,
    find_end_of_all,
    read_connection_failure,
    read_failed_answer,
    read_refusal,
)

RETRIES = RetryPolicy()
# Between two looks at a call that another arm has in flight.
POLL_S = 0.05


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
        reason = last_try.full_reason if last_try.is_final else last_try.reason
        super().__init__(f"{what}: {reason}")
        self.client = client
        self.last_try = last_try


@dataclass
class Halt:
    """Stops all clients after the first error: what is in flight ends, and nothing more is sent."""

    error: TeachbackError | None = None
    event: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list["Client"] = field(default_factory=list)

    def redact(self, text: str) -> str:
        """The text without the secrets of any endpoint."""
        for client in self.clients:
            text = client.redact(text)
        return text

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
        self._http = HttpClient(
            endpoint.request_limits, endpoint.read_key(), *endpoint.read_headers()
        )
        # Ids of the calls in flight.
        self._sent: set[int] = set()
        self._last_answer_at = time.monotonic()
        # Spreads retries over time. No data depends on it, so it needs no seed.
        self._jitter = Random()
        halt.clients.append(self)

    async def __aenter__(self) -> Self:
        # Before anything is charged: the environment may hold a proxy that can't be used.
        self._http.find_route(self.endpoint.url)
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, tb)

    def redact(self, text: str) -> str:
        """The text without the secrets that are sent to this endpoint."""
        return self._http.redact(text)

    def abandon(self) -> None:
        """After an interruption nobody will know what the calls in flight cost.

        Where the ledger can't be written, its next opening puts them in doubt.
        """
        if not self._sent:
            return
        with suppress(LedgerError, DiskError), self.ledger.group():
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
        first_turned_away_at = 0.0
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
                if n_turned_away == 1:
                    first_turned_away_at = time.monotonic()
                self._check_patience(reply, first_turned_away_at)
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
            return await self._record_refusal(call, reply)
        completion = parse_completion(reply.body)
        if completion.failure:
            return await self._record_refusal(call, reply, completion.failure)

        self._sent.discard(call)
        usage = await self.group.run(
            self.ledger.answer,
            call,
            reply.body,
            believe_usage(
                completion.usage,
                prompt_bytes=len(request) - self.endpoint.bytes_beside_prompt,
                answer_chars=len(completion.answer),
                thought_chars=len(completion.thought),
            ),
            latency_s,
            self.endpoint.price,
        )
        self.has_answered = True
        self._last_answer_at = time.monotonic()
        return BoughtAnswer(completion, usage)

    async def _record_failure(self, call: int, failure: HttpFailure) -> FailedTry:
        failed = read_connection_failure(failure)
        await self._end_call(call, failed)
        if failure.is_permanent:
            raise TeacherDown(
                f"the teacher can't be reached at {self.endpoint.url}",
                got=failure.detail,
                fix=failure.fix,
            )
        return failed

    async def _record_refusal(
        self, call: int, reply: HttpReply, failure: ReplyFailure | None = None
    ) -> FailedTry:
        """failure: what an HTTP 200 holds in place of an answer.

        Raises TeacherDown after a refusal that every other request would meet too.
        """
        failed = read_failed_answer(reply, failure) if failure else read_refusal(reply)
        await self._end_call(call, failed)
        if failure:
            reply = replace(reply, status=failure.status or 0)
        down = find_end_of_all(
            reply,
            failed,
            url=self.endpoint.url,
            key_env=self.endpoint.key_env,
            patience_s=self.endpoint.patience_s,
        )
        if down and not (failed.is_final and await self._is_own_fault(call, reply)):
            raise down
        return failed

    async def _is_own_fault(self, call: int, reply: HttpReply) -> bool:
        """Whether a refusal such as 403 may be about this request, and not about all.

        An endpoint that has answered others refuses this one. Those in flight are waited for. One
        that has refused the same request at an earlier start may answer others, so they are
        asked before it counts as down.
        """
        if reply.status in REFUSED_CLIENT:
            return False
        if not self.has_answered and await self.group.run(
            self.ledger.was_refused_before, call
        ):
            return True
        others = set(self._sent)
        while not (self.has_answered or self.halt.error) and others & self._sent:
            await self._sleep(POLL_S)
        return self.has_answered

    async def _end_call(self, call: int, failed: FailedTry) -> None:
        self._sent.discard(call)
        end = self.ledger.doubt if failed.is_in_doubt else self.ledger.refuse
        await self.group.run(end, call, failed.full_reason)

    def _check_patience(self, failed: FailedTry, since: float) -> None:
        """Raises TeacherDown when the endpoint has answered nothing for too long.

        since: when this call was first turned away. One that has just been let in after a long
        Retry-After says nothing yet.
        """
        patience_s = self.endpoint.patience_s
        if time.monotonic() - max(self._last_answer_at, since) > patience_s:
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
