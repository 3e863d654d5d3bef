"""How numbers and ranges are written for people."""

from collections.abc import Callable

from ..ledger.costs import KILO, PICO
from ..plan.values import Range


def amount(kind: str, value: int) -> str:
    """An amount of a budget's kind, in the ledger's unit: tokens, picodollars or kiloFLOPs."""
    if kind == "usd":
        return f"${cents(value / PICO)}"
    if kind == "flops":
        return f"{count(value * KILO)} FLOPs"
    return f"{count(value)} {'pairs' if kind == 'generated' else 'tokens'}"


def ranged(value: Range, say: Callable[[float], str]) -> str:
    """ "1.2k-3.4k", or with a probe "2.1k (1.9k-2.3k)"."""
    low, high = say(value.low), say(value.high)
    both = low if low == high else f"{low}-{high}"
    return (
        both
        if value.expected is None or low == high
        else f"{say(value.expected)} ({both})"
    )


def span(value: Range) -> str:
    return ranged(value, count)


def dollars(value: Range) -> str:
    return ranged(value, cents)


def time_of(seconds: Range) -> str:
    return ranged(seconds, clock)


def cents(value: float) -> str:
    """As `money`, and short where it is next to nothing."""
    return f"{value:.4f}" if 0 < value < 0.01 else money(value)


def clock(seconds: float) -> str:
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def count(value: float) -> str:
    """Whole below 10,000, then three digits and a letter: 12.3k."""
    if 99.5 <= value < 9999.5:
        return f"{value:,.0f}"
    for size, letter in (
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
    ):
        if value >= 0.9995 * size:
            return f"{digits(value / size)}{letter}"
    return digits(value)


def digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 or value == round(value) else f"{value:.3g}"


def money(value: float) -> str:
    """Three significant digits, whole dollars from 1,000 on."""
    if value >= 1000:
        return f"{value:,.0f}"
    return (
        f"{value:.2f}"
        if value >= 1
        else f"{value:.3g}"
        if value >= 1e-4 or value == 0
        else f"{value:.1e}"
    )


def size_of(n_bytes: float) -> str:
    return (
        f"{digits(n_bytes / 1e9)} GB"
        if n_bytes >= 1e8
        else f"{digits(n_bytes / 1e6)} MB"
    )
