"""`tensorboard`: an event file in the run's own folder."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import TrackedRun

FOLDER = "tensorboard"
CONFIG_TAG = "config"


class TensorBoardTracker:
    """Writes one file with all steps, and removes those of earlier starts.

    An event file can't be continued: two files with the same steps would show them twice.
    """

    def __init__(self, run: TrackedRun) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = Path(run.folder, FOLDER)
        earlier = [*folder.glob("events.out.tfevents.*")]
        self._writer: Any = EventFileWriter(str(folder))
        for file in earlier:
            file.unlink()
        self.place = f"tensorboard --logdir {folder}"
        self._write(0, make_config_value(run.params))

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=name, simple_value=metrics[name]) for name in metrics
        ]
        self._write(step, *values)

    def log_report(self, path: Path) -> None:
        """TensorBoard shows no files. The page lies beside the folder."""

    def close(self) -> None:
        self._writer.close()

    def _write(self, step: int, *values: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=values)
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()


def make_config_value(params: Mapping[str, str]) -> Any:
    """The config as a text: TensorBoard's tab Text shows it."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    lines = [f"    {key}: {value}" for key, value in params.items()]
    return Summary.Value(
        tag=CONFIG_TAG,
        metadata=create_summary_metadata(display_name=CONFIG_TAG, description=""),
        tensor=TensorProto(dtype=DT_STRING, string_val=["\n".join(lines).encode()]),
    )
