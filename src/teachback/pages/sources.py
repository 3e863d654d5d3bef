"""What a page is made from: the files of a run, and what only its config or its task can tell."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ..ledger.costs import Budget
from ..report.diagnosis.evidence import RunEvidence, read_evidence
from ..report.values import RunStatus, is_round_open
from ..run.history import read_step
from ..types import Curation, Example, Selection
from .row_browser import RowSources

# Of the run's config, where it has them.
SHOWN_SETTINGS = (
    "task.name",
    "task.dataset",
    "student.model",
    "student.max_new_tokens",
    "teacher.name",
    "teacher.model",
    "criterion.name",
    "per_round",
    "rounds",
    "finetune.method",
    "finetune.lr",
    "finetune.epochs",
    "seed",
)


class SeedPool(NamedTuple):
    """The seeds of a run, from its task's data."""

    seeds: Sequence[Example]
    notes: tuple[str, ...] = ()  # why they are not known, if they aren't


@dataclass(frozen=True)
class PageSources:
    """A run, as far as it has come."""

    status: RunStatus
    # The sum of the worst cases of all calls that were sent; None: it isn't known.
    reserved: Budget | None
    # The seeds and the raw replies, which no step holds.
    rows: RowSources

    @property
    def folder(self) -> Path:
        return self.status.folder

    @property
    def is_open(self) -> bool:
        """Whether a round is under way, or fewer are finished than were asked for."""
        status = self.status
        wanted = status.max_rounds or 0
        return is_round_open(status.history) or len(status.history.rounds) < wanted

    @property
    def fields(self) -> Sequence[str]:
        """The meta fields by which the task breaks down its accuracy."""
        baseline = self.status.history.baseline
        return tuple(baseline.by) if baseline else ()

    @cached_property
    def evidence(self) -> RunEvidence | None:
        """What the finished rounds say; None before the first one."""
        history = self.status.history
        if history.baseline is None or not history.rounds:
            return None
        return read_evidence(self.folder, history.baseline, history.rounds)

    @cached_property
    def rounds(self) -> tuple["PageRound", ...]:
        """The finished rounds, then the one under way if it has selected seeds."""
        return tuple(self._read_rounds())

    @cached_property
    def seconds(self) -> Counter[tuple[int, str]]:
        """How long each step took, by its round and name."""
        return read_seconds(self.folder / "timings.jsonl")

    def _read_rounds(self) -> Iterator["PageRound"]:
        finished = self.status.history.rounds
        for r, done in enumerate(finished):
            yield PageRound(r, self._round_folder(r), done.chosen, done.fresh)
        r = len(finished)
        chosen = read_step(self._round_folder(r), "select")
        if chosen is not None:
            fresh = read_step(self._round_folder(r), "curate")
            yield PageRound(r, self._round_folder(r), chosen, fresh)

    def _round_folder(self, r: int) -> Path:
        return self.folder / f"round-{r:02d}"


@dataclass(frozen=True)
class PageRound:
    """A round that has selected its seeds."""

    number: int
    folder: Path
    chosen: Selection
    fresh: Curation | None  # None: its drafts are not curated yet

    @cached_property
    def attempt_tokens(self) -> dict[str, int]:
        """The length of the student's own answer, by seed. The file is a large one."""
        attempts = read_step(self.folder, "attempt")
        return {a.id: a.n_tokens for a in attempts.rows} if attempts else {}

    def fate(self, seed: str, n: int) -> str:
        """What became of the draft for the n-th selection of a seed, in words."""
        if self.fresh is None:
            return "not yet known"
        return self._fates.get((seed, n), "no draft")

    @cached_property
    def _fates(self) -> dict[tuple[str | None, int], str]:
        assert self.fresh is not None
        fates: dict[tuple[str | None, int], str] = {}
        for gone in self.fresh.rejected:
            fates[gone.seed, gone.n] = gone.reason
        for row in self.fresh.rows:
            fates[row.seed, row.n] = "accepted"
        return fates


def read_seconds(path: Path) -> Counter[tuple[int, str]]:
    """The seconds in timings.jsonl, which may lack its last line's end while a run is at work."""
    seconds = Counter[tuple[int, str]]()
    if not path.exists():
        return seconds
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "step" in entry:
            seconds[entry["round"], entry["step"]] += entry["seconds"]
    return seconds
