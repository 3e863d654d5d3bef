"""What differs in the student's answers: to the seeds, and to the questions of a report."""

from collections.abc import Sequence
from statistics import fmean

from ...types import Attempts, Report, ReportItem
from ..diagnosis.evidence import measure_change, pair_items
from .values import AttemptChanges, ReportChanges, TextPair


def compare_attempts(left: Attempts, right: Attempts) -> AttemptChanges:
    earlier = {attempt.id: attempt for attempt in left.rows}
    pairs = [(earlier[b.id], b) for b in right.rows if b.id in earlier]
    others = [(a, b) for a, b in pairs if a.text != b.text]
    gaps = [abs(a.nll - b.nll) for a, b in pairs]
    first = None
    if others:
        a, b = others[0]
        first = TextPair(a.id, a.text, b.text)
    return AttemptChanges(
        len(pairs),
        len(others),
        first,
        mean_nll_gap=fmean(gaps) if gaps else 0.0,
        max_nll_gap=max(gaps, default=0.0),
    )


def compare_reports(left: Report, right: Report) -> ReportChanges | None:
    """None: no question is in both."""
    pairs = pair_items(left, right)
    if not pairs:
        return None
    gained = [pair for pair in pairs if is_right(pair[1]) and not is_right(pair[0])]
    lost = [pair for pair in pairs if is_right(pair[0]) and not is_right(pair[1])]
    others = [pair for pair in pairs if pair[0].text != pair[1].text]
    questions = {item.id: item.question for item in (*right.items, *left.items)}
    return ReportChanges(
        split=right.split,
        n=len(pairs),
        left=sum(is_right(a) for a, _ in pairs) / len(pairs),
        right=sum(is_right(b) for _, b in pairs) / len(pairs),
        change=measure_change(left, right),
        wrong_to_right=tuple(item.id for _, item in gained),
        right_to_wrong=tuple(item.id for _, item in lost),
        n_other_texts=len(others),
        first=pair_texts([*gained, *lost, *others], questions),
        left_gold_nll=left.gold_nll,
        right_gold_nll=right.gold_nll,
    )


def pair_texts(
    pairs: Sequence[tuple[ReportItem, ReportItem]], questions: dict[str, str | None]
) -> TextPair | None:
    """The answers to the first question, which only the untuned student's report holds."""
    if not pairs:
        return None
    a, b = pairs[0]
    return TextPair(questions[a.id] or a.id, a.text, b.text)


def is_right(item: ReportItem) -> bool:
    return item.outcome == "right"
