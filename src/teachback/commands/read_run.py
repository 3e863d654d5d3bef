"""`teachback status` and `show`: what a run's files say. Safe while the run is at work."""

from contextlib import AbstractContextManager
from pathlib import Path

from ..config.reading import read_run_config
from ..endpoints.raw_text import read_raw_text
from ..ledger.queries import LedgerReader, open_read_only
from ..report.diagnosis.diagnose import read_diagnosis
from ..report.replies import ShownPair, collect_pairs
from ..report.values import RunStatus
from ..run.history import read_history


def read_status(folder: Path, *, with_costs: bool) -> RunStatus:
    config = read_run_config(folder)
    history = read_history(folder)
    with open_run_ledger(folder, config.repeat) as ledger:
        return RunStatus(
            folder=folder,
            history=history,
            max_rounds=config.rounds,
            spend=ledger.spend(),
            role_costs=ledger.costs_by_role() if with_costs else None,
            committed=ledger.amount_committed(),
            limits=config.budget.budget(),
            max_accepted=config.budget.accepted,
            diagnosis=read_diagnosis(folder, history),
        )


def read_pairs(
    folder: Path, seed: str | None, rejected_only: bool
) -> tuple[ShownPair, ...]:
    """The teacher's raw replies, and what became of each; seed None: of all seeds."""
    with open_run_ledger(folder, read_run_config(folder).repeat) as ledger:
        replies = ledger.replies(seed)
    return collect_pairs(folder, replies, read_raw_text, seed, rejected_only)


def open_run_ledger(folder: Path, repeat: int) -> AbstractContextManager[LedgerReader]:
    """The ledger of a run. An arm of a comparison shares one, two folders up."""
    path = find_run_ledger(folder)
    is_shared = path.parent != folder
    return open_read_only(path, arm=folder.name if is_shared else "main", repeat=repeat)


def find_run_ledger(folder: Path) -> Path:
    """Where it is, or would be: nothing may be there yet."""
    path = folder / "ledger.sqlite"
    return path if path.exists() else folder.parent.parent / path.name
