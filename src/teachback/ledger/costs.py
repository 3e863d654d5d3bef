"""What a call costs: tokens, money and FLOPs, in whole numbers.

Whole numbers add up to the same sum in any order. Money is counted in picodollars (1e-12 USD), so a
price of up to six decimals per million tokens is whole per token. Compute is counted in
kiloFLOPs. An unknown price stays unknown: None, never 0.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import NamedTuple

from ..errors import BudgetClosed, LedgerError

PICODOLLARS_PER_USD = 10**12
FLOPS_PER_KILOFLOP = 1000

# No context is this long; and SQLite's integers hold no multiple of much more.
MAX_TOKENS_OF_CALL = 10**8
# Words have 5, and the longest tokens are runs of blanks. A whole text never has so many.
MAX_BYTES_PER_TOKEN = 32


# -- one call ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """Tokens of one answered call."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0  # part of the input
    reasoning_tokens: int = 0  # part of the output
    estimated: bool = False  # not what the server reported

    @property
    def total(self) -> int:
        return self.input_tokens + self.output_tokens


def believe_usage(
    usage: Usage | None, *, prompt_bytes: int, answer_chars: int, thought_chars: int
) -> Usage | None:
    """The usage that a server reports, or None where a call can't have used that.

    prompt_bytes: about what the prompt has. answer_chars, thought_chars: what the model is
    seen to have written. A server that counts 0 tokens would make the budget do nothing.
    """
    if usage is None:
        return None
    least_input = max(1, prompt_bytes // MAX_BYTES_PER_TOKEN)
    least_answer = -(-answer_chars // MAX_BYTES_PER_TOKEN)
    least_output = least_answer + thought_chars // MAX_BYTES_PER_TOKEN
    is_too_little = (
        usage.input_tokens < least_input
        or usage.output_tokens < least_output
        or usage.output_tokens - usage.reasoning_tokens < least_answer
    )
    return None if is_too_little or usage.total > MAX_TOKENS_OF_CALL else usage


@dataclass(frozen=True)
class Cost:
    tokens: int
    usd: int | None = None  # picodollars; None: the price is unknown
    flops: int | None = None  # kiloFLOPs; None: the number of parameters is unknown

    def __add__(self, other: "Cost") -> "Cost":
        usd = flops = None
        if self.usd is not None and other.usd is not None:
            usd = self.usd + other.usd
        if self.flops is not None and other.flops is not None:
            flops = self.flops + other.flops
        return Cost(self.tokens + other.tokens, usd, flops)


@dataclass(frozen=True)
class Price:
    """What a token of one model costs."""

    input: int | None = None  # picodollars
    output: int | None = None  # picodollars
    cached: int | None = None  # picodollars; None: as dear as other input
    flops: int | None = None  # kiloFLOPs of any token

    def of(self, usage: Usage) -> Cost:
        flops = None if self.flops is None else self.flops * usage.total
        if self.input is None or self.output is None:
            return Cost(usage.total, None, flops)
        cached_price = self.input if self.cached is None else self.cached
        usd = (
            (usage.input_tokens - usage.cached_tokens) * self.input
            + usage.cached_tokens * cached_price
            + usage.output_tokens * self.output
        )
        return Cost(usage.total, usd, flops)

    def worst(self, input_tokens: int, output_tokens: int) -> Cost:
        """The most that so many tokens can cost: with no input cached, or with all of it."""
        fresh = self.of(Usage(input_tokens, output_tokens))
        cached = self.of(Usage(input_tokens, output_tokens, input_tokens))
        return max(fresh, cached, key=lambda cost: cost.usd or 0)


UNKNOWN_PRICE = Price()
FREE_PRICE = Price(0, 0)


def price_per_token(
    *,
    input: float | None,
    output: float | None,
    cached: float | None,
    parameters: float | None,
) -> Price:
    """The price from USD per million tokens, as a config gives it.

    parameters: of the model, which spends 2 FLOPs a parameter and token.
    """
    return Price(
        input=_per_token(input),
        output=_per_token(output),
        cached=_per_token(cached),
        flops=None if parameters is None else to_kiloflops(2 * parameters),
    )


def _per_token(usd_per_million: float | None) -> int | None:
    if usd_per_million is None:
        return None
    return ceil(Decimal(str(usd_per_million)) * PICODOLLARS_PER_USD / 10**6)


def to_picodollars(usd: float) -> int:
    return ceil(Decimal(str(usd)) * PICODOLLARS_PER_USD)


def to_kiloflops(flops: float) -> int:
    return ceil(Decimal(str(flops)) / FLOPS_PER_KILOFLOP)


# -- budgets, and what was spent ---------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """An amount of each kind that can be limited. None: no limit of that kind."""

    generated: int | None = None  # pairs
    teacher_tokens: int | None = None  # input and output tokens of every call
    usd: int | None = None  # picodollars of every call
    flops: int | None = None  # kiloFLOPs of every call


@dataclass(frozen=True)
class Spend:
    """What calls came to. Calls in doubt stand apart, at their worst case."""

    pairs: int
    calls: int  # answered ones, as in the fields up to estimated_calls
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usd: int  # picodollars
    flops: int  # kiloFLOPs
    unpriced_calls: int  # answered calls that have no part in usd
    estimated_calls: int
    refused_calls: int
    in_doubt_calls: int
    in_doubt_tokens: int
    in_doubt_usd: int  # picodollars
    held_tokens: int = 0  # holds of pairs, and the worst case of calls in flight

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
    """What the calls of one role in one round came to."""

    role: str
    round: int
    sent: int  # tries, whatever their outcome
    spend: Spend
    # Median and 95th percentile over the answered calls; None without any.
    latency_s: tuple[float, float] | None


@dataclass(frozen=True)
class Meter:
    """Where a run stands while it buys."""

    spent: Budget  # paid so far, for so many finished pairs
    limits: Budget
    pairs: int | None  # how many the run comes to at most, where that is known


def to_config_units(kind: str, amount: int) -> float:
    """An amount of a budget's kind as a config gives it: USD, not picodollars."""
    if kind == "usd":
        return amount / PICODOLLARS_PER_USD
    if kind == "flops":
        return amount * FLOPS_PER_KILOFLOP
    return amount


# -- checks ------------------------------------------------------------------------------


def check_budget_covers(budget: Budget, committed: Budget, arm: str) -> None:
    """Raise LedgerError for a limit below what the arm has already committed (R4)."""
    for kind, limit in vars(budget).items():
        amount = vars(committed)[kind]
        if limit is None or limit >= amount:
            continue
        least = to_config_units(kind, amount)
        raise LedgerError(
            f"the budget `{kind}` is below the {least} that arm {arm!r} "
            "has already committed",
            got=to_config_units(kind, limit),
            allowed=f"{least} or more",
            fix=f"raise `{kind}` to {least} or more",
        )


def check_worst_case(worst: Cost, *budgets: Budget) -> None:
    """Raise LedgerError for a worst case that is negative, or unknown where a limit needs it.

    Only a bug asks for that.
    """
    usd, flops = worst.usd, worst.flops
    if worst.tokens < 0 or (usd or 0) < 0 or (flops or 0) < 0:
        raise LedgerError(
            "a worst case can't be negative", got=worst, allowed="0 or more"
        )
    if usd is None and any(budget.usd is not None for budget in budgets):
        raise _unknown_cost("usd")
    if flops is None and any(budget.flops is not None for budget in budgets):
        raise _unknown_cost("flops")


def check_total(total: Budget, sent: tuple[int, int, int], worst: Cost) -> None:
    """Raise BudgetClosed if a call's worst case doesn't fit what limits all arms together.

    sent: tokens, picodollars and kiloFLOPs that they may have used so far.
    """
    kinds = ("teacher_tokens", "usd", "flops")
    needed = (worst.tokens, worst.usd or 0, worst.flops or 0)
    for kind, used, more in zip(kinds, sent, needed, strict=True):
        limit = vars(total)[kind]
        if limit is not None and used + more > limit:
            raise BudgetClosed(
                "budget.total is spent: all arms together may have used "
                f"{to_config_units(kind, used)} {kind}",
                got=f"a call that may use {to_config_units(kind, more)} more",
                allowed=to_config_units(kind, limit),
                fix="raise budget.total and run the same command: what is bought is kept",
            )


def _unknown_cost(kind: str) -> LedgerError:
    return LedgerError(
        f"the budget `{kind}` can't be held: a call's {kind} are unknown",
        fix="give the model's price and parameters, or drop the limit",
    )


class CallCost(NamedTuple):
    """A call that an arm has paid for. None: not known, or not answered."""

    call: int
    round: int
    role: str
    seed: str
    n: int
    state: str
    tokens: int  # charged
    usd: int | None  # picodollars
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    estimated: int
    latency_s: float | None


class PairReply(NamedTuple):
    """A call for a seed, and what came back. A pair that sent nothing has one without a role."""

    kind: str  # "pair", or the role of a judge
    seed: str
    n: int
    round: int
    pair_state: str
    pair_reason: str | None
    role: str | None
    state: str | None
    reason: str | None
    body: str | None
