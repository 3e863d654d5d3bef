"""What the calls of a run came to, by role and round: `teachback status RUN --costs`."""

from collections.abc import Sequence

from ..ledger.costs import KILO, PICO, RoleSpend, Spend
from .figures import cents, count

COLUMNS = (
    "round", "role", "calls", "tries", "tokens in", "cached", "out", "thinking", "USD", "FLOPs", "median s", "95 %",
)  # fmt: skip


def table(costs: Sequence[RoleSpend]) -> list[str]:
    """One line a role and round. calls: answered; tries: sent, whatever came of them."""
    rows = [
        COLUMNS,
        *(
            ("before" if one.round < 0 else str(one.round), *cells(one))
            for one in costs
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def cells(one: RoleSpend) -> list[str]:
    spend = one.spend
    tokens = (
        spend.input_tokens,
        spend.cached_tokens,
        spend.output_tokens,
        spend.reasoning_tokens,
    )
    usd = "unknown" if spend.unpriced_calls else cents(spend.usd / PICO)
    flops = count(spend.flops * KILO) if spend.flops else "unknown"
    latency = (
        [f"{seconds:.2f}" for seconds in one.latency_s] if one.latency_s else ["", ""]
    )
    return [
        one.role,
        str(spend.calls),
        str(one.sent),
        *(f"{n:,}" for n in tokens),
        usd,
        flops,
        *latency,
    ]


def lines(costs: Sequence[RoleSpend]) -> list[str]:
    """What the table does not say."""
    said = []
    for name, what in (
        ("refused_calls", "tries were turned away, at no cost"),
        ("in_doubt_calls", "calls are in doubt: charged in full"),
        ("estimated_calls", "calls came without usage: charged at their worst case"),
    ):
        if n := sum(getattr(one.spend, name) for one in costs):
            said.append(f"{n} {what}")
    return said


def facts(costs: Sequence[RoleSpend]) -> list[dict[str, object]]:
    """For --json."""
    found = []
    for one in costs:
        latency = dict(
            zip(("median_s", "p95_s"), one.latency_s or (None, None), strict=True)
        )
        found.append(
            {
                "role": one.role,
                "round": one.round,
                "sent": one.sent,
                **spend_facts(one.spend),
                **latency,
            }
        )
    return found


def spend_facts(spend: Spend) -> dict[str, object]:
    """A spend in dollars and FLOPs, None where they are unknown."""
    usd = None if spend.unpriced_calls else spend.usd / PICO
    converted = {
        "usd": usd,
        "flops": spend.flops * KILO or None,
        "in_doubt_usd": spend.in_doubt_usd / PICO,
    }
    return {**vars(spend), **converted}
