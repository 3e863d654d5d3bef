"""What a tracker is, and an entry of `TRACKERS`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# The project or experiment that runs are kept in, unless the user's own environment names one.
PROJECT = "teachback"


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run before its first round."""

    # The same at every start of the run, and another one for any other run.
    id: str
    name: str
    # The comparison that the run is an arm of.
    group: str | None
    folder: str
    # The config by dotted key, without secrets.
    params: Mapping[str, str]


class Tracker(Protocol):
    """Hears of one run. It works in a process of its own, and may raise anything."""

    @property
    def place(self) -> str:
        """Where a person finds the run; empty: nowhere that could be said."""

    def log_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """step: how many rounds are finished. Every start tells all steps, from 0 on."""

    def log_report(self, path: Path) -> None:
        """The run's page, at its end."""

    def close(self) -> None:
        """Sends what is left."""


@dataclass(frozen=True)
class RegisteredTracker:
    # start(run): a new run there, or the one that an earlier start began
    start: Callable[[TrackedRun], Tracker]
    # Modules that it needs of an extra.
    modules: tuple[str, ...]
