"""One call each to any endpoint, through the ledger, under a role of its own: judges and referees.

What is bought here is paid for from the same budget as the pairs, and does not count as generated.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..endpoints.endpoint import Endpoint
from ..endpoints.replies import UnusableReply
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger, Pair, RecordedAnswer
from .window import Order, Window, buy_all


@dataclass(frozen=True)
class Message:
    """What is asked about a seed. n: of its questions in this role, so that none is asked twice."""

    seed: str
    n: int
    text: str


@dataclass(frozen=True)
class Opinion:
    """What came back: a text, or the reason why there is none."""

    seed: str
    n: int
    text: str | None = None
    reason: str | None = None


def price(message: Message, endpoint: Endpoint, cap: int) -> Cost:
    return endpoint.worst_cost(endpoint.request_body(message.text, cap), cap)


def ask_all(
    messages: Sequence[Message],
    *,
    role: str,
    endpoint: Endpoint,
    cap: int,
    round: int,
    ledger: Ledger,
    tell: Callable[[int], None] = lambda done: None,
) -> tuple[Opinion, ...]:
    """An opinion for each message, in their order; those that the budget can't pay for are left
    out. The same call again on the same ledger buys nothing twice. Raises ConfigError (no key)
    and TeacherDown.
    """
    return buy_all(
        ledger, [endpoint], partial(orders, messages, role, endpoint, cap, round), tell
    )


def orders(
    messages: Sequence[Message],
    role: str,
    endpoint: Endpoint,
    cap: int,
    round: int,
    opened: Window[Opinion],
) -> Iterator[Order[Opinion]]:
    async def fill(
        order: Order[Opinion], pair: Pair, known: RecordedAnswer | None
    ) -> None:
        completion = await opened.ask(
            opened.halt.clients[0], pair, role, order.request, cap, known=known
        )
        try:
            order.made = replace(order.made, text=completion.text())
        except UnusableReply as unusable:
            order.made = lost(order.made, str(unusable))

    for message in messages:
        request = endpoint.request_body(message.text, cap)
        worst, made = (
            endpoint.worst_cost(request, cap),
            Opinion(message.seed, message.n),
        )
        yield Order(
            message.seed,
            message.n,
            round,
            worst,
            role,
            request,
            made,
            fill,
            lost,
            kind=role,
        )


def lost(made: Opinion, reason: str) -> Opinion:
    return replace(made, reason=reason)
