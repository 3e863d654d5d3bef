"""Did it help? Accuracy and gold nll by round, and before and after by meta field."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..ledger.costs import PICODOLLARS_PER_USD, Spend
from ..report.diagnosis.words import format_points
from ..report.evaluation import field_shares, format_share
from ..report.formatting import format_accuracy, format_duration, format_usd
from ..types import GroupAccuracy, Report, Round
from .charts import CurveChart, draw_shares, draw_values
from .sources import PageSources


@dataclass(frozen=True)
class Headline:
    """The run in one sentence: the change in large type, then the rest of the sentence."""

    change: str
    rest: str
    state: str  # how far the run has come


@dataclass(frozen=True)
class CurveRow:
    """A line of the table below the curves."""

    name: str
    n_rows: str
    accuracy: str
    gold_nll: str
    outcomes: str


@dataclass(frozen=True)
class FieldChange:
    """How accuracy changed where a meta field has a value. The shares are also drawn."""

    field: str
    value: str
    n: int
    before: str
    after: str
    share_before: float
    share_after: float
    low: float  # of the share after
    high: float


@dataclass(frozen=True)
class Gains:
    sentence: str | None
    curves: tuple[CurveChart, ...]
    rows: tuple[CurveRow, ...]
    fields: tuple[FieldChange, ...]


def write_headline(sources: PageSources, doing: str) -> Headline:
    """doing: the step that comes next, in words."""
    status = sources.status
    baseline, rounds, _ = status.history
    n_rows = sum(len(done.fresh.rows) for done in rounds)
    cost = format_spent_usd(status.spend)
    seconds = sum(sources.seconds.values())
    if seconds:
        cost += f", in {format_duration(seconds)}"

    evidence = sources.evidence
    if evidence is not None:
        before, after = evidence.baseline, evidence.after
        change = f"{before.accuracy:.0%} → {after.accuracy:.0%}"
        interval = f"[{after.low:.0%}, {after.high:.0%}]"
        questions = f"{after.n} {after.split} questions"
        rest = f"{interval} of {questions}, for {n_rows} rows, {cost}"
    elif baseline is not None:
        change = f"{baseline.accuracy:.0%} → ?"
        rest = (
            f"of {baseline.n} {baseline.split} questions before the first round; {cost}"
        )
    else:
        change, rest = "not measured yet", cost
    return Headline(change, rest, describe_state(sources, doing))


def describe_state(sources: PageSources, doing: str) -> str:
    status = sources.status
    n_finished = len(status.history.rounds)
    if status.max_rounds is None:
        line = f"{n_finished} rounds finished; more follow until the budget is spent"
    else:
        line = f"{n_finished} of {status.max_rounds} rounds finished"
    return f"{line}. Next: {doing}" if sources.is_open else line


def format_spent_usd(spend: Spend) -> str:
    """The dollars as far as prices are known."""
    if spend.unpriced_calls and not spend.usd:
        return "at an unknown price"
    text = f"${format_usd(spend.usd / PICODOLLARS_PER_USD)}"
    return f"{text} and calls of unknown price" if spend.unpriced_calls else text


def collect_gains(sources: PageSources) -> Gains | None:
    """None before the untuned student was measured."""
    baseline, rounds, _ = sources.status.history
    if baseline is None:
        return None
    reports = [baseline, *(done.report for done in rounds)]
    evidence = sources.evidence
    return Gains(
        sentence=describe_change(sources),
        curves=tuple(draw_curves(reports)),
        rows=tuple(list_curve_rows(reports, rounds)),
        fields=tuple(compare_field_shares(baseline, evidence.after))
        if evidence
        else (),
    )


def describe_change(sources: PageSources) -> str | None:
    evidence = sources.evidence
    if evidence is None or not evidence.pairs:
        return None
    change = evidence.change
    verdict = "a change within chance"
    if change.low > 0:
        verdict = "a gain beyond chance"
    elif change.high < 0:
        verdict = "a loss beyond chance"
    return (
        f"{format_points(change.change)} points "
        f"[{format_points(change.low)}, {format_points(change.high)}] on the same "
        f"{len(evidence.pairs)} questions: {verdict}."
    )


def draw_curves(reports: Sequence[Report]) -> Iterator[CurveChart]:
    """None before the first round is finished: one point is no curve."""
    first, last = reports[0], reports[-1]
    if len(reports) == 1:
        return
    words = f"{format_accuracy(first)} before, {format_accuracy(last)} at the end"
    shares = [(report.accuracy, report.low, report.high) for report in reports]
    yield draw_shares(
        f"{first.split} accuracy by round, with its 95 % interval", words, shares
    )
    known = [report.gold_nll for report in reports if report.gold_nll is not None]
    if len(known) == len(reports):
        words = f"{known[0]:.3f} before, {known[-1]:.3f} at the end; lower is better"
        yield draw_values("gold nll by round, nats a token", words, known)


def list_curve_rows(
    reports: Sequence[Report], rounds: Sequence[Round]
) -> Iterator[CurveRow]:
    names = ["before", *(f"round {r}" for r in range(len(rounds)))]
    fresh = ["", *(str(len(done.fresh.rows)) for done in rounds)]
    for name, n_rows, report in zip(names, fresh, reports, strict=True):
        nll = "–" if report.gold_nll is None else f"{report.gold_nll:.3f}"
        failed = [
            f"{n} {outcome.replace('_', ' ')}"
            for outcome, n in report.outcomes.items()
            if n and outcome != "right"
        ]
        accuracy = format_accuracy(report)
        yield CurveRow(name, n_rows, accuracy, nll, ", ".join(failed) or "none")


def compare_field_shares(before: Report, after: Report) -> Iterator[FieldChange]:
    """The meta fields and values that both reports have."""
    earlier = {(field, value): share for field, value, share in field_shares(before)}
    for field, value, share in field_shares(after):
        share_before = earlier.get((field, value))
        if share_before is None:
            continue
        yield FieldChange(
            field,
            value,
            share.n,
            format_share(share_before),
            format_share(share),
            divide(share_before),
            divide(share),
            share.low,
            share.high,
        )


def divide(share: GroupAccuracy) -> float:
    return share.right / share.n
