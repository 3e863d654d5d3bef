"""From a run's directory to what its steps say was bought."""

from collections.abc import Sequence
from pathlib import Path

from ..ledger.audit import Purchase
from ..run.history import read_steps
from ..teachers.purchases import BUYING_STEPS, GRADED_STEPS, list_purchases


def read_purchases(folder: Path, *, is_judged: bool) -> Sequence[Purchase] | None:
    """is_judged: a judge has graded the reports. None: nothing was bought, and no round has
    opened, so there need not be a ledger.
    """
    names = (*BUYING_STEPS, *GRADED_STEPS) if is_judged else BUYING_STEPS
    purchases = list_purchases(read_steps(folder, names))
    has_opened = (folder / "round-00" / "open.json").exists()
    return purchases if purchases or has_opened else None
