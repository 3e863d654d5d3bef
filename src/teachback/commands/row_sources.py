"""What a run's page shows of its rows that the run's steps don't hold: questions, raw replies."""

import json
from collections.abc import Sequence
from pathlib import Path

from ..build.task import make_task
from ..config.config import Config
from ..config.reading import read_run_config
from ..config.trust import refuse_unknown_actions
from ..endpoints.raw_text import read_raw_text
from ..errors import TeachbackError
from ..pages.row_browser import RowSources
from ..pages.sources import SeedPool
from ..run.digests import read_verified
from ..run.inputs import make_inputs
from ..types import Example
from .read_run import open_run_ledger


def read_row_sources(folder: Path, *, trust: bool = False) -> RowSources:
    """trust: the user has said that a function which the run's task names may be called.

    Where the pool can't be read, or is no longer the run's, a note says why in its place.
    """
    config = read_run_config(folder)
    with open_run_ledger(folder, config.repeat) as ledger:
        replies = ledger.replies()
    pool = read_seed_pool(folder, config, trust=trust)
    return RowSources(pool.seeds, replies, read_raw_text, pool.notes)


def read_seed_pool(folder: Path, config: Config, *, trust: bool) -> SeedPool:
    """Where the pool can't be read, or is no longer the run's, it is empty, with a note."""
    try:
        seeds = read_pool(folder, config, trust)
    except TeachbackError as error:
        first_line = str(error).partition("\n")[0]
        note = f"the seeds' questions can't be shown: {first_line}"
        return SeedPool((), (note,))
    if seeds is None:
        note = "the seeds' questions can't be shown: the task's data changed since the run started"
        return SeedPool((), (note,))
    return SeedPool(seeds)


def read_pool(folder: Path, config: Config, trust: bool) -> Sequence[Example] | None:
    """The run's seeds from the task's data; None where these are others by now."""
    calls_function = getattr(config.task, "function", None) is not None
    if calls_function and not trust:
        refuse_unknown_actions(config, folder)
    task = make_task(config.task, config.repeat)
    found = make_inputs(task, model="", precision="", teacher="")["seeds"]
    kept = json.loads(read_verified(folder / "inputs.json"))["seeds"]
    return task.seeds if found == kept else None
