"""`teachback diff` and `runs`: what the files of several runs say. Nothing is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..ledger.costs import PICODOLLARS_PER_USD
from ..ledger.queries import open_read_only
from ..report.formatting import display_path
from ..report.result_view import ResultView
from ..report.run_diff.make import make_run_diff
from ..report.run_diff.run_files import RunFiles, open_run_files
from ..report.run_diff.values import RunDiff, RunPurchases
from ..report.run_diff.words import diff_lines
from ..report.run_table.read_runs import list_runs
from ..report.run_table.values import ListedRun, TeacherBill
from ..report.run_table.words import COLUMNS, make_cells, make_run_row, run_table_lines
from .read_run import open_run_ledger

_Rows = Sequence[Mapping[str, object]]
_Tables = Mapping[str, Callable[[], _Rows]]


@dataclass(frozen=True, repr=False)
class RunDifferences(ResultView, RunDiff):
    """Two runs, side by side. `print` shows it as the command line does.

    Its tables: rounds, keys.
    """

    def describe(self) -> str:
        return self.headline

    def tables(self) -> _Tables:
        return {
            "rounds": lambda: [vars(point) for point in self.points],
            "keys": lambda: [
                {"of": name, **vars(change)}
                for name in ("identity", "settings", "inputs")
                for change in getattr(self, name)
            ],
        }

    def __str__(self) -> str:
        return "\n".join(diff_lines(self))


@dataclass(frozen=True, repr=False)
class RunTable(ResultView):
    """The runs below a folder, the last that changed first. Its table: runs."""

    folder: Path
    runs: tuple[ListedRun, ...]

    def describe(self) -> str:
        n_finished = sum(run.state == "finished" for run in self.runs)
        counts = f"{len(self.runs)} folders, {n_finished} finished"
        return f"{display_path(self.folder)}: {counts}"

    def tables(self) -> _Tables:
        return {"runs": lambda: list(map(make_run_row, self.runs))}

    def shown_rows(self) -> _Rows:
        readable = [run for run in self.runs if run.problem is None]
        return [dict(zip(COLUMNS, make_cells(run), strict=True)) for run in readable]

    def __str__(self) -> str:
        return "\n".join(run_table_lines(self.runs, self.folder))


# -- diff ----------------------------------------------------------------------------------


def read_run_diff(left: Path, right: Path) -> RunDifferences:
    """Raises ConfigError where there is no run."""
    diff = make_run_diff(open_with_purchases(left), open_with_purchases(right))
    return RunDifferences(**vars(diff))


def open_with_purchases(folder: Path) -> RunFiles:
    files = open_run_files(folder)
    return replace(files, purchases=read_run_purchases(folder, files.repeat))


def read_run_purchases(folder: Path, repeat: int) -> RunPurchases | None:
    """None: there is no ledger. Raises LedgerError for one that can't be read."""
    if not has_ledger(folder):
        return None
    with open_run_ledger(folder, repeat) as ledger:
        # Latencies are times; and an arm's calls are numbered among those of all arms.
        calls = [call._replace(call=0, latency_s=None) for call in ledger.calls()]
        replies = ledger.replies()
        spend = ledger.spend()
    return RunPurchases(
        spend, tuple(sorted(calls, key=repr)), tuple(sorted(replies, key=repr))
    )


# -- runs ----------------------------------------------------------------------------------


def read_run_table(folder: Path, *, inner: bool) -> RunTable:
    """inner: the runs of comparisons too. Raises ConfigError if there is no such folder."""
    return RunTable(folder, tuple(list_runs(folder, read_bill, inner=inner)))


def read_bill(folder: Path, repeat: int | None) -> TeacherBill | None:
    """repeat None: of a comparison, what all of its arms have really sent."""
    if not has_ledger(folder):
        return None
    if repeat is None:
        with open_read_only(folder / "ledger.sqlite") as ledger:
            spend = ledger.spend_of_all_arms()
    else:
        with open_run_ledger(folder, repeat) as ledger:
            spend = ledger.spend()
    usd = None if spend.unpriced_calls else spend.usd / PICODOLLARS_PER_USD
    return TeacherBill(spend.pairs, spend.tokens, usd)


def has_ledger(folder: Path) -> bool:
    """In the folder, or as an arm two folders up."""
    own = folder / "ledger.sqlite"
    arm = folder.parent.name.startswith("repeat-")
    return own.exists() or (arm and (folder.parent.parent / own.name).exists())
