"""Free teachers are metered: their rows go through the ledger as if they had been bought."""

from ..ledger.costs import FREE_PRICE, Usage
from ..ledger.ledger import Ledger
from ..ledger.pairs import Pair

TEACHER_ROLE = "teacher"


def record_answer(
    ledger: Ledger, pair: Pair, request: bytes, body: str, usage: Usage
) -> None:
    """The pair's only call, answered at once. Nothing happens if the ledger has it already.

    The pair has reserved all of it.
    """
    if ledger.find_answer(pair, TEACHER_ROLE, request) is None:
        call = ledger.charge_call(pair, TEACHER_ROLE, request, FREE_PRICE.of(usage))
        assert call is not None, "reserved in full a moment ago"
        ledger.answer(call, body, usage, 0.0, FREE_PRICE)
    if pair.state == "open":
        ledger.settle(pair)
