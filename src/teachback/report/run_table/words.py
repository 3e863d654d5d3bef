"""The runs below a folder as a table: what `teachback runs` prints."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...run.files import to_plain
from ...types import GroupAccuracy
from ..formatting import align_columns, display_path, format_count, format_usd
from ..run_diff.plain_values import show_line
from .values import ListedRun

COLUMNS = (
    "run",
    "state",
    "task",
    "student",
    "criterion",
    "rounds",
    "rows",
    "accuracy",
    "pairs",
    "tokens",
    "USD",
    "changed",
)
UNKNOWN = "–"
MAX_CELL = 60
MAX_PATH = 4096
MAX_PROBLEM = 160


def listed_run_facts(runs: Sequence[ListedRun]) -> list[dict[str, Any]]:
    """What `--json` prints: one object for each."""
    facts: Any = to_plain(list(runs))
    return facts  # type: ignore[no-any-return]


def make_run_row(run: ListedRun) -> dict[str, object]:
    """A flat line of a data frame. before, after: accuracy; low, high: the interval of the last."""
    last = run.after or run.before
    bill = run.bill
    inner = ("before", "after", "bill")
    flat = {name: value for name, value in vars(run).items() if name not in inner}
    return {
        **flat,
        "before": share_right(run.before) if run.before else None,
        "after": share_right(run.after) if run.after else None,
        "low": last.low if last else None,
        "high": last.high if last else None,
        "n": last.n if last else None,
        "pairs": bill.pairs if bill else None,
        "tokens": bill.tokens if bill else None,
        "usd": bill.usd if bill else None,
    }


def run_table_lines(
    runs: Sequence[ListedRun], folder: Path, width: int | None = None
) -> list[str]:
    """One line for each run; several, where the table is wider than `width`.

    width: of the terminal; None: the lines are not for one.
    """
    if not runs:
        return [f"no run in {display_path(folder)}"]
    readable = [run for run in runs if run.problem is None]
    rows = [make_cells(run) for run in readable]
    lines = align_columns([COLUMNS, *rows]) if rows else []
    if width is not None and max(map(len, lines), default=0) > width:
        lines = [line for cells in rows for line in stack_cells(cells)]
    problems = [
        f"  {show_folder(run)}: {show_line(run.problem, MAX_PROBLEM)}"
        for run in runs
        if run.problem is not None
    ]
    return [*lines, *(["not read:", *problems] if problems else [])]


def make_cells(run: ListedRun) -> tuple[str, ...]:
    """In the order of COLUMNS."""
    bill = run.bill
    pairs = tokens = usd = UNKNOWN
    if bill is not None:
        pairs, tokens = f"{bill.pairs:,}", format_count(bill.tokens)
        usd = "unknown" if bill.usd is None else format_usd(bill.usd)
    cells = (
        describe_state(run),
        run.task or UNKNOWN,
        name_student(run.student),
        run.criterion or UNKNOWN,
        describe_rounds(run),
        UNKNOWN if run.accepted is None else f"{run.accepted:,}",
        describe_gain(run),
        pairs,
        tokens,
        usd,
        to_local_time(run.changed),
    )
    return show_folder(run), *(show_line(cell, MAX_CELL) for cell in cells)


def show_folder(run: ListedRun) -> str:
    """Never cut: people copy it."""
    return show_line(str(display_path(Path(run.folder))), MAX_PATH)


def stack_cells(cells: Sequence[str]) -> list[str]:
    """A run's name, then what is known of it: for a narrow terminal."""
    named: Mapping[str, str] = dict(zip(COLUMNS, cells, strict=True))
    counts = []
    for name in ("rounds", "rows", "pairs", "tokens", "USD"):
        text = named[name]
        if text != UNKNOWN:
            # Those of a comparison are runs, and say so.
            counts.append(text if text.endswith("runs") else f"{text} {name}")
    made_of = [named[name] for name in ("task", "student", "criterion")]
    lines = [
        f"{named['run']}  {named['state']}",
        f"  {' · '.join(made_of)}",
        f"  {named['accuracy']}",
        f"  {', '.join(counts)}",
        f"  {named['changed']}",
    ]
    return [line for line in lines if line.strip(f" ·{UNKNOWN}")]


def describe_state(run: ListedRun) -> str:
    state: str = (
        run.state if run.kind in ("run", "comparison") else f"{run.kind}, {run.state}"
    )
    return f"{state}: {run.next_step}" if run.next_step else state


def name_student(student: str | None) -> str:
    """A folder's name is enough."""
    if student is None:
        return UNKNOWN
    return Path(student).name if Path(student).is_absolute() else student


def describe_rounds(run: ListedRun) -> str:
    if run.runs_begun is not None:
        return f"{run.runs_done}/{run.runs_begun} runs"
    if run.rounds is None:
        return UNKNOWN
    return f"{run.rounds}/{run.rounds_asked or 'any'}"


def describe_gain(run: ListedRun) -> str:
    """ "dev 40% → 60% [31%, 83%]": before, after, and the interval of the latter."""
    last = run.after or run.before
    if last is None:
        return UNKNOWN
    text = format_interval(last)
    if run.before and run.after:
        text = f"{share_right(run.before):.0%} → {text}"
    return f"{run.split} {text}"


def format_interval(share: GroupAccuracy) -> str:
    return f"{share_right(share):.0%} [{share.low:.0%}, {share.high:.0%}]"


def share_right(share: GroupAccuracy) -> float:
    return share.right / share.n if share.n else 0.0


def to_local_time(changed: str | None) -> str:
    if changed is None:
        return UNKNOWN
    time = datetime.strptime(changed, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return time.astimezone().strftime("%Y-%m-%d %H:%M")
