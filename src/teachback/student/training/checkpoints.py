"""Checkpoints of a round's finetuning, from which it resumes after a kill."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import DataError, StudentError
from ...run.digests import commit_with_digest, verify_files
from ...run.files import fsync_path

# Written last: a checkpoint without it was killed half-way.
COMPLETE_FILE = "complete"


def make_checkpoint_callback(
    checkpoints: Path, every_s: float, on_progress: Callable[[int, int], None]
) -> Any:
    """A callback for Trainer that reports progress and saves checkpoints.

    on_progress(done, total) counts optimiser steps. Only the last checkpoint is kept.
    """
    from transformers import TrainerCallback

    class CheckpointCallback(TrainerCallback):  # type: ignore[misc]
        saved_at_s = time.monotonic()

        def on_step_end(
            self, args: Any, state: Any, control: Any, **kwargs: Any
        ) -> None:
            on_progress(state.global_step, state.max_steps)
            is_due = time.monotonic() - self.saved_at_s >= every_s
            # After the last step the student itself is saved.
            if is_due and state.global_step < state.max_steps:
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            folder = checkpoints / f"checkpoint-{state.global_step}"
            commit_checkpoint(folder)
            for older in checkpoints.glob("checkpoint-*"):
                if older != folder:
                    shutil.rmtree(older)
            self.saved_at_s = time.monotonic()

    return CheckpointCallback()


def commit_checkpoint(folder: Path) -> None:
    """Mark a checkpoint as complete, once its files are on the disk."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        fsync_path(path)
    commit_with_digest(folder / COMPLETE_FILE, b"", files)


def find_last_checkpoint(checkpoints: Path) -> str | None:
    """The newest complete checkpoint. Deletes those that were killed half-way.

    Raises StudentError for one that isn't as it was written.
    """
    complete = []
    for folder in list(checkpoints.glob("checkpoint-*")):
        if (folder / COMPLETE_FILE).exists():
            complete.append(folder)
        else:
            shutil.rmtree(folder)
    if not complete:
        return None
    newest = max(complete, key=lambda folder: int(folder.name.split("-")[1]))
    try:
        verify_files(newest / COMPLETE_FILE, below=newest)
    except DataError as error:
        raise StudentError(
            "finetuning can't resume from its last checkpoint",
            got=str(error).partition("\n")[0],
            fix=f"remove {checkpoints}: this round's finetuning then starts anew",
        ) from error
    return str(newest)
