"""Finds the runs below a folder, and reads what the table shows of each."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ...errors import ConfigError, TeachbackError
from ...run.files import read_json
from ...run.history import list_round_folders
from ...run.identity import COMPARISON_MARKER, MARKER_FILE, check_format
from .progress_files import (
    ListedConfig,
    ListedSettings,
    count_accepted,
    find_last_change,
    find_state,
    read_progress,
    read_report_head,
)
from .values import FolderKind, ListedRun, RunState, TeacherBill

# read_bill(folder, repeat): what the run's ledger says, None: it has none. With repeat None the
# folder is a comparison. Raises LedgerError.
ReadBill = Callable[[Path, int | None], TeacherBill | None]

MAX_DEPTH = 3  # of folders in folders, until a run comes
SHARED_ARM = "base"  # of a comparison: what its arms share


def list_runs(folder: Path, read_bill: ReadBill, *, inner: bool) -> list[ListedRun]:
    """The runs in a folder or below it, the last that changed first.

    inner: the runs of comparisons too. A folder that can't be read is a line with the reason.
    Raises ConfigError if there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"no folder {folder}",
            fix="give the folder in which your runs are: teachback runs FOLDER",
        )
    listed = [
        describe_folder(found, kind, read_bill)
        for found, kind in find_folders(folder, inner=inner, seen={folder.resolve()})
    ]
    return sorted(listed, key=lambda run: (run.changed or "", run.folder), reverse=True)


def find_folders(
    folder: Path, *, inner: bool, seen: set[Path], depth: int = 0
) -> Iterator[tuple[Path, FolderKind]]:
    """The folders with runs, and the highest ones in which there is none."""
    kind = find_kind(folder)
    if kind:
        yield folder, kind
        if kind == "comparison" and inner:
            arms = sorted(folder.glob("repeat-*/*"))
            yield from ((arm, "run") for arm in arms if is_arm(arm))
        return
    found_any = False
    for child in list_children(folder, seen) if depth < MAX_DEPTH else ():
        for found in find_folders(child, inner=inner, seen=seen, depth=depth + 1):
            found_any = True
            yield found
    if not found_any and depth == 1:
        yield folder, "foreign"


def list_children(folder: Path, seen: set[Path]) -> list[Path]:
    """Its folders. A link is followed, but nothing is looked at twice."""
    try:
        children = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    except OSError:
        return []
    new = []
    for child in children:
        place = child.resolve()
        if place not in seen and not child.name.startswith("."):
            seen.add(place)
            new.append(child)
    return new


def find_kind(folder: Path) -> FolderKind | None:
    """None: the folder itself is none of ours."""
    if (folder / COMPARISON_MARKER).is_file():
        return "comparison"
    is_old = (folder / "config.json").is_file() and (folder / "inputs.json").is_file()
    if not (folder / MARKER_FILE).is_file() and not is_old:
        return None
    if (folder / "asked.json").is_file():
        return "evaluation"
    first = folder / "round-00"
    is_measured = (first / "open.json").exists() or (first / "baseline.json").exists()
    return "ranking" if (first / "select.json").exists() and not is_measured else "run"


def is_arm(folder: Path) -> bool:
    return folder.name != SHARED_ARM and (folder / MARKER_FILE).is_file()


# -- one line ------------------------------------------------------------------------------


def describe_folder(folder: Path, kind: FolderKind, read_bill: ReadBill) -> ListedRun:
    """What can't be read becomes its `problem`."""
    listed = ListedRun(str(folder), kind, "unreadable")
    try:
        if kind == "foreign":
            return replace(listed, problem="no run is in it")
        listed = replace(listed, changed=find_change_time(folder))
        if kind == "comparison":
            listed = describe_comparison(folder, listed)
            return replace(listed, bill=read_bill(folder, None))
        check_format(folder)
        config = read_json(folder / "config.json", ListedConfig)
        listed = replace(
            listed,
            task=config.task.name,
            student=config.student.model,
            criterion=config.criterion.name,
        )
        listed = describe_steps(folder, kind, listed)
        return replace(listed, bill=read_bill(folder, config.repeat))
    except (TeachbackError, OSError) as error:
        return replace(listed, problem=" ".join(str(error).split()))


def describe_steps(folder: Path, kind: FolderKind, listed: ListedRun) -> ListedRun:
    if kind != "run":
        return describe_result(folder, kind, listed)
    settings = read_json(folder / "settings.json", ListedSettings)
    progress = read_progress(folder)
    state = find_state(progress, settings.rounds)
    listed = replace(
        listed,
        rounds=progress.n_rounds,
        rounds_asked=settings.rounds,
        accepted=count_accepted(folder),
        next_step=progress.next_step if state in ("at work", "stopped") else None,
    )
    baseline = folder / "round-00/baseline.json"
    if baseline.exists():
        listed = replace(listed, before=read_report_head(baseline).share)
    heads = [
        read_report_head(folder / f"round-{r:02d}/evaluate.json")
        for r in range(progress.n_rounds)
    ]
    if heads:
        is_best = settings.keep == "best"
        # The first of the best ones, as the run has it.
        best = max(heads, key=lambda head: head.accuracy)
        listed = replace(listed, after=(best if is_best else heads[-1]).share)
    return replace(listed, state=state)


def describe_result(folder: Path, kind: FolderKind, listed: ListedRun) -> ListedRun:
    """Of an evaluation or a ranking: one step is all that it is for."""
    names = ["select"] if kind == "ranking" else ["test", "evaluate"]
    paths = [folder / f"round-00/{name}.json" for name in names]
    result = next((path for path in paths if path.exists()), None)
    if result is None:
        is_running = read_progress(folder).is_at_work
        return replace(listed, state="at work" if is_running else "stopped")
    if kind == "evaluation":
        head = read_report_head(result)
        listed = replace(listed, after=head.share, split=head.split)
    return replace(listed, state="finished")


def describe_comparison(folder: Path, listed: ListedRun) -> ListedRun:
    """Its arms, and how many of their runs are finished. Which are still to come no file says."""
    runs = [arm for arm in sorted(folder.glob("repeat-*/*")) if is_arm(arm)]
    states: list[RunState] = []
    for run in runs:
        path = run / "settings.json"
        settings = (
            read_json(path, ListedSettings) if path.exists() else ListedSettings()
        )
        states.append(find_state(read_progress(run), settings.rounds))
    n_done = sum(state in ("finished", "ended early") for state in states)
    bases = folder.glob(f"repeat-*/{SHARED_ARM}")
    is_at_work = "at work" in states or any(
        read_progress(base).is_at_work for base in bases
    )
    is_done = n_done == len(runs) and (folder / "findings.csv").exists()
    state: RunState = "finished" if is_done else "stopped"
    first = read_json(runs[0] / "config.json", ListedConfig) if runs else None
    return replace(
        listed,
        state="at work" if is_at_work else state,
        task=first.task.name if first else None,
        student=first.student.model if first else None,
        criterion=", ".join(sorted({run.name for run in runs})) or None,
        runs_done=n_done,
        runs_begun=len(runs),
    )


def find_change_time(folder: Path) -> str | None:
    """When a file of it last changed. While a step is at work, its shards lie in its own folder."""
    folders = [folder]
    for run in (folder, *filter(is_arm, sorted(folder.glob("repeat-*/*")))):
        rounds = list_round_folders(run)
        last = rounds[-1:]
        parts = [part for round in last for part in round.iterdir() if part.is_dir()]
        folders += [run, *last, *parts]
    changed = find_last_change(folders)
    if changed is None:
        return None
    return datetime.fromtimestamp(changed, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
