"""A report in words: accuracy, gold nll, where it fails and how, and what more answers would give."""

from collections.abc import Iterator, Sequence

from ..types import Report, Share
from .summary import percent


def lines(report: Report) -> list[str]:
    return [head(report), failures(report), *table(report), *pass_line(report)]


def head(report: Report) -> str:
    """The final answer alone is said where it is another number."""
    line = f"{report.split} {percent(report)} right of {report.n}"
    if report.answer_accuracy != report.accuracy:
        line += f"; the final answer alone {report.answer_accuracy:.0%}"
    return (
        line if report.gold_nll is None else f"{line}; gold nll {report.gold_nll:.3f}"
    )


def failures(report: Report) -> str:
    """The kinds apart: an answer that was cut off or can't be read is another fault than a wrong one."""
    counts = [
        f"{n} {outcome.replace('_', ' ')}"
        for outcome, n in report.outcomes.items()
        if n
    ]
    return ", ".join(counts)


def table(report: Report) -> list[str]:
    """Accuracy by meta field, one value a line."""
    rows = [
        (f"{field} {value}", shared(share), f"of {share.n}")
        for field, value, share in shares(report)
    ]
    return ["", *columns(rows), ""] if rows else []


def pass_line(report: Report) -> list[str]:
    if not report.pass_at:
        return []
    said = ", ".join(f"pass@{k} {chance:.0%}" for k, chance in report.pass_at.items())
    return [f"of {report.samples} sampled answers: {said}"]


def change(before: Report, after: Report) -> list[str]:
    """What is worth a line of a run beside its accuracy: gold nll, and accuracy by meta field."""
    lines = []
    if before.gold_nll is not None and after.gold_nll is not None:
        lines += [f"gold nll: {before.gold_nll:.3f} before, {after.gold_nll:.3f} after"]
    old = {(field, value): share for field, value, share in shares(before)}
    rows = [
        (
            f"{field} {value}",
            f"{rate(old[field, value])} before",
            f"{rate(share)} after",
            f"of {share.n}",
        )
        for field, value, share in shares(after)
        if (field, value) in old
    ]
    return [*lines, *columns(rows)]


def shares(report: Report) -> Iterator[tuple[str, str, Share]]:
    return (
        (field, value, share)
        for field, values in report.by.items()
        for value, share in values.items()
    )


def shared(share: Share) -> str:
    return f"{rate(share)} [{share.low:.0%}, {share.high:.0%}]"


def rate(share: Share) -> str:
    return f"{share.right / share.n:.0%}"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text as lines, their columns as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
