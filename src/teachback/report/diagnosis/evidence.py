"""What a run's files say, as far as a diagnosis needs it. No model and no data file is read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ...metrics.statistics import PairedChange, paired_change
from ...run.cleanup import select_final_student
from ...run.digests import read_verified
from ...run.files import flatten
from ...run.history import read_step
from ...types import Attempts, Report, ReportItem, Round, Row

SURE = 2.0  # standard errors


@dataclass(frozen=True)
class NllChange:
    """How the mean nll of the gold solutions changed, over the questions that have one."""

    before: float
    after: float
    # Of the mean of the questions' changes.
    standard_error: float

    @property
    def relative(self) -> float:
        return (self.after - self.before) / self.before if self.before else 0.0

    @property
    def is_sure(self) -> bool:
        return abs(self.after - self.before) > SURE * self.standard_error


@dataclass(frozen=True)
class RunEvidence:
    baseline: Report
    rounds: Sequence[Round]  # one at least
    # By dotted key: finetune.lr. A key that the run doesn't have is missing.
    settings: Mapping[str, Any]
    n_given_rows: int = 0
    # Of the last round, where dev answers were cut off: (cut off, all) seeds.
    cut_seeds: tuple[int, int] | None = None

    @property
    def after(self) -> Report:
        """Of the student that the run hands over."""
        past = self.rounds
        last = past[-1].student
        final = select_final_student(past, last, self.settings.get("keep", "last"))
        if final == last:
            return past[-1].report
        return next(done.report for done in past if done.student == final)

    @cached_property
    def pairs(self) -> list[tuple[ReportItem, ReportItem]]:
        """Each dev question, before and after."""
        return pair_items(self.baseline, self.after)

    @property
    def failed(self) -> list[tuple[ReportItem, ReportItem]]:
        return [pair for pair in self.pairs if pair[1].outcome != "right"]

    @property
    def change(self) -> PairedChange:
        return measure_change(self.baseline, self.after)

    @property
    def nll(self) -> NllChange | None:
        return measure_nll_change(self.pairs)

    @property
    def n_rows(self) -> int:
        """Rows that the run has to train on."""
        return self.n_given_rows + sum(len(done.fresh.rows) for done in self.rounds)

    def number(self, key: str) -> float | None:
        """A setting, where it is a number."""
        value = self.settings.get(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number else None

    @property
    def n_steps(self) -> int | None:
        """Optimiser steps behind the last student; None: the settings don't say."""
        epochs = self.number("finetune.epochs")
        rows_per_step = self.number("finetune.rows_per_step")
        if not epochs or not rows_per_step:
            return None
        return sum(ceil(n * epochs / rows_per_step) for n in self.rows_trained_on())

    def rows_trained_on(self) -> list[int]:
        """The sizes of the trainings that made the last student, one after the other."""
        if self.settings.get("finetune.restart", "base") == "base":
            return [self.n_rows]
        replay = self.number("finetune.replay") or 0.0
        sizes = [self.n_given_rows]
        earlier = self.n_given_rows
        for done in self.rounds:
            fresh = len(done.fresh.rows)
            sizes.append(fresh + round(replay * earlier) if fresh else 0)
            earlier += fresh
        return sizes


def pair_items(before: Report, after: Report) -> list[tuple[ReportItem, ReportItem]]:
    earlier = {item.id: item for item in before.items}
    return [(earlier[item.id], item) for item in after.items if item.id in earlier]


def measure_change(before: Report, after: Report) -> PairedChange:
    """How accuracy changed, over the questions of both reports."""
    pairs = pair_items(before, after)
    is_right = [(a.outcome == "right", b.outcome == "right") for a, b in pairs]
    return paired_change(
        len(pairs), is_right.count((False, True)), is_right.count((True, False))
    )


def measure_nll_change(
    pairs: Sequence[tuple[ReportItem, ReportItem]],
) -> NllChange | None:
    """None for fewer than two questions with a gold solution."""
    known = [
        (before.gold_nll, after.gold_nll)
        for before, after in pairs
        if before.gold_nll is not None and after.gold_nll is not None
    ]
    if len(known) < 2:
        return None
    changes = [after - before for before, after in known]
    return NllChange(
        fmean(before for before, _ in known),
        fmean(after for _, after in known),
        stdev(changes) / sqrt(len(changes)),
    )


def read_evidence(
    folder: Path, baseline: Report, rounds: Sequence[Round]
) -> RunEvidence:
    """rounds: the finished ones of the run in `folder`, one at least."""
    given: Sequence[Row] = read_step(folder / "round-00", "given") or ()
    last_round = folder / f"round-{len(rounds) - 1:02d}"
    was_cut = rounds[-1].report.outcomes.get("truncated", 0)
    return RunEvidence(
        baseline,
        rounds,
        read_settings(folder),
        n_given_rows=len(given),
        # The answers to every seed are a large file: it is read where it can tell something.
        cut_seeds=count_cut_seeds(last_round) if was_cut else None,
    )


def count_cut_seeds(round_folder: Path) -> tuple[int, int] | None:
    attempts: Attempts | None = read_step(round_folder, "attempt")
    if attempts is None:
        return None
    return sum(attempt.truncated for attempt in attempts.rows), len(attempts.rows)


def read_settings(folder: Path) -> dict[str, object]:
    """The run's config by dotted key, with what may change from start to start."""
    computed = json.loads(read_verified(folder / "config.json"))
    free = json.loads((folder / "settings.json").read_bytes())
    return {**flatten(computed), **flatten(free)}
