"""`teachback run`: the whole loop, in a run's directory."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..build.run import make_ready_run, refuse_total_budget
from ..build.trackers import open_tracking
from ..config.config import Config
from ..errors import ConfigError, DiskError, MissingPackages
from ..loop import History, teach
from ..report.diagnosis.diagnose import read_diagnosis
from ..run import history
from ..run.directory import Event, Run
from ..run.steps import ROUND_STEPS
from ..types import Example
from .results import Result
from .run_page import leave_run_page


def teach_student(config: Config, listen: Callable[[Event], None]) -> Result:
    """Runs the loop to its end, or goes on with it."""
    refuse_total_budget(config)
    refuse_fewer_rounds(config)
    with (
        Run(config.run_dir, keep=config.keep, listen=listen) as opened,
        make_ready_run(config, opened) as ready,
        open_tracking(ready, opened, name=config.run_dir.name),
    ):
        seeds = ready.task.seeds
        past = teach(opened, ready.parts, ready.base, seeds, config.rounds)
        page = try_run_page(opened, seeds)
        return Result(
            history=past,
            spend=ready.ledger.spend(),
            run_dir=opened.folder,
            student=opened.path(past.student),
            closed_early=was_closed_early(past, config),
            overrun_reason=ready.ledger.overrun_reason,
            repeat=config.repeat,
            diagnosis=read_diagnosis(
                opened.folder,
                history.RunHistory(past.baseline, past.rounds, ROUND_STEPS[0]),
            ),
            page=page,
        )


def try_run_page(run: Run, seeds: Sequence[Example]) -> Path | None:
    """The page of a finished run, or None and a note: it is no part of the run."""
    try:
        return leave_run_page(run.folder, seeds)
    except (MissingPackages, DiskError) as error:
        run.note("page", f"there is no page of this run: {error}")
        return None


def refuse_fewer_rounds(config: Config) -> None:
    """Growth only (R4): the rounds that are done can't be taken back."""
    n_finished = 0
    if config.run_dir.exists():
        n_finished = len(history.read_history(config.run_dir).rounds)
    if config.rounds is not None and config.rounds < n_finished:
        raise ConfigError(
            f"rounds is below the {n_finished} that the run in {config.run_dir} has finished",
            got=config.rounds,
            allowed=f"{n_finished} or more",
            fix="raise rounds, or use another --run-dir",
        )


def was_closed_early(past: History, config: Config) -> bool:
    """Whether there are fewer rounds than asked for, or the budget cut the last one."""
    if config.rounds is None:
        return False
    # A round that was cut earlier stays as it is, and a raised budget went on after it.
    last = past.rounds[-1].fresh if past.rounds else None
    n_last_pairs = len(last.rows) + len(last.rejected) if last else 0
    return len(past.rounds) < config.rounds or n_last_pairs < config.per_round
