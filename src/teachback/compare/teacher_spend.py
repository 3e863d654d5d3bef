"""What a whole comparison has bought, from the ledger that its arms share."""

from pathlib import Path

from ..ledger.costs import PICODOLLARS_PER_USD
from ..ledger.queries import open_read_only
from .places import BASE_ARM, RunPlace
from .summarise import TeacherSpend


def read_comparison_spend(folder: Path) -> TeacherSpend:
    """What was really bought in the comparison in this folder."""
    ledger_path = RunPlace(folder, BASE_ARM, 0).ledger
    with open_read_only(ledger_path) as ledger:
        spend = ledger.spend_of_all_arms()
    usd = None
    if not spend.unpriced_calls:
        usd = (spend.usd + spend.in_doubt_usd) / PICODOLLARS_PER_USD
    return TeacherSpend(spend.tokens, usd)
