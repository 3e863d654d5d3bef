"""One of the two runs, as its files have it. Each file is read when it is needed, and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import ConfigError, DataError
from ...run.digests import read_digests, read_verified
from ...run.files import flatten, parse_kept_json
from ...run.history import list_round_folders, read_step
from ...run.identity import COMPARISON_MARKER, check_format
from ...run.steps import STEPS, STEPS_ON_REQUEST
from ...types import Report
from .values import RunPurchases


class StepPlace(NamedTuple):
    """A step of a round. They sort in the order in which a run takes them."""

    round: int
    order: int  # in the table of steps

    @property
    def step(self) -> str:
        return tuple(STEPS)[self.order]

    @property
    def is_on_request(self) -> bool:
        return self.step in STEPS_ON_REQUEST

    def __str__(self) -> str:
        return f"round {self.round}, {self.step}"


@dataclass(frozen=True)
class RunFiles:
    folder: Path
    purchases: RunPurchases | None = None  # None: without a ledger

    @cached_property
    def places(self) -> tuple[StepPlace, ...]:
        """The finished steps, in order."""
        return tuple(
            StepPlace(r, order)
            for r, round_folder in enumerate(list_round_folders(self.folder))
            for order, name in enumerate(STEPS)
            if (round_folder / f"{name}.json").exists()
        )

    def path(self, place: StepPlace) -> Path:
        return self.folder / f"round-{place.round:02d}" / f"{place.step}.json"

    def read_bytes(self, place: StepPlace) -> bytes:
        return read_verified(self.path(place))

    def read_value(self, place: StepPlace) -> Any:
        path = self.path(place)
        return parse_kept_json(read_verified(path), STEPS[place.step].value_type, path)

    def other_digests(self, place: StepPlace) -> dict[str, str]:
        """By name: the digests of the arrays and weights that the step has committed."""
        path = self.path(place)
        return {
            name: digest for digest, name in read_digests(path) if name != path.name
        }

    @cached_property
    def config(self) -> dict[str, object]:
        return flatten(read_kept(self.folder / "config.json"))

    @cached_property
    def inputs(self) -> dict[str, object]:
        return flatten(read_kept(self.folder / "inputs.json"))

    @property
    def repeat(self) -> int:
        """The run's own, under which the ledger keeps its calls."""
        repeat = self.config.get("repeat")
        if not isinstance(repeat, int):
            raise DataError(
                f"{self.folder / 'config.json'} is no config of a run",
                got=f"repeat {repeat!r}",
                allowed="a whole number",
            )
        return repeat

    @cached_property
    def settings(self) -> dict[str, object]:
        """It has no digest: each start writes it anew."""
        path = self.folder / "settings.json"
        try:
            return flatten(json.loads(path.read_bytes())) if path.exists() else {}
        except ValueError as error:
            raise DataError(
                f"{path} can't be read back",
                got=error,
                fix="start the run again by its config: that writes it anew",
            ) from error

    @cached_property
    def reports(self) -> Mapping[str, Report]:
        """On dev: of the untuned student, and of each finished round's."""
        baseline = read_step(self.folder / "round-00", "baseline")
        reports = {"untuned": baseline} if baseline else {}
        for place in self.places:
            if place.step == "evaluate":
                reports[f"round {place.round}"] = self.read_value(place)
        return reports


def open_run_files(folder: Path, purchases: RunPurchases | None = None) -> RunFiles:
    """Raises ConfigError where there is no run, and InputsChanged for one in another format."""
    check_format(folder)
    if (folder / COMPARISON_MARKER).exists():
        raise ConfigError(
            f"{folder} is a comparison, and two runs can be compared",
            fix="give the runs of two of its arms, such as "
            f"{folder}/repeat-0/random and {folder}/repeat-0/loss",
        )
    missing = [
        name for name in ("config.json", "inputs.json") if not (folder / name).is_file()
    ]
    if missing:
        raise ConfigError(
            f"no run in {folder}",
            got=f"no {missing[0]}",
            fix="give the directory of a run, such as runs/demo",
        )
    return RunFiles(folder, purchases)


def read_kept(path: Path) -> Any:
    """The content of config.json or inputs.json. Raises DataError if it isn't as it was written."""
    content = read_verified(path)
    return json.loads(content)
