"""A teacher behind any endpoint that speaks OpenAI's chat-completions format: a hosted API, vLLM,
llama.cpp, Ollama.

For each selected seed one *pair* is bought: a new question and then its answer, or both in one
call. Where the settings ask for it, more answers (votes) and the answer of a second model (the
verifier) come with it. How calls flow is in window.py; when an endpoint counts as down is in
client.py.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

from ..endpoints.endpoint import Endpoint
from ..endpoints.replies import UnusableReply
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from ..ledger.pairs import Pair, RecordedAnswer
from ..types import Draft, Example, Pick
from .prompts import Prompts
from .window import Order, Window, buy_orders

QUESTION_BYTES_PER_TOKEN = 8
VERIFIER_ROLE = "verifier"


@dataclass(frozen=True)
class PairCalls:
    """The calls that a pair is made of."""

    endpoint: Endpoint
    prompts: Prompts
    max_tokens_question: int
    max_tokens_answer: int
    # Answers to each question.
    votes: int = 1
    # A reasoning model's thinking is part of the text.
    thinking: bool = False
    # A second model that answers each question too.
    verifier: Endpoint | None = None
    max_tokens_verifier: int = 0

    @property
    def max_question_bytes(self) -> int:
        """The longest question that is let through, in bytes as it stands in a request."""
        return QUESTION_BYTES_PER_TOKEN * self.max_tokens_question

    @property
    def first_role(self) -> str:
        """The role of the first call in the ledger."""
        return "question" if self.prompts.calls == 2 else "pair"

    @property
    def max_tokens_first(self) -> int:
        """The cap of the first call."""
        if self.prompts.calls == 1:
            return self.max_tokens_question + self.max_tokens_answer
        return self.max_tokens_question

    @property
    def answer_roles(self) -> list[str]:
        """The roles in the ledger of the calls that answer a question."""
        votes = [f"answer-{vote}" for vote in range(2, self.votes + 1)]
        return votes if self.prompts.calls == 1 else ["answer", *votes]

    def first_request(self, question: str, n: int, attempt: str | None) -> bytes:
        text = self.prompts.ask(question, n, attempt)
        return self.endpoint.request_body(text, self.max_tokens_first)

    def answer_request(self, question: str) -> bytes:
        return self.endpoint.request_body(
            self.prompts.solve(question), self.max_tokens_answer
        )

    def verifier_request(self, question: str) -> bytes:
        assert self.verifier is not None
        return self.verifier.request_body(
            self.prompts.solve(question), self.max_tokens_verifier
        )

    def worst_cost(self, first_request: bytes) -> Cost:
        """The most that a pair with this first call can cost, without its tries in doubt."""
        first = self.endpoint.worst_cost(first_request, self.max_tokens_first)
        return first + self.worst_cost_after_first

    @cached_property
    def worst_cost_after_first(self) -> Cost:
        """The most that all calls after the first can cost.

        A pair is reserved as one unit, before its question is known. The longest question that
        is let through stands for it.
        """
        longest = "x" * self.max_question_bytes
        cost = Cost(0, 0, 0)
        if self.answer_roles:
            request = self.answer_request(longest)
            answer = self.endpoint.worst_cost(request, self.max_tokens_answer)
            cost = sum([answer] * len(self.answer_roles), cost)
        if self.verifier is not None:
            request = self.verifier_request(longest)
            cost += self.verifier.worst_cost(request, self.max_tokens_verifier)
        return cost


def worst_pair_cost(
    seed: Example, n: int, calls: PairCalls, attempt: str | None = None
) -> Cost:
    """The most that the n-th pair of a seed can cost."""
    return calls.worst_cost(calls.first_request(seed.question, n, attempt))


def buy_drafts(
    picks: Sequence[Pick],
    seeds: Mapping[str, Example],
    *,
    round: int,
    ledger: Ledger,
    calls: PairCalls,
    attempts: Mapping[str, str] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Draft, ...]:
    """One draft for each pick, in the order of the picks, without those that the budget can't
    pay for. The same call on the same ledger buys nothing twice.

    seeds: by id. attempts: the student's wrong answers, by seed, for the teacher to see.
    on_progress(done, total): after each draft. A draft's calls are those that were answered.
    Raises ConfigError (no key), TeacherDown and InputsChanged (a pair was bought with another
    request).
    """
    if len({(pick.seed, pick.n) for pick in picks}) < len(picks):
        raise ValueError("a seed was picked twice for the same row")
    endpoints = [calls.endpoint, *([calls.verifier] if calls.verifier else [])]

    def make_orders(window: Window[Draft]) -> Iterator[Order[Draft]]:
        buyer = PairBuyer(window, calls)
        return buyer.make_orders(picks, seeds, round, attempts or {})

    return buy_orders(
        ledger, endpoints, make_orders, lambda done: on_progress(done, len(picks))
    )


@dataclass(frozen=True)
class PairBuyer:
    """Buys the calls of a pair, one after the other, and puts the replies into its draft."""

    window: Window[Draft]
    calls: PairCalls

    def make_orders(
        self,
        picks: Sequence[Pick],
        seeds: Mapping[str, Example],
        round: int,
        attempts: Mapping[str, str],
    ) -> Iterator[Order[Draft]]:
        for pick in picks:
            seed, attempt = seeds[pick.seed], attempts.get(pick.seed)
            request = self.calls.first_request(seed.question, pick.n, attempt)
            yield Order(
                seed=seed.id,
                n=pick.n,
                round=round,
                worst_cost=self.calls.worst_cost(request),
                role=self.calls.first_role,
                request=request,
                result=Draft(seed.id, pick.n, self.calls.prompts.sha256),
                buy=self.buy_pair,
                fail=reject_draft,
            )

    async def buy_pair(
        self, order: Order[Draft], pair: Pair, known: RecordedAnswer | None
    ) -> None:
        # If the first call was bought just now, the ledger has no answer to what follows from
        # it, and need not be asked.
        look = known is not None
        await self.buy_question(order, pair, known)
        if order.result.reason is None:
            await self.buy_answers(order, pair, look)
        if order.result.reason is None and self.calls.verifier is not None:
            await self.buy_second_answer(order, pair, look)

    async def buy_question(
        self, order: Order[Draft], pair: Pair, known: RecordedAnswer | None
    ) -> None:
        """The draft gets its question; with one call a pair, its text too."""
        calls, teacher = self.calls, self.window.halt.clients[0]
        completion = await self.window.ask(
            teacher,
            pair,
            order.role,
            order.request,
            calls.max_tokens_first,
            known=known,
        )
        draft = add_call(order.result, order.request)
        try:
            if calls.prompts.calls == 2:
                question = completion.question(calls.max_question_bytes)
                order.result = replace(draft, question=question)
            else:
                question, text = completion.pair(
                    calls.max_question_bytes, thinking=calls.thinking
                )
                order.result = replace(draft, question=question, text=text)
        except UnusableReply as unusable:
            order.result = reject_draft(draft, str(unusable))

    async def buy_answers(self, order: Order[Draft], pair: Pair, look: bool) -> None:
        """The first usable answer becomes the text. With votes all are kept; None: not usable."""
        calls, teacher = self.calls, self.window.halt.clients[0]
        draft = order.result
        assert draft.question is not None
        request = calls.answer_request(draft.question) if calls.answer_roles else b""
        completions = await asyncio.gather(
            *(
                self.window.ask(
                    teacher, pair, role, request, calls.max_tokens_answer, look=look
                )
                for role in calls.answer_roles
            ),
            return_exceptions=True,
        )
        texts = [draft.text] if draft.text else []
        reasons = []
        for completion in completions:
            if isinstance(completion, BaseException):
                raise completion
            order.result = add_call(order.result, request)
            try:
                texts.append(completion.text(thinking=calls.thinking))
            except UnusableReply as unusable:
                reasons.append(str(unusable))
        if not texts:
            order.result = reject_draft(order.result, reasons[0])
            return
        votes = (*texts, *[None] * len(reasons)) if calls.votes > 1 else ()
        order.result = replace(order.result, text=texts[0], votes=votes)

    async def buy_second_answer(
        self, order: Order[Draft], pair: Pair, look: bool
    ) -> None:
        """The draft gets the verifier's answer, or a reason if that can't be used."""
        assert order.result.question is not None
        request = self.calls.verifier_request(order.result.question)
        completion = await self.window.ask(
            self.window.halt.clients[1],
            pair,
            VERIFIER_ROLE,
            request,
            self.calls.max_tokens_verifier,
            look=look,
        )
        draft = add_call(order.result, request)
        try:
            order.result = replace(draft, second=completion.text())
        except UnusableReply as unusable:
            order.result = reject_draft(draft, f"the verifier: {unusable}")


def add_call(draft: Draft, request: bytes) -> Draft:
    return replace(draft, calls=(*draft.calls, sha256(request).hexdigest()))


def reject_draft(draft: Draft, reason: str) -> Draft:
    return replace(draft, reason=reason)
