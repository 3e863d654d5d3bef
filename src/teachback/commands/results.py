"""What the functions of `teachback` return. Each shows itself (report/result_view.py)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ..compare.places import RunPlace
from ..compare.sentences import describe_finding
from ..compare.summarise import Comparison, select_curves
from ..compare.tables import make_curve_row, make_finding_row
from ..ledger.costs import PICODOLLARS_PER_USD, Spend
from ..ledger.queries import open_read_only
from ..loop import History
from ..plan.layout import format_count_range, format_usd_range
from ..plan.values import Plan
from ..report.diagnosis.diagnosis import Diagnosis
from ..report.evaluation import accuracy_line
from ..report.facts import call_facts, pick_facts, point_facts
from ..report.formatting import (
    display_path,
    format_accuracy,
    format_count,
    format_usd,
)
from ..report.result_view import ResultView
from ..report.values import RunSummary
from ..run.history import read_history, read_step
from ..types import Example, Pick, Report, Row, Selection

_Rows = Sequence[Mapping[str, object]]
_Tables = Mapping[str, Callable[[], _Rows]]


@dataclass(frozen=True, repr=False)
class Result(ResultView):
    """A run that is finished. Its tables: rounds, rows, calls."""

    history: History
    spend: Spend
    run_dir: Path
    # The folder of the finetuned student.
    student: Path
    # The budget ended the run before the rounds that were asked for.
    closed_early: bool
    # What call used more than its worst case. After it nothing more was sent.
    overrun_reason: str | None
    # The run's own, under which the ledger keeps its calls.
    repeat: int = 0
    # Why the run gained nothing, and what to try next; None: it gained, or had no round.
    diagnosis: Diagnosis | None = None
    # The run as one HTML file; None: it could not be written.
    page: Path | None = None

    def summarise(self) -> RunSummary:
        return RunSummary(
            run_dir=self.run_dir,
            student=self.student,
            baseline=self.history.baseline,
            rounds=self.history.rounds,
            spend=self.spend,
            closed_early=self.closed_early,
            overrun_reason=self.overrun_reason,
            diagnosis=self.diagnosis,
            page=self.page,
        )

    def describe(self) -> str:
        rounds = self.history.rounds
        before = self.history.baseline
        after = rounds[-1].report if rounds else before
        parts = [
            f"dev {format_accuracy(before)} before, "
            f"{format_accuracy(after)} after {len(rounds)} rounds",
            f"{len(self.history.rows)} rows",
            format_spend_briefly(self.spend),
        ]
        if self.closed_early:
            parts.append("the budget closed early")
        return f"{display_path(self.run_dir)}: {'; '.join(parts)}"

    def tables(self) -> _Tables:
        return {
            "rounds": lambda: point_facts(self.history.baseline, self.history.rounds),
            "rows": lambda: [vars(row) for row in self.history.rows],
            "calls": lambda: list_calls(
                self.run_dir / "ledger.sqlite", "main", self.repeat
            ),
        }

    def shown_rows(self) -> _Rows:
        reports = [self.history.baseline, *(r.report for r in self.history.rounds)]
        accepted = [0, *(len(r.fresh.rows) for r in self.history.rounds)]
        return [
            {
                "rounds": n_rounds,
                "dev accuracy": format_accuracy(report),
                "gold nll": report.gold_nll,
                "new rows": n_rows,
            }
            for n_rounds, (report, n_rows) in enumerate(
                zip(reports, accepted, strict=True)
            )
        ]


@dataclass(frozen=True, repr=False)
class RankedSeeds(ResultView):
    """The seeds that a criterion picks. Its table: seeds."""

    selection: Selection
    pool: tuple[Example, ...]  # all seeds

    @property
    def picks(self) -> tuple[Pick, ...]:
        """The best first."""
        return self.selection.picks

    def describe(self) -> str:
        return f"{len(self.picks)} of {len(self.pool)} seeds, the best first"

    def tables(self) -> _Tables:
        return {"seeds": lambda: pick_facts(self.selection, self.pool)}


@dataclass(frozen=True, repr=False)
class Evaluation(ResultView, Report):
    """A report. Its table: items, one for each question."""

    def describe(self) -> str:
        return accuracy_line(self)

    def tables(self) -> _Tables:
        return {"items": lambda: [vars(item) for item in self.items]}

    def shown_rows(self) -> _Rows:
        outcomes = {name: n for name, n in self.outcomes.items() if n}
        return [{"n": self.n, "accuracy": format_accuracy(self), **outcomes}]


@dataclass(frozen=True, repr=False)
class PlannedRun(ResultView, Plan):
    """A plan. Its table: roles, with the low and the high estimate for all rounds."""

    def describe(self) -> str:
        ends = " to ".join(dict.fromkeys([self.ends["low"], self.ends["high"]]))
        n_rounds = self.rounds_asked or "any number of"
        return (
            f"{display_path(Path(self.run_dir))}: {n_rounds} rounds of {self.per_round} pairs; "
            f"{format_count_range(self.within.pairs)} pairs in all, ended by {ends}"
        )

    def tables(self) -> _Tables:
        return {"roles": lambda: list(self._role_rows())}

    def shown_rows(self) -> _Rows:
        return [
            {
                "role": bill.role,
                "model": bill.model,
                "calls": format_count_range(bill.calls),
                "tokens in": format_count_range(bill.input_tokens),
                "tokens out": format_count_range(bill.output_tokens),
                "USD": None if bill.usd is None else format_usd_range(bill.usd),
            }
            for bill in self.total
        ]

    def _role_rows(self) -> Iterator[Mapping[str, object]]:
        for bill in self.total:
            ranges = {
                "calls": bill.calls,
                "input_tokens": bill.input_tokens,
                "output_tokens": bill.output_tokens,
                "usd": bill.usd,
            }
            row: dict[str, object] = {"role": bill.role, "model": bill.model}
            for name, span in ranges.items():
                row[f"{name}_low"] = span.low if span else None
                row[f"{name}_high"] = span.high if span else None
            yield row


@dataclass(frozen=True, repr=False)
class ComparedArms(ResultView, Comparison):
    """A comparison. Its tables: findings, rounds, rows, calls."""

    run_dir: str

    def describe(self) -> str:
        means = []
        for arm in self.arms:
            curves = select_curves(self.curves, arm)
            means.append(f"{arm} {fmean(curve.accuracy[-1] for curve in curves):.0%}")
        folder = display_path(Path(self.run_dir))
        return (
            f"{folder}: {self.split} accuracy at the end, mean of {self.repeats} repeats: "
            f"{', '.join(means)}"
        )

    def tables(self) -> _Tables:
        return {
            "findings": lambda: [make_finding_row(found) for found in self.findings],
            "rounds": lambda: list(self._curve_rows()),
            "rows": lambda: list(self._training_rows()),
            "calls": lambda: list(self._calls()),
        }

    def shown_rows(self) -> _Rows:
        # Where two axes are proportional, an arm has the same sentence for both
        said = {describe_finding(found): found.arm for found in self.findings}
        return [{"arm": arm, "said": sentence} for sentence, arm in said.items()]

    def _curve_rows(self) -> Iterator[Mapping[str, object]]:
        for curve in self.curves:
            for point in range(len(curve.accuracy)):
                yield make_curve_row(curve, point)

    def _places(self) -> Iterator[RunPlace]:
        for curve in self.curves:
            yield RunPlace(Path(self.run_dir), curve.arm, curve.repeat)

    def _training_rows(self) -> Iterator[Mapping[str, object]]:
        for place in self._places():
            for row in read_training_rows(place.folder):
                yield {"arm": place.arm, "repeat": place.repeat, **vars(row)}

    def _calls(self) -> Iterator[Mapping[str, object]]:
        for place in self._places():
            for call in list_calls(place.ledger, place.arm, place.repeat):
                yield {"arm": place.arm, "repeat": place.repeat, **call}


def read_training_rows(run_dir: Path) -> list[Row]:
    """The rows that a run was given, then those of its rounds."""
    rows = list(read_step(run_dir / "round-00", "given") or ())
    for finished in read_history(run_dir).rounds:
        rows += finished.fresh.rows
    return rows


def list_calls(ledger_path: Path, arm: str, repeat: int) -> list[dict[str, object]]:
    with open_read_only(ledger_path, arm=arm, repeat=repeat) as ledger:
        return call_facts(ledger.calls())


def format_spend_briefly(spend: Spend) -> str:
    text = f"{spend.pairs} pairs, {format_count(spend.tokens)} teacher tokens"
    if spend.usd:
        text += f", ${format_usd(spend.usd / PICODOLLARS_PER_USD)}"
    return text
