"""A report in words: accuracy, how and where the student fails, pass@k."""

from collections.abc import Iterator

from ..types import GroupAccuracy, Report
from .formatting import align_columns, format_accuracy


def evaluation_lines(report: Report) -> list[str]:
    return [
        accuracy_line(report),
        outcome_counts(report),
        *field_accuracy_lines(report),
        *pass_at_lines(report),
    ]


def accuracy_line(report: Report) -> str:
    line = f"{report.split} {format_accuracy(report)} right of {report.n}"
    if report.answer_accuracy != report.accuracy:
        line += f"; the final answer alone {report.answer_accuracy:.0%}"
    if report.gold_nll is not None:
        line += f"; gold nll {report.gold_nll:.3f}"
    return line


def outcome_counts(report: Report) -> str:
    """Answers by outcome: a cut-off or unreadable answer is not simply a wrong one."""
    counts = [
        f"{n} {outcome.replace('_', ' ')}"
        for outcome, n in report.outcomes.items()
        if n
    ]
    return ", ".join(counts)


def field_accuracy_lines(report: Report) -> list[str]:
    """Accuracy by meta field, one line for each value."""
    rows = [
        (f"{field} {value}", format_share(share), f"of {share.n}")
        for field, value, share in field_shares(report)
    ]
    return ["", *align_columns(rows), ""] if rows else []


def pass_at_lines(report: Report) -> list[str]:
    if not report.pass_at:
        return []
    chances = [f"pass@{k} {chance:.0%}" for k, chance in report.pass_at.items()]
    return [f"of {report.samples} sampled answers: {', '.join(chances)}"]


def change_lines(before: Report, after: Report) -> list[str]:
    """How gold nll, and accuracy by meta field, changed over a run."""
    lines = []
    if before.gold_nll is not None and after.gold_nll is not None:
        lines += [f"gold nll: {before.gold_nll:.3f} before, {after.gold_nll:.3f} after"]

    shares_before = {
        (field, value): share for field, value, share in field_shares(before)
    }
    rows = []
    for field, value, share in field_shares(after):
        share_before = shares_before.get((field, value))
        if share_before is None:
            continue
        rows.append(
            (
                f"{field} {value}",
                f"{format_rate(share_before)} before",
                f"{format_rate(share)} after",
                f"of {share.n}",
            )
        )
    return [*lines, *align_columns(rows)]


def field_shares(report: Report) -> Iterator[tuple[str, str, GroupAccuracy]]:
    """Yields (meta field, value, share)."""
    for field, shares in report.by.items():
        for value, share in shares.items():
            yield field, value, share


def format_share(share: GroupAccuracy) -> str:
    return f"{format_rate(share)} [{share.low:.0%}, {share.high:.0%}]"


def format_rate(share: GroupAccuracy) -> str:
    return f"{share.right / share.n:.0%}"
