"""What the page of a comparison is made from: the runs in its folder, as far as they have come."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...config.reading import read_run_config
from ...pages.sources import SeedPool
from ...report.run_table.progress_files import (
    ListedSettings,
    find_state,
    read_progress,
)
from ...report.run_table.values import RunState
from ...run.files import read_json
from ...run.history import read_history
from ...run.identity import MARKER_FILE
from ...types import Report, Round
from ..arm_results import read_arm_result, read_reports
from ..places import BASE_ARM, RunPlace
from ..summarise import DEFAULT_REFERENCE, Comparison, summarise_comparison
from ..teacher_spend import read_comparison_spend

# read_pool(place): the seeds of an arm's repeat.
ReadPool = Callable[[RunPlace], SeedPool]


@dataclass(frozen=True)
class ArmRun:
    """An arm in one repeat, as far as it has come."""

    place: RunPlace
    state: RunState
    rounds: tuple[Round, ...]  # the finished ones
    reports: tuple[
        Report, ...
    ]  # untuned, and after each round; empty: not measured yet

    @property
    def is_done(self) -> bool:
        return self.state in ("finished", "ended early")

    @property
    def has_curve(self) -> bool:
        return len(self.reports) > 1


@dataclass(frozen=True)
class ComparisonSources:
    root: Path
    # Of the repeats that count; None: no arm can be compared with another yet
    comparison: Comparison | None
    arms: tuple[str, ...]
    runs: tuple[ArmRun, ...]  # all that have begun, of other arms too
    repeats: tuple[int, ...]  # that count
    pools: Mapping[int, SeedPool]  # the seeds of these repeats
    notes: tuple[str, ...]

    def counted_runs(self, arm: str) -> list[ArmRun]:
        """The arm's runs in the repeats that count, in their order."""
        return [
            run
            for run in self.runs
            if run.place.arm == arm and run.place.repeat in self.repeats
        ]


def read_comparison_sources(root: Path, read_pool: ReadPool) -> ComparisonSources:
    """From the folder alone, also while the comparison is under way.

    Repeats count in which every arm is done. Where there is none yet, those count in which
    every arm has finished a round.
    """
    runs = read_arm_runs(root)
    arms = choose_arms(root, runs)
    repeats = choose_repeats(runs, arms)
    comparison = None
    if repeats and len(arms) > 1:
        comparison = summarise_comparison(
            [
                read_arm_result(RunPlace(root, arm, repeat))
                for repeat in repeats
                for arm in arms
            ],
            arms,
            read_run_config(runs[0].place.folder).primary,
            read_comparison_spend(root),
        )
    return make_sources(root, comparison, arms, runs, repeats, read_pool)


def add_arm_runs(
    root: Path, comparison: Comparison, read_pool: ReadPool
) -> ComparisonSources:
    """The sources of a comparison that this process has just finished."""
    repeats = sorted({curve.repeat for curve in comparison.curves})
    runs = read_arm_runs(root)
    return make_sources(root, comparison, comparison.arms, runs, repeats, read_pool)


def make_sources(
    root: Path,
    comparison: Comparison | None,
    arms: Sequence[str],
    runs: Sequence[ArmRun],
    repeats: Sequence[int],
    read_pool: ReadPool,
) -> ComparisonSources:
    pools = {repeat: read_pool(RunPlace(root, arms[0], repeat)) for repeat in repeats}
    notes = [
        *(comparison.notes if comparison else ()),
        *list_left_out(runs, arms, repeats),
        # The same reason holds for every repeat
        *dict.fromkeys(note for pool in pools.values() for note in pool.notes),
    ]
    return ComparisonSources(
        root, comparison, tuple(arms), tuple(runs), tuple(repeats), pools, tuple(notes)
    )


# -- what is in the folder -----------------------------------------------------------------


def read_arm_runs(root: Path) -> list[ArmRun]:
    """By repeat, then by the arm's name."""
    folders = [
        folder
        for folder in root.glob("repeat-[0-9]*/*")
        if folder.parent.name.removeprefix("repeat-").isdecimal()
        and folder.name != BASE_ARM
        and (folder / MARKER_FILE).is_file()
    ]
    places = [
        RunPlace(root, folder.name, int(folder.parent.name.removeprefix("repeat-")))
        for folder in folders
    ]
    in_order = sorted(places, key=lambda place: (place.repeat, place.arm))
    return list(map(read_arm_run, in_order))


def read_arm_run(place: RunPlace) -> ArmRun:
    path = place.folder / "settings.json"
    settings = read_json(path, ListedSettings) if path.exists() else ListedSettings()
    state = find_state(read_progress(place.folder), settings.rounds)
    history = read_history(place.folder)
    reports: Sequence[Report] = ()
    if history.baseline is not None:
        reports = read_reports(place, history.rounds)
    return ArmRun(place, state, history.rounds, tuple(reports))


def choose_arms(root: Path, runs: Sequence[ArmRun]) -> tuple[str, ...]:
    """Those of the last comparison that was finished here; before it, all that have begun."""
    path = root / "curves.csv"
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            arms = [row["arm"] for row in csv.DictReader(file)]
    else:
        arms = sorted(run.place.arm for run in runs)
        if DEFAULT_REFERENCE in arms:
            arms.insert(0, DEFAULT_REFERENCE)
    return tuple(dict.fromkeys(arms))


def choose_repeats(runs: Sequence[ArmRun], arms: Sequence[str]) -> list[int]:
    started = [run for run in runs if run.place.arm in arms and run.has_curve]
    done = [run for run in started if run.is_done]
    return find_whole_repeats(done, arms) or find_whole_repeats(started, arms)


def find_whole_repeats(runs: Sequence[ArmRun], arms: Sequence[str]) -> list[int]:
    """The repeats of which every arm is among the runs."""
    places = {(run.place.repeat, run.place.arm) for run in runs}
    repeats = sorted({repeat for repeat, _ in places})
    return [r for r in repeats if all((r, arm) in places for arm in arms)]


def list_left_out(
    runs: Sequence[ArmRun], arms: Sequence[str], repeats: Sequence[int]
) -> Iterator[str]:
    """Notes on what has begun and does not count, or is not done and counts."""
    begun = sorted({run.place.repeat for run in runs if run.place.arm in arms})
    missing = [str(repeat) for repeat in begun if repeat not in repeats]
    if repeats and missing:
        yield (
            f"repeat {', '.join(missing)} does not count yet: "
            "some of its arms are not done"
        )
    open_runs = [r for r in runs if r.place.arm in arms and r.place.repeat in repeats]
    if not all(run.is_done for run in open_runs):
        yield "under way: the arms have not finished their rounds, so all of this will change"
    others = dict.fromkeys(run.place.arm for run in runs if run.place.arm not in arms)
    if others:
        yield f"not in the last finished comparison: {', '.join(others)}"
