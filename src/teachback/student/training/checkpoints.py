"""Checkpoints of a round's finetuning: where it goes on after a kill."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...run.files import fsync_path


def make_checkpoint_callback(
    checkpoints: Path, every_s: float, tell: Callable[[int, int], None]
) -> Any:
    """Reports progress, and saves a checkpoint every so often.

    A file `complete` in it, written last, commits it.
    """
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):  # type: ignore[misc]
        saved = time.monotonic()

        def on_step_end(
            self, args: Any, state: Any, control: Any, **kwargs: Any
        ) -> None:
            tell(state.global_step, state.max_steps)
            if (
                time.monotonic() - self.saved >= every_s
                and state.global_step < state.max_steps
            ):
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            folder = checkpoints / f"checkpoint-{state.global_step}"
            for path in [p for p in folder.rglob("*") if p.is_file()]:
                fsync_path(path)
            (folder / "complete").touch()
            fsync_path(folder)
            for older in checkpoints.glob("checkpoint-*"):
                if older != folder:
                    shutil.rmtree(older)
            self.saved = time.monotonic()

    return Watcher()


def find_last_checkpoint(checkpoints: Path) -> str | None:
    finished = [
        p for p in checkpoints.glob("checkpoint-*") if (p / "complete").exists()
    ]
    for unfinished in set(checkpoints.glob("checkpoint-*")) - set(finished):
        shutil.rmtree(unfinished)
    return (
        str(max(finished, key=lambda p: int(p.name.split("-")[1])))
        if finished
        else None
    )
