"""Budgets and prices as a config states them."""

from datetime import date
from typing import Annotated

from pydantic import Field

from ..types import NonNegativeFloat, PositiveFloat, PositiveInt, Settings
from .costs import Budget, Price, price_per_token, to_kiloflops, to_picodollars


class PriceSettings(Settings):
    """What a model costs, in US dollars per million tokens."""

    # When you looked it up.
    as_of: date
    input: NonNegativeFloat | None = None
    output: NonNegativeFloat | None = None
    # Of cached input tokens; null: they cost as much as the others.
    cached: NonNegativeFloat | None = None
    # Without them the model's FLOPs are unknown.
    parameters: PositiveFloat | None = None

    def price(self) -> Price:
        return price_per_token(
            input=self.input,
            output=self.output,
            cached=self.cached,
            parameters=self.parameters,
        )


class TotalBudgetSettings(Settings):
    """Hard limits on what all arms of a comparison send, together."""

    teacher_tokens: PositiveInt | None = None
    usd: PositiveFloat | None = None
    flops: PositiveFloat | None = None

    def budget(self) -> Budget:
        return make_limits(None, self.teacher_tokens, self.usd, self.flops)


class BudgetSettings(Settings):
    """Hard limits. The first that is reached ends the run, and so does a teacher whose drafts
    can't be used.
    """

    # Pairs that the teacher writes, good or bad.
    generated: PositiveInt | None = None
    # Rows that remain of them.
    accepted: PositiveInt | None = None
    # Prompt and completion tokens of every call, of any role.
    teacher_tokens: PositiveInt | None = None
    # By `prices`.
    usd: PositiveFloat | None = None
    # 2 × parameters × tokens, by `prices`.
    flops: PositiveFloat | None = None
    # Of `teachback compare`, where the other limits are each arm's.
    total: TotalBudgetSettings | None = None
    # The share of the drafts that must be usable. Below it nothing more is bought. 0: never stop.
    min_yield: Annotated[float, Field(ge=0, le=1)] = 0.1
    # After so many drafts. null: 5 % of the pairs that the run may buy, and at least 8.
    trial_drafts: PositiveInt | None = None

    def limits(self) -> dict[str, float]:
        """The limits that are set, by name, without `total`."""
        rest = {"total", "min_yield", "trial_drafts"}
        return self.model_dump(exclude=rest, exclude_none=True)

    def budget(self) -> Budget:
        """The ledger's limits. `accepted` is none: it is known after the round is paid."""
        return make_limits(self.generated, self.teacher_tokens, self.usd, self.flops)


def make_limits(
    generated: int | None, tokens: int | None, usd: float | None, flops: float | None
) -> Budget:
    """usd: dollars. flops: FLOPs. The ledger counts both in whole units of its own."""
    return Budget(
        generated,
        tokens,
        None if usd is None else to_picodollars(usd),
        None if flops is None else to_kiloflops(flops),
    )
