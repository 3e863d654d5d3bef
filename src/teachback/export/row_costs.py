"""What was paid for each of a run's rows, from its ledger."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple

from ..compare.places import RunPlace
from ..ledger.costs import PICODOLLARS_PER_USD, CallCost
from ..ledger.queries import LedgerReader, open_read_only
from .exported_run import ExportedRun


class RowCost(NamedTuple):
    """Of all calls for a pair: question, answers, verifier. None: not known."""

    tokens: int | None
    usd: float | None


UNKNOWN_COST = RowCost(None, None)


def read_row_costs(run: ExportedRun) -> Mapping[tuple[str, int], RowCost]:
    """By seed and number of its selection. What judges cost is not a row's."""
    with open_exported_ledger(run) as ledger:
        judge_roles = {kind for kind, _ in ledger.kinds_of_seeds()} - {"pair"}
        calls = ledger.calls()
    calls_by_pair: dict[tuple[str, int], list[CallCost]] = {}
    for call in calls:
        if call.role not in judge_roles:
            calls_by_pair.setdefault((call.seed, call.n), []).append(call)
    return {pair: sum_call_costs(of_pair) for pair, of_pair in calls_by_pair.items()}


def open_exported_ledger(run: ExportedRun) -> AbstractContextManager[LedgerReader]:
    path, arm = run.folder / "ledger.sqlite", "main"
    if not path.exists():
        # An arm of a comparison shares one with the others.
        root = run.folder.absolute().parent.parent
        place = RunPlace(root, run.folder.absolute().name, run.config.repeat)
        path, arm = place.ledger, place.arm
    return open_read_only(path, arm=arm, repeat=run.config.repeat)


def sum_call_costs(calls: list[CallCost]) -> RowCost:
    """One call without a price leaves the sum unknown."""
    tokens = sum(call.tokens for call in calls)
    prices = [call.usd for call in calls if call.usd is not None]
    is_known = len(prices) == len(calls)
    return RowCost(tokens, sum(prices) / PICODOLLARS_PER_USD if is_known else None)
