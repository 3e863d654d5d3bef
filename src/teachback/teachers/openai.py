"""A teacher behind any endpoint that speaks OpenAI's chat-completions format: a hosted API, vLLM, llama.cpp.

For each selected seed two calls are bought through the ledger, a new question and then its answer: one pair.

**Is it the pair or the teacher?** A call turned away or lost is tried again. A pair whose tries are used up *waits*.
- The next bought answer to any pair shows that the teacher is up: the waiting pairs fail, each a draft with a reason.
- `TeacherDown` is raised, and the waiting pairs stay open, so that the same command asks them again: when
  max(3, in_flight) pairs wait; or, with nothing left in flight, when one of them was turned away unread (no
  connection, 429, 503), or when 3 or more wait and the picks have no answer at all, not even from earlier.
- Otherwise those still waiting when nothing is in flight fail.
A refusal that may be about one request (400, 413, 422) is not tried again; its pair waits in the same way. Any other
(401, 403, 404, ...) raises `TeacherDown` at once. What is in flight by then is let finish, because it is paid for.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from ..errors import ConfigError, InputsChanged, TeachbackError, TeacherDown
from ..group_commit import GroupCommit
from ..ledger import Answer, Ledger, Pair
from ..types import Draft, Example, Pick
from .chat import (
    Endpoint,
    Prompts,
    Role,
    Unusable,
    ask_answer,
    ask_question,
    load_prompts,
    price,
    read_question,
    read_text,
    read_usage,
)

__all__ = ["Endpoint", "Prompts", "generate", "load_prompts", "price"]

if TYPE_CHECKING:
    import aiohttp

BACKOFF_S, BACKOFF_CAP_S = 0.5, 60.0
AGAIN = frozenset({408, 409, 425, 429})  # and every 5xx
UNREAD = frozenset({429, 503})
THIS_ONE = frozenset({400, 413, 422})  # perhaps this request only: too long, or held back by a content filter
FIXES = {
    401: "put a valid key into {key}",
    403: "give the key in {key} access to this model",
    404: "check `base_url` (it ends before /chat/completions) and `model`",
}


def generate(
    picks: Sequence[Pick],
    seeds: Mapping[str, Example],
    *,
    round: int,
    ledger: Ledger,
    endpoint: Endpoint,
    prompts: Prompts,
) -> tuple[Draft, ...]:
    """One draft for each pick, in the order of the picks; picks that the budget could not pay are left out.

    seeds: by id. A draft's calls are the calls that were answered. The same call again on the same ledger buys
    nothing twice. Raises ConfigError (no key), TeacherDown (see the module's text) and InputsChanged (a pair was
    bought with another request).
    """
    if len({(pick.seed, pick.n) for pick in picks}) < len(picks):
        raise ValueError("a seed was picked twice for the same row")
    return asyncio.run(_generate(picks, seeds, round, ledger, endpoint, prompts, _key(endpoint)))


async def _generate(
    picks: Sequence[Pick],
    seeds: Mapping[str, Example],
    round: int,
    ledger: Ledger,
    endpoint: Endpoint,
    prompts: Prompts,
    key: str | None,
) -> tuple[Draft, ...]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=endpoint.deadline_s, sock_connect=min(endpoint.deadline_s, 30))
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    sent: set[int] = set()
    try:
        # Servers drop idle connections (vLLM after 5 s). A request that meets one as it closes would be in doubt,
        # and charged: better to open a new one after 2 s.
        connector = aiohttp.TCPConnector(limit=endpoint.in_flight, keepalive_timeout=2)
        session = aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers)
        async with session, GroupCommit(ledger) as group:
            buyer = _Buyer(ledger, group, session, endpoint, prompts, key, sent)
            return await buyer.buy_all(picks, seeds, round)
    finally:
        with ledger.group():
            for call in sent:  # interrupted: what these calls cost will not be known
                ledger.doubt(call, "interrupted")


@dataclass(frozen=True)
class _Miss:
    """A try without an answer. unread: turned away before the teacher read it. wait_s: what Retry-After asked for.
    final: the same request would be refused again."""

    reason: str
    unread: bool = False
    wait_s: float = 0.0
    final: bool = False


@dataclass(frozen=True)
class _Waiting:
    place: int
    pair: Pair
    draft: Draft
    miss: _Miss


class _Failed(Exception):
    """A pair that will get no answer; the text is the draft's reason."""


class _Unanswered(Exception):
    """A call whose tries are used up."""

    def __init__(self, miss: _Miss) -> None:
        super().__init__(miss.reason)
        self.miss = miss


class _Stopped(Exception):
    """Nothing more is sent, because of an error in another pair."""


