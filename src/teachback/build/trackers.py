"""From the config to the trackers that hear of a run."""

from functools import partial
from pathlib import Path

from ..config.config import Config
from ..config.tracked_params import list_tracked_params
from ..ledger.costs import Spend
from ..pages.run_page import PAGE_FILE
from ..run.directory import Run
from ..trackers.function import check_functions
from ..trackers.run_tracking import RunTracking, TrackingPlan
from ..trackers.tracker import TrackedRun
from .run import ReadyRun
from .tracker_process import import_tracker_function

PROGRAM = "from teachback.build.tracker_process import serve_tracker; serve_tracker()"


def open_tracking(
    ready: ReadyRun, run: Run, *, name: str, group: str | None = None
) -> RunTracking:
    """name: the run's. group: the comparison that it is an arm of.

    Raises ConfigError for a function of the user's that is not there.
    """
    config = ready.config
    check_functions(config.track, import_tracker_function)
    plan = TrackingPlan(
        trackers=config.track,
        program=PROGRAM,
        describe_run=partial(describe_run, config, run.folder, name, group),
        read_spend=partial(read_spend_before, ready),
        last_step="test" if ready.parts.test else "evaluate",
        report=run.folder / PAGE_FILE,
    )
    return RunTracking(run, plan)


def describe_run(
    config: Config, folder: Path, name: str, group: str | None, id: str
) -> TrackedRun:
    return TrackedRun(
        id=id,
        # Some trackers tell runs apart by their names alone.
        name=f"{name}-{id[:6]}",
        group=group,
        folder=str(folder.absolute()),
        params=list_tracked_params(config),
    )


def read_spend_before(ready: ReadyRun, round: int) -> Spend:
    return ready.ledger.spend(before_round=round)
