"""A teacher behind any endpoint that speaks OpenAI's chat-completions format: a hosted API, vLLM, llama.cpp, Ollama.

For each selected seed one *pair* is bought through the ledger: a new question and then its answer, or both in one call;
where asked, more answers (votes) and the answer of a second model (the verifier).

**Is it the pair or the endpoint?** A pair whose call got no answer in its tries *waits*.
- The next bought answer of that endpoint shows that it is up: the waiting pairs fail, each a draft with a reason.
- `TeacherDown` is raised, and the waiting pairs stay open, so that the same command asks them again: when
  max(3, in_flight) pairs wait; or, with nothing left in flight, when one of them was turned away unread, or when 3 or
  more wait and the picks have no answer at all, not even from earlier.
- Otherwise those still waiting when nothing is in flight fail.
What is in flight when an error stops everything is let finish, because it is paid for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

from ..costs import Cost
from ..errors import TeachbackError, TeacherDown
from ..group_commit import GroupCommit
from ..ledger import Answer, Ledger, Pair
from ..types import Draft, Example, Pick
from .client import Client, Failed, Halt, Stopped, Unanswered
from .endpoint import Endpoint, to_json
from .prompts import Prompts
from .reading import Completion, Unusable, read

QUESTION_BYTES_A_TOKEN = 8
ATTEMPT_BYTES = 4000  # more of a student's attempt is not shown


@dataclass(frozen=True)
class Asking:
    """What a pair is made of. votes: answers to each question. thinking: a reasoning model's thinking is part of the
    text. verifier: a second model that answers each question too."""

    endpoint: Endpoint
    prompts: Prompts
    max_tokens_question: int
    max_tokens_answer: int
    votes: int = 1
    thinking: bool = False
    verifier: Endpoint | None = None
    max_tokens_verifier: int = 0

    @property
    def question_bytes(self) -> int:
        """The longest question that is let through, in bytes as it stands in a request."""
        return QUESTION_BYTES_A_TOKEN * self.max_tokens_question

    @property
    def first_cap(self) -> int:
        return self.max_tokens_question + (self.max_tokens_answer if self.prompts.calls == 1 else 0)

    def first(self, question: str, n: int, attempt: str | None) -> bytes:
        return self.endpoint.request(self.prompts.ask(question, n, attempt), self.first_cap)

    def answer(self, question: str) -> bytes:
        return self.endpoint.request(self.prompts.solve(question), self.max_tokens_answer)

    def second(self, question: str) -> bytes:
        assert self.verifier is not None
        return self.verifier.request(self.prompts.solve(question), self.max_tokens_verifier)

    @property
    def answers(self) -> list[str]:
        """The roles of the calls that answer a question, as the ledger has them."""
        more = [f"answer-{vote}" for vote in range(2, self.votes + 1)]
        return more if self.prompts.calls == 1 else ["answer", *more]


def price(seed: Example, n: int, asking: Asking, attempt: str | None = None) -> Cost:
    """The most that the n-th pair of a seed can cost, its tries in doubt left out: it is reserved as one unit, before
    its question is known, so the longest that is let through stands for it."""
    first = asking.first(seed.question, n, attempt)
    worst, longest = asking.endpoint.worst(first, asking.first_cap), "x" * asking.question_bytes
    if asking.answers:
        one = asking.endpoint.worst(asking.answer(longest), asking.max_tokens_answer)
        worst = sum([one] * len(asking.answers), worst)
    if asking.verifier is not None:
        worst += asking.verifier.worst(asking.second(longest), asking.max_tokens_verifier)
    return worst


def shown(attempt: str) -> str:
    """A student's attempt, cut to what a request may hold of it."""
    while len(to_json(attempt)) - 2 > ATTEMPT_BYTES:
        attempt = attempt[: len(attempt) * ATTEMPT_BYTES // len(to_json(attempt))]
    return attempt


def generate(
    picks: Sequence[Pick],
    seeds: Mapping[str, Example],
    *,
    round: int,
    ledger: Ledger,
    asking: Asking,
    attempts: Mapping[str, str] | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Draft, ...]:
    """One draft for each pick, in the order of the picks; picks that the budget could not pay are left out.

    seeds: by id. attempts: the student's wrong answers, by seed, for the teacher to see. A draft's calls are those that
    were answered. The same call again on the same ledger buys nothing twice. tell(done, total): after each draft.
    Raises ConfigError (no key), TeacherDown (see the module's text, and client.py's) and InputsChanged (a pair was
    bought with another request).
    """
    if len({(pick.seed, pick.n) for pick in picks}) < len(picks):
        raise ValueError("a seed was picked twice for the same row")
    return asyncio.run(_generate(picks, seeds, round, ledger, asking, attempts or {}, tell))


async def _generate(
    picks: Sequence[Pick],
    seeds: Mapping[str, Example],
    round: int,
    ledger: Ledger,
    asking: Asking,
    attempts: Mapping[str, str],
    tell: Callable[[int, int], None],
) -> tuple[Draft, ...]:
    async with clients(ledger, *([asking.endpoint, asking.verifier] if asking.verifier else [asking.endpoint])) as (
        group,
        halt,
    ):
        buyer = _Buyer(ledger, group, halt, asking, attempts, lambda: tell(len(buyer.drafts), len(picks)))
        return await buyer.buy_all(picks, seeds, round)


@asynccontextmanager
async def clients(ledger: Ledger, *endpoints: Endpoint) -> AsyncIterator[tuple[GroupCommit, Halt]]:
    """A client for each endpoint, in halt.clients. Interrupted, their calls without an outcome are in doubt."""
    halt = Halt()
    try:
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(GroupCommit(ledger))
            for endpoint in endpoints:
                await stack.enter_async_context(Client(endpoint, ledger, group, halt))
            yield group, halt
    finally:
        for client in halt.clients:
            client.abandon()


@dataclass(frozen=True)
class _Waiting:
    place: int
    pair: Pair
    draft: Draft
    why: Unanswered


@dataclass
class _Buyer:
    """The state of one call of `generate`. drafts: by place in the selection."""

    ledger: Ledger
    group: GroupCommit
    halt: Halt
    asking: Asking
    attempts: Mapping[str, str]
    tell: Callable[[], None]
    drafts: dict[int, Draft] = field(default_factory=dict)
    waiting: list[_Waiting] = field(default_factory=list)

    @property
    def teacher(self) -> Client:
        return self.halt.clients[0]

    @property
    def verifier(self) -> Client:
        return self.halt.clients[1]

    async def buy_all(self, picks: Sequence[Pick], seeds: Mapping[str, Example], round: int) -> tuple[Draft, ...]:
        """A sliding window of pairs, reserved in the order of the picks (rule L2)."""
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            for place, pick in enumerate(picks):
                while running and not self.room(len(running)):
                    _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                seed, attempt = seeds[pick.seed], self.attempts.get(pick.seed)
                first = self.asking.first(seed.question, pick.n, attempt)
                worst = price(seed, pick.n, self.asking, attempt)
                found = await self.reserve(pick, round, worst, first)
                if found is None:
                    # Whether the head of the queue fits must not depend on who came back first: it is asked once
                    # more when everything before it has settled, and then nothing behind it is asked at all.
                    await self.quiet(running)
                    running = set()
                    found = await self.reserve(pick, round, worst, first)
                if found is None:
                    break
                running.add(tasks.create_task(self.buy(place, seed, pick.n, first, *found)))
            await self.quiet(running)
        if self.halt.error:
            raise self.halt.error
        return tuple(self.drafts[place] for place in sorted(self.drafts))

    def room(self, running: int) -> bool:
        """For one more pair. Those that wait keep their place; those asleep lend it while the endpoint answers."""
        most = self.teacher.endpoint.in_flight
        lent = min(most, self.teacher.asleep) if self.teacher.heard else 0
        return running < min(most, self.most_waiting - len(self.waiting)) + lent

    async def reserve(self, pick: Pick, round: int, worst: Cost, first: bytes) -> tuple[Pair, Answer | None] | None:
        """The pair, and the answer to its first call if the ledger has it."""

        def both() -> tuple[Pair, Answer | None] | None:
            pair = self.ledger.reserve(pick.seed, pick.n, round, worst)
            return (pair, self.ledger.answered(pair, self.first_role, first)) if pair else None

        if self.halt.error:
            return None
        try:
            return await self.group.run(both)
        except TeachbackError as error:  # to be raised as it is, not in the task group's envelope
            self.halt.now(error)
            return None

    @property
    def first_role(self) -> str:
        return "question" if self.asking.prompts.calls == 2 else "pair"

    async def buy(self, place: int, seed: Example, n: int, first: bytes, pair: Pair, known: Answer | None) -> None:
        """One pair, from its first call to its draft."""
        draft = Draft(seed.id, n, self.asking.prompts.sha256)
        # What was bought now has no answers that follow from it: the ledger needn't be asked for them
        look = known is not None
        try:
            draft = await self.question(pair, draft, first, known)
            if draft.reason is None:
                draft = await self.answers(pair, draft, look)
            if draft.reason is None and self.asking.verifier is not None:
                draft = await self.second(pair, draft, look)
        except Failed as failed:
            await self.fail(place, pair, replace(draft, reason=str(failed)))
        except Unanswered as unanswered:
            self.wait(_Waiting(place, pair, replace(draft, reason=str(unanswered)), unanswered))
        except Stopped:
            pass
        except TeachbackError as error:
            self.halt.now(error)
        else:
            if pair.state == "open":
                await self.group.run(self.ledger.settle, pair)
            self.done(place, draft)

    async def question(self, pair: Pair, draft: Draft, request: bytes, known: Answer | None) -> Draft:
        """The draft with its question; with `calls: 1`, with its text too."""
        asking = self.asking
        completion = await self.ask(self.teacher, pair, self.first_role, request, asking.first_cap, known)
        draft = paid(draft, request)
        try:
            if asking.prompts.calls == 2:
                return replace(draft, question=completion.question(asking.question_bytes))
            question, text = completion.pair(asking.question_bytes, thinking=asking.thinking)
            return replace(draft, question=question, text=text)
        except Unusable as unusable:
            return replace(draft, reason=str(unusable))

    async def answers(self, pair: Pair, draft: Draft, look: bool) -> Draft:
        """The draft with the first usable answer as its text; with votes, all of them beside it (None: not usable)."""
        assert draft.question is not None
        asking, texts, reasons = self.asking, [draft.text] if draft.text else [], list[str]()
        request = asking.answer(draft.question) if asking.answers else b""
        cap = asking.max_tokens_answer
        asked = [self.ask(self.teacher, pair, role, request, cap, look=look) for role in asking.answers]
        for came in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(came, BaseException):
                raise came
            draft = paid(draft, request)
            try:
                texts.append(came.text(thinking=asking.thinking))
            except Unusable as unusable:
                reasons.append(str(unusable))
        if not texts:
            return replace(draft, reason=reasons[0])
        return replace(draft, text=texts[0], votes=(*texts, *[None] * len(reasons)) if asking.votes > 1 else ())

    async def second(self, pair: Pair, draft: Draft, look: bool) -> Draft:
        """The draft with the verifier's answer; without one that can be used, with a reason."""
        assert draft.question is not None
        request, cap = self.asking.second(draft.question), self.asking.max_tokens_verifier
        completion = await self.ask(self.verifier, pair, "verifier", request, cap, look=look)
        draft = paid(draft, request)
        try:
            return replace(draft, second=completion.text())
        except Unusable as unusable:
            return replace(draft, reason=f"the verifier: {unusable}")

    async def ask(
        self,
        client: Client,
        pair: Pair,
        role: str,
        request: bytes,
        cap: int,
        known: Answer | None = None,
        look: bool = False,
    ) -> Completion:
        """The answer to one call: the ledger's if it has one, else bought."""
        if look:
            known = await self.group.run(self.ledger.answered, pair, role, request)
        if known is None:
            known = await client.ask(pair, role, request, cap)
            await self.up(client)
        client.heard = True
        return read(known.body)

    async def up(self, client: Client) -> None:
        """The endpoint has answered: what waits for a sign of it has failed on its own."""
        if self.waiting and not self.halt.error:
            gone = [one for one in self.waiting if one.why.client is client]
            self.waiting = [one for one in self.waiting if one.why.client is not client]
            for one in gone:
                await self.fail(one.place, one.pair, one.draft)

    async def quiet(self, running: set[asyncio.Task[None]]) -> None:
        """Waits for all in flight, then decides about the pairs that wait for a sign of their endpoint."""
        if running:
            await asyncio.wait(running)
        for client in self.halt.clients:
            mine = [one for one in self.waiting if one.why.client is client]
            if any(one.why.miss.unread for one in mine) or (len(mine) >= 3 and not client.heard):
                self.halt.now(self.silence(client, mine))
            await self.up(client)

    def wait(self, one: _Waiting) -> None:
        self.waiting.append(one)
        if len(self.waiting) >= self.most_waiting:
            self.halt.now(self.silence(one.why.client, self.waiting))

    @property
    def most_waiting(self) -> int:
        """Pairs that may stay without an answer."""
        return max(3, self.teacher.endpoint.in_flight)

    async def fail(self, place: int, pair: Pair, draft: Draft) -> None:
        if pair.state == "open":
            await self.group.run(self.ledger.fail, pair, draft.reason or "failed")
        self.done(place, draft)

    def done(self, place: int, draft: Draft) -> None:
        self.drafts[place] = draft
        self.tell()

    def silence(self, client: Client, waiting: Sequence[_Waiting]) -> TeacherDown:
        endpoint = client.endpoint
        return TeacherDown(
            f"the teacher gave no answer to the last {len(waiting)} pairs, {endpoint.tries} tries at most",
            got=waiting[-1].why.miss.reason,
            fix=f"see that {endpoint.url} is up and takes `model`, `options` and `cap_field` as they are; "
            "the same command asks these pairs again",
        )


def paid(draft: Draft, request: bytes) -> Draft:
    return replace(draft, calls=(*draft.calls, sha256(request).hexdigest()))
