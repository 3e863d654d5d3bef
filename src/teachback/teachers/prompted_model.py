"""A model behind an endpoint that is asked with one prompt template: judges, and a teacher that
answers seeds.

Every call goes through the ledger, in a role of its own. It is paid from the same budget as the
pairs, and it does not count as generated.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from hashlib import sha256
from operator import add

from ..endpoints.endpoint import Endpoint
from ..endpoints.replies import UnusableReply
from ..errors import BudgetClosed
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from ..ledger.pairs import Pair, RecordedAnswer
from .prompts import fill_template
from .window import Order, Window, buy_orders


@dataclass(frozen=True)
class Message:
    """A question about a seed."""

    seed: str
    # Tells the questions about one seed apart.
    n: int
    text: str


@dataclass(frozen=True)
class Opinion:
    """The reply to a message: a text, or the reason why there is none."""

    seed: str
    n: int
    text: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class PromptedModel:
    # The role of its calls in the ledger.
    role: str
    endpoint: Endpoint
    # A text with fields in braces.
    template: str
    # The cap of a reply.
    max_tokens: int

    def make_message(self, seed: str, **fields: str) -> Message:
        """Its n is a hash of the text, so another text about the same seed is another question."""
        text = fill_template(self.template, **fields)
        digest = sha256(text.encode("utf-8", "replace")).digest()
        return Message(seed, int.from_bytes(digest[:6], "big"), text)

    def make_request(self, message: Message) -> bytes:
        return self.endpoint.request_body(message.text, self.max_tokens)

    def worst_cost(self, message: Message) -> Cost:
        return self.endpoint.worst_cost(self.make_request(message), self.max_tokens)


def ask_all(
    model: PromptedModel,
    messages: Sequence[Message],
    purpose: str,
    *,
    round: int,
    ledger: Ledger,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Mapping[tuple[str, int], Opinion]:
    """The reply to every message, by its seed and n. The same call on the same ledger buys
    nothing twice.

    purpose: what the replies are for, as an error says it. Raises BudgetClosed when the budget
    can't pay for all: half of the pool would be chosen from as if it were all. Raises
    ConfigError (no key) and TeacherDown.
    """
    opinions = ask_while_affordable(
        model, messages, round=round, ledger=ledger, on_progress=on_progress
    )
    if len(opinions) < len(messages):
        raise BudgetClosed(
            f"the budget can't pay for {purpose}",
            got=f"{len(opinions)} of {len(messages)} calls answered; they are kept",
            fix="raise the budget and run the same command, or ask about fewer questions",
        )
    return {(opinion.seed, opinion.n): opinion for opinion in opinions}


def ask_while_affordable(
    model: PromptedModel,
    messages: Sequence[Message],
    *,
    round: int,
    ledger: Ledger,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[Opinion, ...]:
    """The replies in the order of the messages, without those that the budget can't pay for."""
    orders = partial(make_orders, model, messages, round)
    return buy_orders(ledger, [model.endpoint], orders, on_progress)


def make_orders(
    model: PromptedModel,
    messages: Sequence[Message],
    round: int,
    window: Window[Opinion],
) -> Iterator[Order[Opinion]]:
    async def buy(
        order: Order[Opinion], pair: Pair, known: RecordedAnswer | None
    ) -> None:
        client = window.halt.clients[0]
        completion = await window.ask(
            client, pair, model.role, order.request, model.max_tokens, known=known
        )
        try:
            order.result = replace(order.result, text=completion.text())
        except UnusableReply as unusable:
            order.result = add_reason(order.result, str(unusable))

    for message in messages:
        yield Order(
            seed=message.seed,
            n=message.n,
            round=round,
            worst_cost=model.worst_cost(message),
            role=model.role,
            request=model.make_request(message),
            result=Opinion(message.seed, message.n),
            buy=buy,
            fail=add_reason,
            kind=model.role,
        )


def add_reason(opinion: Opinion, reason: str) -> Opinion:
    return replace(opinion, reason=reason)


def sum_costs(costs: Iterable[Cost], most: int | None = None) -> Cost:
    """The sum of the `most` highest costs; None: of all. They are of one endpoint, where more
    tokens never cost less.
    """
    highest_first = sorted(costs, key=lambda cost: cost.tokens, reverse=True)
    return reduce(add, highest_first[:most], Cost(0, 0, 0))
