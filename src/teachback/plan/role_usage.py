"""The tokens that the calls of one role use, and the cost of a pair's roles together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..ledger.costs import Cost, Price, Usage
from .values import Range, Scenario

NO_COST = Cost(0, 0, 0)


@dataclass(frozen=True)
class RoleUsage:
    """All calls of one role: those for a pair, or the criterion's for a round."""

    name: str
    model: str | None  # None: a program or a pool
    price: Price
    calls: Range
    low: Usage  # of all these calls together, as the usages below
    high: Usage
    worst: Usage  # the most that they can use
    expected: Usage | None = None  # None without a probe

    def usage(self, scenario: Scenario) -> Usage:
        usage: Usage | None = getattr(self, scenario)
        assert usage is not None, "no probe, nothing is expected"
        return usage

    @property
    def has_price(self) -> bool:
        return self.price.input is not None and self.price.output is not None


@dataclass(frozen=True)
class PairHolds:
    """What the ledger holds back for a pair, by the pair's seed: the worst case."""

    cheapest: Cost  # of the cheapest seed, selected for the first time
    median: Cost
    dearest: Cost
    # Of the dearest seed, selected often: the request holds that count, in digits
    dearest_late: Cost


def sum_role_costs(roles: Sequence[RoleUsage], scenario: Scenario) -> Cost:
    """The cost of a pair, or of a round's criterion."""
    costs = (role.price.of(role.usage(scenario)) for role in roles)
    return sum(costs, NO_COST)


def scale_role(role: RoleUsage, n: int) -> RoleUsage:
    """The role with n times as many calls."""
    return replace(
        role,
        calls=role.calls * n,
        low=_scale_usage(role.low, n),
        high=_scale_usage(role.high, n),
        worst=_scale_usage(role.worst, n),
    )


def _scale_usage(usage: Usage, n: int) -> Usage:
    return Usage(n * usage.input_tokens, n * usage.output_tokens)
