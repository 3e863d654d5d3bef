"""`trackio`: a database on this machine, or a Space, as TRACKIO_SPACE_ID says."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import PROJECT, TrackedRun


class TrackioTracker:
    """A resumed run goes on in the run of the same name, after its last step."""

    def __init__(self, run: TrackedRun) -> None:
        import trackio

        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        self._run: Any = trackio.init(
            project=project,
            name=run.name,
            group=run.group,
            config=dict(run.params),
            resume="allow",
            embed=False,
            # Of the machine nothing is kept: this process is not the run.
            auto_log_cpu=False,
            auto_log_gpu=False,
        )
        # After the last step that is there, on this machine or in a Space. No public name says it.
        self._first_step: int = self._run._next_step
        self.place = self._run.url or f"trackio show --project {project}"

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        if step >= self._first_step:
            self._run.log(dict(metrics), step=step)

    def log_report(self, path: Path) -> None:
        # The same content again makes no new version.
        name = f"report-{self._run.name}"
        self._run.log_artifact(str(path), name=name, type="report")

    def close(self) -> None:
        self._run.finish()
