"""`wandb`: Weights & Biases, as the user's own login and WANDB_MODE say."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import PROJECT, TrackedRun


class WandbTracker:
    """A resumed run goes on in the same run there, after its last step.

    In offline mode each start writes a folder with all steps.
    """

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        self._id = run.id
        # Of the machine and the code nothing is sent: this process is not the run.
        settings = wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            silent=True,
            x_disable_stats=True,
        )
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=run.id,
            name=run.name,
            group=run.group,
            resume="allow",
            settings=settings,
        )
        self._run.config.update(dict(run.params), allow_val_change=True)
        # 0 of a new run; else the step after the last one.
        self._first_step = self._run.starting_step
        self.place = self._run.url or f"wandb sync {Path(self._run.dir).parent}"

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        if step >= self._first_step:
            # commit: without it wandb keeps a step back until the next one.
            self._run.log(dict(metrics), step=step, commit=True)

    def log_report(self, path: Path) -> None:
        import wandb

        artifact = wandb.Artifact(f"report-{self._id}", type="report")
        artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def close(self) -> None:
        self._run.finish()
