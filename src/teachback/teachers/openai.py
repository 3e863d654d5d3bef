"""A teacher behind any endpoint that speaks OpenAI's chat-completions format: a hosted API, vLLM,
llama.cpp, Ollama.

For each selected seed one *pair* is bought through the ledger: a new question and then its
answer, or both in one call; where asked, more answers (votes) and the answer of a second model
(the verifier). How calls flow, and when an endpoint counts as down, is in window.py and
client.py.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

from ..endpoints.endpoint import Endpoint, encode_json
from ..endpoints.replies import UnusableReply
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger, Pair, RecordedAnswer
from ..types import Draft, Example, Pick
from .prompts import Prompts
from .window import Order, Window, buy_all

QUESTION_BYTES_A_TOKEN = 8
ATTEMPT_BYTES = 4000  # more of a student's attempt is not shown


@dataclass(frozen=True)
class Asking:
    """What a pair is made of. votes: answers to each question. thinking: a reasoning model's
    thinking is part of the text. verifier: a second model that answers each question too.
    """

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
        return self.max_tokens_question + (
            self.max_tokens_answer if self.prompts.calls == 1 else 0
        )

    def first(self, question: str, n: int, attempt: str | None) -> bytes:
        return self.endpoint.request_body(
            self.prompts.ask(question, n, attempt), self.first_cap
        )

    def answer(self, question: str) -> bytes:
        return self.endpoint.request_body(
            self.prompts.solve(question), self.max_tokens_answer
        )

    def second(self, question: str) -> bytes:
        assert self.verifier is not None
        return self.verifier.request_body(
            self.prompts.solve(question), self.max_tokens_verifier
        )

    @property
    def answers(self) -> list[str]:
        """The roles of the calls that answer a question, as the ledger has them."""
        more = [f"answer-{vote}" for vote in range(2, self.votes + 1)]
        return more if self.prompts.calls == 1 else ["answer", *more]

    def worst(self, first: bytes) -> Cost:
        """The most that a pair with this first call can cost, its tries in doubt left out."""
        return self.endpoint.worst_cost(first, self.first_cap) + self.worst_rest

    @cached_property
    def worst_rest(self) -> Cost:
        """Of all calls after the first.

        A pair is reserved as one unit, before its question is known, so the longest that is let
        through stands for it.
        """
        longest, rest = "x" * self.question_bytes, Cost(0, 0, 0)
        if self.answers:
            one = self.endpoint.worst_cost(self.answer(longest), self.max_tokens_answer)
            rest = sum([one] * len(self.answers), rest)
        if self.verifier is not None:
            rest += self.verifier.worst_cost(
                self.second(longest), self.max_tokens_verifier
            )
        return rest


def price(seed: Example, n: int, asking: Asking, attempt: str | None = None) -> Cost:
    """The most that the n-th pair of a seed can cost."""
    return asking.worst(asking.first(seed.question, n, attempt))


def shown(attempt: str) -> str:
    """A student's attempt, cut to what a request may hold of it."""
    while len(encode_json(attempt)) - 2 > ATTEMPT_BYTES:
        attempt = attempt[: len(attempt) * ATTEMPT_BYTES // len(encode_json(attempt))]
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
    """One draft for each pick, in the order of the picks; picks that the budget could not pay are
    left out.

    seeds: by id. attempts: the student's wrong answers, by seed, for the teacher to see. A
    draft's calls are those that were answered. The same call again on the same ledger buys
    nothing twice. tell(done, total): after each draft. Raises ConfigError (no key), TeacherDown
    and InputsChanged (a pair was bought with another request).
    """
    if len({(pick.seed, pick.n) for pick in picks}) < len(picks):
        raise ValueError("a seed was picked twice for the same row")
    endpoints = [asking.endpoint, *([asking.verifier] if asking.verifier else [])]

    def orders(window: Window[Draft]) -> Iterator[Order[Draft]]:
        return _Writer(window, asking).orders(picks, seeds, round, attempts or {})

    return buy_all(ledger, endpoints, orders, lambda done: tell(done, len(picks)))


@dataclass(frozen=True)
class _Writer:
    """Fills orders with drafts."""

    window: Window[Draft]
    asking: Asking

    @property
    def first_role(self) -> str:
        return "question" if self.asking.prompts.calls == 2 else "pair"

    def orders(
        self,
        picks: Sequence[Pick],
        seeds: Mapping[str, Example],
        round: int,
        attempts: Mapping[str, str],
    ) -> Iterator[Order[Draft]]:
        for pick in picks:
            seed, attempt = seeds[pick.seed], attempts.get(pick.seed)
            request = self.asking.first(seed.question, pick.n, attempt)
            made = Draft(seed.id, pick.n, self.asking.prompts.sha256)
            yield Order(
                seed.id,
                pick.n,
                round,
                self.asking.worst(request),
                self.first_role,
                request,
                made,
                self.fill,
                lost,
            )

    async def fill(
        self, order: Order[Draft], pair: Pair, known: RecordedAnswer | None
    ) -> None:
        """One pair, from its first call to its draft."""
        # What was bought now has no answers that follow from it: the ledger needn't be asked for
        # them
        look = known is not None
        await self.question(order, pair, known)
        if order.made.reason is None:
            await self.answers(order, pair, look)
        if order.made.reason is None and self.asking.verifier is not None:
            await self.second(order, pair, look)

    async def question(
        self, order: Order[Draft], pair: Pair, known: RecordedAnswer | None
    ) -> None:
        """The draft gets its question; with `calls: 1`, its text too."""
        asking, teacher = self.asking, self.window.halt.clients[0]
        completion = await self.window.ask(
            teacher, pair, order.role, order.request, asking.first_cap, known=known
        )
        order.made = paid(order.made, order.request)
        try:
            if asking.prompts.calls == 2:
                order.made = replace(
                    order.made, question=completion.question(asking.question_bytes)
                )
            else:
                question, text = completion.pair(
                    asking.question_bytes, thinking=asking.thinking
                )
                order.made = replace(order.made, question=question, text=text)
        except UnusableReply as unusable:
            order.made = lost(order.made, str(unusable))

    async def answers(self, order: Order[Draft], pair: Pair, look: bool) -> None:
        """The first usable answer becomes the text; with votes, all of them are kept (None: not
        usable).
        """
        draft, asking, teacher = order.made, self.asking, self.window.halt.clients[0]
        assert draft.question is not None
        texts, reasons = [draft.text] if draft.text else [], list[str]()
        request, cap = (
            asking.answer(draft.question) if asking.answers else b"",
            asking.max_tokens_answer,
        )
        asked = [
            self.window.ask(teacher, pair, role, request, cap, look=look)
            for role in asking.answers
        ]
        for came in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(came, BaseException):
                raise came
            order.made = paid(order.made, request)
            try:
                texts.append(came.text(thinking=asking.thinking))
            except UnusableReply as unusable:
                reasons.append(str(unusable))
        if texts:
            votes = (*texts, *[None] * len(reasons)) if asking.votes > 1 else ()
            order.made = replace(order.made, text=texts[0], votes=votes)
        else:
            order.made = lost(order.made, reasons[0])

    async def second(self, order: Order[Draft], pair: Pair, look: bool) -> None:
        """The draft gets the verifier's answer; without one that can be used, a reason."""
        assert order.made.question is not None
        request, cap = (
            self.asking.second(order.made.question),
            self.asking.max_tokens_verifier,
        )
        completion = await self.window.ask(
            self.window.halt.clients[1], pair, "verifier", request, cap, look=look
        )
        order.made = paid(order.made, request)
        try:
            order.made = replace(order.made, second=completion.text())
        except UnusableReply as unusable:
            order.made = lost(order.made, f"the verifier: {unusable}")


def paid(draft: Draft, request: bytes) -> Draft:
    return replace(draft, calls=(*draft.calls, sha256(request).hexdigest()))


def lost(draft: Draft, reason: str) -> Draft:
    return replace(draft, reason=reason)
