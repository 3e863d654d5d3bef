"""What a call costs: tokens, money and FLOPs, in whole numbers, so that sums don't depend on their order.

Money is counted in picodollars (1e-12 USD: a price of up to six decimals per million tokens is whole per token),
compute in kiloFLOPs. An unknown price stays unknown: None, never 0.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from ..errors import LedgerError

PICO = 10**12
KILO = 1000


@dataclass(frozen=True)
class Usage:
    """Tokens of one answered call. cached tokens are part of the input, reasoning tokens part of the output.

    estimated: they are not what the server reported.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Cost:
    """usd: picodollars; flops: kiloFLOPs; None where the price or the number of parameters is unknown."""

    tokens: int
    usd: int | None = None
    flops: int | None = None

    def __add__(self, other: "Cost") -> "Cost":
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        flops = (
            None
            if self.flops is None or other.flops is None
            else self.flops + other.flops
        )
        return Cost(self.tokens + other.tokens, usd, flops)


@dataclass(frozen=True)
class Price:
    """What a token of one model costs: picodollars of input, cached input and output; kiloFLOPs of any.

    cached None: as dear as other input.
    """

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    flops: int | None = None

    def of(self, usage: Usage) -> Cost:
        flops = None if self.flops is None else self.flops * usage.total
        if self.input is None or self.output is None:
            return Cost(usage.total, None, flops)
        cached = self.input if self.cached is None else self.cached
        fresh = usage.input_tokens - usage.cached_tokens
        return Cost(
            usage.total,
            fresh * self.input
            + usage.cached_tokens * cached
            + usage.output_tokens * self.output,
            flops,
        )

    def worst(self, input_tokens: int, output_tokens: int) -> Cost:
        """The most that so many tokens can cost: none of them cached, or all, whichever is dearer."""
        none, all_ = (
            self.of(Usage(input_tokens, output_tokens, cached))
            for cached in (0, input_tokens)
        )
        return max(none, all_, key=lambda cost: cost.usd or 0)


UNKNOWN = Price()
FREE = Price(0, 0)


def price(
    *,
    input: float | None,
    output: float | None,
    cached: float | None,
    parameters: float | None,
) -> Price:
    """From USD per million tokens and a number of parameters, as a config gives them; 2 FLOPs a parameter and token."""
    in_, out, again = (
        None if x is None else ceil(Decimal(str(x)) * PICO / 10**6)
        for x in (input, output, cached)
    )
    return Price(
        in_, out, again, None if parameters is None else kiloflops(2 * parameters)
    )


def picodollars(usd: float) -> int:
    return ceil(Decimal(str(usd)) * PICO)


def kiloflops(flops: float) -> int:
    return ceil(Decimal(str(flops)) / KILO)


@dataclass(frozen=True)
class Budget:
    """generated: pairs. teacher_tokens: input and output tokens of every call. usd in picodollars, flops in kiloFLOPs,
    of every call too. None: no limit of that kind."""

    generated: int | None = None
    teacher_tokens: int | None = None
    usd: int | None = None
    flops: int | None = None


@dataclass(frozen=True)
class Spend:
    """calls, tokens, usd (picodollars) and flops (kiloFLOPs) are of answered calls; calls in doubt stand apart, at
    their worst case. unpriced_calls: answered calls in which usd has no part. held_tokens: holds of pairs, and the
    worst case of the calls that are in flight."""

    pairs: int
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usd: int
    flops: int
    unpriced_calls: int
    estimated_calls: int
    refused_calls: int
    in_doubt_calls: int
    in_doubt_tokens: int
    in_doubt_usd: int
    held_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Everything committed against `teacher_tokens`."""
        return (
            self.input_tokens
            + self.output_tokens
            + self.in_doubt_tokens
            + self.held_tokens
        )


@dataclass(frozen=True)
class RoleSpend:
    """What the calls of one role in one round came to. sent: tries, of every outcome. latency_s: median, and the 95th
    percentile, of the answered ones; None without any."""

    role: str
    round: int
    sent: int
    spend: Spend
    latency_s: tuple[float, float] | None


@dataclass(frozen=True)
class Meter:
    """Where a run stands while it buys. spent: what has been paid, for so many finished pairs. pairs: that it comes to,
    at most, where that is known."""

    spent: Budget
    limits: Budget
    pairs: int | None


def as_given(kind: str, value: int) -> float:
    """An amount of a limit's kind as a config gives it: USD and FLOPs, not the ledger's units."""
    return {"usd": value / PICO, "flops": value * KILO}.get(kind, value)


def refuse_below(budget: Budget, spent: Budget, arm: str) -> None:
    """Raises LedgerError for a limit that is below what has been committed already (R4)."""
    for kind, limit in vars(budget).items():
        least = vars(spent)[kind]
        if limit is not None and limit < least:
            got, most = as_given(kind, limit), as_given(kind, least)
            what = f"the budget `{kind}` is below the {most} that arm {arm!r} has already committed"
            raise LedgerError(
                what,
                got=got,
                allowed=f"{most} or more",
                fix=f"raise `{kind}` to {most} or more",
            )


def refuse_worst(worst: Cost, *budgets: Budget) -> None:
    """Raises LedgerError for a worst case that is negative, or unknown where a budget has to know it: only a bug asks
    for that."""
    known = {"usd": worst.usd, "flops": worst.flops}
    if worst.tokens < 0 or any(
        value is not None and value < 0 for value in known.values()
    ):
        raise LedgerError(
            "a worst case can't be negative", got=worst, allowed="0 or more"
        )
    for kind, value in known.items():
        if value is None and any(
            getattr(budget, kind) is not None for budget in budgets
        ):
            fix = "give the model's price and parameters, or drop the limit"
            raise LedgerError(
                f"the budget `{kind}` can't be held: a call's {kind} are unknown",
                fix=fix,
            )
