"""Progress with what is spent by then."""

import time
from collections.abc import Callable, Sequence

from .costs import Meter
from .ledger import Ledger

METER_INTERVAL_S = 0.25  # reading it keeps the ledger from its work


def meter_progress(
    ledger: Ledger,
    pair_limits: Sequence[int | None],
    on_progress: Callable[[int, int, object], None],
) -> Callable[[int, int], None]:
    """on_progress(done, total, meter), a few times a second and at the end.

    pair_limits: limits on the run's pairs; the lowest is what is projected to.
    """
    max_pairs = min((limit for limit in pair_limits if limit), default=None)
    next_at = 0.0

    def report(done: int, total: int) -> None:
        nonlocal next_at
        if done < total and time.monotonic() < next_at:
            return
        next_at = time.monotonic() + METER_INTERVAL_S
        on_progress(done, total, Meter(ledger.amount_paid(), ledger.budget, max_pairs))

    return report
