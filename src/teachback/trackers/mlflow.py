"""`mlflow`: a server or a database, as MLFLOW_TRACKING_URI says; default: ./mlflow.db."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import PROJECT, TrackedRun

ID_TAG = "teachback_id"
GROUP_TAG = "teachback_group"
# It is part of every step, so it tells which steps are there.
STEP_METRIC = "rounds"
MAX_PARAMS = 100  # of one request
MAX_VALUE_CHARS = 500


class MLflowTracker:
    """A resumed run goes on in the same run there, with the steps that are missing.

    Params stay those of the first start: MLflow refuses to change one.
    """

    def __init__(self, run: TrackedRun) -> None:
        from mlflow import MlflowClient

        self._client: Any = MlflowClient()
        experiment = self._find_experiment()
        earlier = self._client.search_runs(
            [experiment], f"tags.`{ID_TAG}` = '{run.id}'", max_results=1
        )
        if earlier:
            self._run_id = earlier[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
        else:
            self._run_id = self._begin_run(experiment, run)
        points = self._client.get_metric_history(self._run_id, STEP_METRIC)
        self._known_steps = {point.step for point in points}
        # A server's address may hold a password.
        address = re.sub("//[^/@]*@", "//", self._client.tracking_uri)
        self.place = f"run {run.name} in {address}"

    def _find_experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self._client.get_experiment_by_name(name)
        if found:
            return str(found.experiment_id)
        return str(self._client.create_experiment(name))

    def _begin_run(self, experiment: str, run: TrackedRun) -> str:
        from mlflow.entities import Param

        tags = {ID_TAG: run.id, **({GROUP_TAG: run.group} if run.group else {})}
        begun = self._client.create_run(experiment, run_name=run.name, tags=tags)
        run_id: str = begun.info.run_id
        params = [Param(key, run.params[key][:MAX_VALUE_CHARS]) for key in run.params]
        for start in range(0, len(params), MAX_PARAMS):
            part = params[start : start + MAX_PARAMS]
            self._client.log_batch(run_id, params=part)
        return run_id

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        if step in self._known_steps:
            return
        now = int(time.time() * 1000)
        values = [Metric(name, metrics[name], now, step) for name in metrics]
        self._client.log_batch(self._run_id, metrics=values)

    def log_report(self, path: Path) -> None:
        self._client.log_artifact(self._run_id, str(path))

    def close(self) -> None:
        self._client.set_terminated(self._run_id)
