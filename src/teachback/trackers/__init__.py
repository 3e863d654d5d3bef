"""Tells experiment trackers what each round brought. One tracker a file; `TRACKERS` names them.

To add a tracker, write its file and add its line below.
"""

from collections.abc import Mapping

from .mlflow import MLflowTracker
from .tensorboard import TensorBoardTracker
from .tracker import RegisteredTracker
from .trackio import TrackioTracker
from .wandb import WandbTracker

TRACKERS: Mapping[str, RegisteredTracker] = {
    "trackio": RegisteredTracker(TrackioTracker, ("trackio",)),
    "wandb": RegisteredTracker(WandbTracker, ("wandb",)),
    "mlflow": RegisteredTracker(MLflowTracker, ("mlflow",)),
    "tensorboard": RegisteredTracker(TensorBoardTracker, ("tensorboard",)),
}
