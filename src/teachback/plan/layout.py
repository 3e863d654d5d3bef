"""The layout of a plan's lines and ranges: at most 100 columns."""

from collections.abc import Callable
from textwrap import wrap

from ..report.formatting import format_count, format_duration, format_usd
from .values import Range, Scenario

MAX_COLUMNS = 100
SCENARIO_ORDER: tuple[Scenario, ...] = ("low", "expected", "high")


def wrap_with_label(label: str, text: str) -> list[str]:
    """A label in a column of its own, and the text beside it."""
    return wrap(
        f"{label:<12} {text}",
        MAX_COLUMNS,
        subsequent_indent=" " * 13,
        break_on_hyphens=False,
    )


def format_table_line(
    label: str, role: str, calls: str, first: str, second: str, last: str
) -> str:
    line = f"{label:<12} {role:<14} {calls:<10} {first:<18} {second:<18} {last}"
    return line.rstrip()


def format_range(value: Range, format_end: Callable[[float], str]) -> str:
    """ "1.2k-3.4k", or with a probe "2.1k (1.9k-2.3k)"."""
    low = format_end(value.low)
    high = format_end(value.high)
    if low == high:
        return low
    if value.expected is None:
        return f"{low}-{high}"
    return f"{format_end(value.expected)} ({low}-{high})"


def format_count_range(value: Range) -> str:
    return format_range(value, format_count)


def format_usd_range(value: Range) -> str:
    return format_range(value, format_usd)


def format_duration_range(seconds: Range) -> str:
    return format_range(seconds, format_duration)
