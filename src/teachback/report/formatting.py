"""How numbers, shares and paths are written for people."""

from collections.abc import Sequence
from pathlib import Path

from ..ledger.costs import FLOPS_PER_KILOFLOP, PICODOLLARS_PER_USD
from ..types import Report

COUNT_UNITS = (
    (1e18, "E"),
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
)
DURATION_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def format_amount(kind: str, value: int) -> str:
    """An amount of one of a budget's kinds.

    value: in the ledger's unit, which is pairs, tokens, picodollars or kiloFLOPs.
    """
    if kind == "usd":
        return f"${format_usd(value / PICODOLLARS_PER_USD)}"
    if kind == "flops":
        return f"{format_count(value * FLOPS_PER_KILOFLOP)} FLOPs"
    unit = "pairs" if kind == "generated" else "tokens"
    return f"{format_count(value)} {unit}"


def format_usd(value: float) -> str:
    """Like `format_usd_exactly`, but with four decimals below a cent (0.0012)."""
    if 0 < value < 0.01:
        return f"{value:.4f}"
    return format_usd_exactly(value)


def format_usd_exactly(value: float) -> str:
    """Three significant digits; whole dollars from 1,000 on."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 1:
        return f"{value:.2f}"
    if value >= 1e-4 or value == 0:
        return f"{value:.3g}"
    return f"{value:.1e}"


def format_duration(seconds: float) -> str:
    """One decimal of the largest unit of which there are 1.5 or more: "90 s", "1.5 h"."""
    for unit, name in DURATION_UNITS:
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def format_count(value: float) -> str:
    """Whole below 10,000, then three digits and a letter: "12.3k"."""
    # The bounds are where rounding to three or four digits carries over.
    if 99.5 <= value < 9999.5:
        return f"{value:,.0f}"
    for unit, letter in COUNT_UNITS:
        if value >= 0.9995 * unit:
            return f"{three_digits(value / unit)}{letter}"
    return three_digits(value)


def format_bytes(n_bytes: float) -> str:
    if n_bytes >= 1e8:
        return f"{three_digits(n_bytes / 1e9)} GB"
    return f"{three_digits(n_bytes / 1e6)} MB"


def three_digits(value: float) -> str:
    """Three significant digits, or the whole number."""
    if value >= 99.5 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.3g}"


def format_accuracy(report: Report) -> str:
    """The accuracy with its 95 % interval: "40% [12%, 77%]"."""
    return f"{report.accuracy:.0%} [{report.low:.0%}, {report.high:.0%}]"


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """One indented line for each row, with every column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(f"  {'  '.join(cells).rstrip()}")
    return lines


def display_path(path: Path) -> Path:
    """The path from the current folder, if it lies below that folder."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
