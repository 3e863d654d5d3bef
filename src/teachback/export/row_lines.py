"""What is said of the rows that were exported, and why there are none."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import ConfigError
from ..report.row_yield import count_reasons, join_counts
from ..report.values import is_round_open
from ..run.identity import read_today
from .exported_run import ExportedRun


def refuse_no_rows(run: ExportedRun) -> None:
    """Raise ConfigError that says why, for a run without rows."""
    rounds = run.history.rounds
    if run.count_rows():
        return
    if not rounds:
        raise ConfigError(
            f"the run in {run.folder} has no rows yet",
            got=f"no finished round; next step: {run.history.next_step}",
            fix="run it on: rows are exported from its first finished round on",
        )
    rejected = [one for finished in rounds for one in finished.fresh.rejected]
    raise ConfigError(
        f"the run in {run.folder} has no rows",
        got=f"{len(rejected)} drafts in {len(rounds)} finished rounds, all refused: "
        f"{join_counts(count_reasons(rejected))}",
        fix=f"see why: teachback show {run.folder} --rejected",
    )


def describe_exported_rows(run: ExportedRun, out: Path) -> Iterator[str]:
    rounds = run.history.rounds
    n_rows, n_given = run.count_rows(), len(run.given_rows)
    parts = [f"{n_given} that were there from the start"] if n_given else []
    parts.append(f"{n_rows - n_given} of {len(rounds)} finished rounds")
    yield f"{n_rows} rows in {out}: {', '.join(parts)}"
    if is_round_open(run.history):
        yield (
            f"round {len(rounds)} is under way, and its rows are not in the file: "
            f"next step {run.history.next_step}"
        )
    today = read_today(run.folder)
    if today and not run.is_plain:
        yield (
            f"the student's chat template writes a date. Here it was always {today}; "
            "another trainer will write its own"
        )
