"""How many pairs the budget leaves for the next round."""

from collections.abc import Callable, Sequence

from ..types import Allowance, Round
from .costs import Budget, Cost
from .ledger import Ledger

# After so many rounds without an accepted row, more of them are hopeless.
MAX_BARREN_ROUNDS = 3


def open_round(
    ledger: Ledger,
    round: int,
    limits: Sequence[int | None],
    price_pairs: Callable[[], Sequence[Cost]],
    cost_kept_back: Callable[[], Cost],
) -> Allowance | None:
    """How many pairs the round may buy; None: it can't open. Arguments as below.

    After a call that used more than its worst case no round opens: no budget can be held then.
    """
    if ledger.overran:
        return None
    left = ledger.amount_left(before_round=round)
    pairs = count_affordable_pairs(left, limits, price_pairs, cost_kept_back)
    return Allowance(pairs) if pairs else None


def count_affordable_pairs(
    left: Budget,
    limits: Sequence[int | None],
    price_pairs: Callable[[], Sequence[Cost]],
    cost_kept_back: Callable[[], Cost],
) -> int:
    """0: the round can't open.

    A round opens if even the dearest pair can be paid, and beside it what is kept back: what the
    criterion asks others before the pairs, and the judging of dev after them.

    left: what earlier rounds leave of each limit. limits: other limits on the number of pairs.
    price_pairs(): the worst case of each selectable seed's next pair. cost_kept_back(): at most.
    Both are asked only where tokens, money or FLOPs are limited.
    """
    pairs = min(limit for limit in (left.generated, *limits) if limit is not None)
    limited = (left.teacher_tokens, left.usd, left.flops) != (None, None, None)
    if pairs < 1 or not limited:
        return max(pairs, 0)

    costs, kept_back = price_pairs(), cost_kept_back()
    for left_of_kind, reserve, cost_of_kind in (
        (left.teacher_tokens, kept_back.tokens, [cost.tokens for cost in costs]),
        (left.usd, kept_back.usd, [cost.usd for cost in costs]),
        (left.flops, kept_back.flops, [cost.flops for cost in costs]),
    ):
        if left_of_kind is None:
            continue
        if reserve == 0:
            affordable = all(
                cost is not None and cost <= left_of_kind for cost in cost_of_kind
            )
            pairs = pairs if affordable else 0
        else:
            available = 0 if reserve is None else left_of_kind - reserve
            pairs = min(pairs, count_dearest(cost_of_kind, available))
    return max(pairs, 0)


def count_dearest(costs: Sequence[int | None], available: int) -> int:
    """How many of the dearest pairs fit, so that any as many fit too. 0 where a cost is unknown."""
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs) or available <= 0:
        return 0
    return available // max(max(known), 1)


def count_rows_wanted(accepted_limit: int | None, past: Sequence[Round]) -> int | None:
    """Rows that the limit `accepted` still asks for; 0 when recent rounds had none accepted."""
    if accepted_limit is None:
        return None
    accepted = [len(r.fresh.rows) for r in past]
    recent = accepted[-MAX_BARREN_ROUNDS:]
    if len(recent) == MAX_BARREN_ROUNDS and not any(recent):
        return 0
    return accepted_limit - sum(accepted)