@dataclass
class _Buyer:
    """The state of one call of `generate`.

    sent: calls without an outcome. drafts: by place in the selection. heard: the teacher answered, now or in an
    earlier call that the ledger served. error: the first one, raised when all in flight is done.
    """

    ledger: Ledger
    group: GroupCommit
    session: "aiohttp.ClientSession"
    endpoint: Endpoint
    prompts: Prompts
    key: str | None
    sent: set[int]
    drafts: dict[int, Draft] = field(default_factory=dict)
    waiting: list[_Waiting] = field(default_factory=list)
    heard: bool = False
    error: TeachbackError | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    jitter: Random = field(default_factory=Random)  # spreads retries over time: no data depends on it

    async def buy_all(self, picks: Sequence[Pick], seeds: Mapping[str, Example], round: int) -> tuple[Draft, ...]:
        """A sliding window of pairs, reserved in the order of the picks (rule L2)."""
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            for place, pick in enumerate(picks):
                while running and len(running) >= min(self.endpoint.in_flight, self.most_waiting - len(self.waiting)):
                    _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                seed = seeds[pick.seed]
                worst = price(seed, pick.n, self.endpoint, self.prompts)
                pair = await self.reserve(pick, round, worst)
                if pair is None:
                    # Whether the head of the queue fits must not depend on who came back first: it is asked once
                    # more when everything before it has settled, and then nothing behind it is asked at all.
                    await self.quiet(running)
                    running = set()
                    pair = await self.reserve(pick, round, worst)
                if pair is None:
                    break
                running.add(tasks.create_task(self.buy(place, seed, pick.n, pair)))
            await self.quiet(running)
        if self.error:
            raise self.error
        return tuple(self.drafts[place] for place in sorted(self.drafts))

    async def reserve(self, pick: Pick, round: int, worst: int) -> Pair | None:
        if self.error:
            return None
        try:
            return await self.group.run(self.ledger.reserve, pick.seed, pick.n, round, worst)
        except TeachbackError as error:  # to be raised as it is, not in the task group's envelope
            self.stop(error)
            return None

    async def buy(self, place: int, seed: Example, n: int, pair: Pair) -> None:
        """One pair, from its question to its draft."""
        draft = Draft(seed.id, n, self.prompts.sha256)
        try:
            request = ask_question(seed, n, self.endpoint, self.prompts)
            answer = await self.ask(pair, "question", request)
            draft = replace(draft, calls=(sha256(request).hexdigest(),))
            question = read_question(answer.body, self.endpoint.question_bytes)
            draft = replace(draft, question=question)
            request = ask_answer(question, self.endpoint, self.prompts)
            answer = await self.ask(pair, "answer", request)
            draft = replace(draft, calls=(*draft.calls, sha256(request).hexdigest()))
            draft = replace(draft, text=read_text(answer.body))
        except Unusable as unusable:
            await self.settle(place, pair, replace(draft, reason=str(unusable)))
        except _Failed as failed:
            await self.fail(place, pair, replace(draft, reason=str(failed)))
        except _Unanswered as unanswered:
            tries = "refused" if unanswered.miss.final else f"no answer in {self.endpoint.tries} tries"
            reason = f"{tries}: {unanswered}"
            self.wait(_Waiting(place, pair, replace(draft, reason=reason), unanswered.miss))
        except _Stopped:
            pass
        except TeachbackError as error:
            self.stop(error)
        else:
            await self.settle(place, pair, draft)

    async def ask(self, pair: Pair, role: Role, request: bytes) -> Answer:
        """The answer to one call: the ledger's if it has one, else bought in `tries` tries."""
        known = await self.group.run(self.ledger.answered, pair, role, request)
        if known is not None:
            self.heard = True
            return known
        if pair.state == "failed":
            raise _Failed(pair.reason or "failed")
        if pair.state == "settled":
            fix = "restore the prompts, the model and its options, or begin another run"
            raise InputsChanged(f"pair {pair.id} in the ledger was bought with another request", got=role, fix=fix)
        miss = _Miss("not tried")
        for tried in range(self.endpoint.tries):
            if tried:
                await self.pause(tried, miss.wait_s)
            if self.error:
                raise _Stopped
            call = await self.group.run(self.send, pair, role, request)
            if call is None:
                raise _Failed("budget closed before a retry" if tried else f"budget closed before the {role}")
            reply = await self.post(call, request)
            if isinstance(reply, Answer):
                return reply
            miss = reply
            if miss.final:
                break
        raise _Unanswered(miss)

    def send(self, pair: Pair, role: Role, request: bytes) -> int | None:
        """Runs in the ledger's thread, and notes the call there: whoever asked may be cancelled meanwhile."""
        call = self.ledger.send(pair, role, request, self.endpoint.worst(role, request))
        if call is not None:
            self.sent.add(call)
        return call

    async def post(self, call: int, request: bytes) -> Answer | _Miss:
        """One try, its outcome in the ledger before it is returned."""
        import aiohttp

        start = time.monotonic()
        try:
            async with self.session.post(self.endpoint.url, data=request, allow_redirects=False) as response:
                status, retry_after = response.status, response.headers.get("Retry-After", "")
                body = self.redact((await response.read()).decode("utf-8", "replace"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return await self.missed(self.ledger.refuse, call, _Miss("no connection", unread=True), str(error))
        except TimeoutError:
            return await self.missed(self.ledger.doubt, call, _Miss(f"nothing within {self.endpoint.deadline_s:g} s"))
        except (aiohttp.ClientError, OSError) as error:
            return await self.missed(self.ledger.doubt, call, _Miss("connection lost after sending"), repr(error))
        latency_s = time.monotonic() - start
        if 200 <= status < 300:
            self.sent.discard(call)
            usage = await self.group.run(self.ledger.answer, call, body, read_usage(body), latency_s)
            await self.up()
            return Answer(call, body, usage)
        wait_s = float(retry_after) if retry_after.isdecimal() else 0.0
        miss = _Miss(f"HTTP {status}", status in UNREAD, wait_s)
        await self.missed(self.ledger.refuse, call, miss, body[:200])
        if status in THIS_ONE:
            return replace(miss, reason=f"{miss.reason}: {body[:200]}", final=True)
        if status in AGAIN or status >= 500:
            return miss
        fix = FIXES.get(status, "check `base_url`").format(key=self.endpoint.key_env or "a variable named by key_env")
        raise TeacherDown(f"the teacher refuses: HTTP {status} from {self.endpoint.url}", got=body[:200], fix=fix)

    async def missed(self, outcome: Callable[[int, str], None], call: int, miss: _Miss, detail: str = "") -> _Miss:
        self.sent.discard(call)
        await self.group.run(outcome, call, f"{miss.reason}: {detail}" if detail else miss.reason)
        return miss

    async def pause(self, tried: int, wait_s: float) -> None:
        """Full jitter on top of what the server asked for, in seconds; ends early when everything stops."""
        delay = min(wait_s, BACKOFF_CAP_S) + self.jitter.uniform(0, min(BACKOFF_CAP_S, BACKOFF_S * 2**tried))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopped.wait(), delay)

    async def quiet(self, running: set[asyncio.Task[None]]) -> None:
        """Waits for all in flight, then decides about the pairs that wait for a sign of the teacher."""
        if running:
            await asyncio.wait(running)
        unread = any(one.miss.unread for one in self.waiting)
        if unread or (len(self.waiting) >= 3 and not self.heard):
            self.stop(self.silence())
        await self.fail_waiting()

    def wait(self, one: _Waiting) -> None:
        self.waiting.append(one)
        if len(self.waiting) >= self.most_waiting:
            self.stop(self.silence())

    @property
    def most_waiting(self) -> int:
        """Pairs that may stay without an answer. Those that wait keep their place, so no more than these are begun."""
        return max(3, self.endpoint.in_flight)

    async def up(self) -> None:
        self.heard = True
        await self.fail_waiting()

    async def fail_waiting(self) -> None:
        if self.error:  # they stay open
            return
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            await self.fail(one.place, one.pair, one.draft)

    async def settle(self, place: int, pair: Pair, draft: Draft) -> None:
        if pair.state == "open":
            await self.group.run(self.ledger.settle, pair)
        self.drafts[place] = draft

    async def fail(self, place: int, pair: Pair, draft: Draft) -> None:
        if pair.state == "open":
            await self.group.run(self.ledger.fail, pair, draft.reason or "failed")
        self.drafts[place] = draft

    def stop(self, error: TeachbackError) -> None:
        self.error = self.error or error
        self.stopped.set()

    def silence(self) -> TeacherDown:
        return TeacherDown(
            f"the teacher gave no answer to the last {len(self.waiting)} pairs, {self.endpoint.tries} tries at most",
            got=self.waiting[-1].miss.reason,
            fix=f"see that {self.endpoint.url} is up and takes `model`, `options` and `cap_field` as they are; "
            "the same command asks these pairs again",
        )

    def redact(self, body: str) -> str:
        """Some servers repeat the key that they refuse. Short values are placeholders of local servers ("EMPTY")."""
        return body.replace(self.key, "[key]") if self.key and len(self.key) >= 8 else body


def _key(endpoint: Endpoint) -> str | None:
    if endpoint.key_env is None:
        return None
    key = os.environ.get(endpoint.key_env, "").strip()
    if not key or not key.isprintable():
        raise ConfigError(
            f"the teacher's key is not in the environment variable {endpoint.key_env}",
            fix=f"export {endpoint.key_env}=..., or key_env: null for an endpoint without a key",
        )
    return key
