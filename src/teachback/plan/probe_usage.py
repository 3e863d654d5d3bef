"""The usage of a pair, measured on the pairs that a probe has bought."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil, floor, sqrt
from operator import attrgetter
from statistics import fmean, stdev

from ..ledger.costs import Usage
from .role_usage import RoleUsage
from .values import Range

ProbeCall = tuple[str, str, Usage]  # (seed, role, usage)


def estimate_mean(values: Sequence[float]) -> Range:
    """The mean ∓ 2 standard errors, and never below 0."""
    mean = fmean(values)
    error = stdev(values) / sqrt(len(values))
    return Range(max(0.0, mean - 2 * error), mean + 2 * error, mean)


def measure_roles(
    roles: Sequence[RoleUsage], pairs: int, calls: Sequence[ProbeCall]
) -> tuple[RoleUsage, ...]:
    """The roles with the usage of `pairs` bought pairs.

    low and high are a pair's mean ∓ 2 standard errors. high stays within the worst case.
    A pair that ended before it called a role counts as 0 for that role.
    """
    return tuple(
        _measure_role(role, pairs, _group_calls(role, calls)) for role in roles
    )


def _group_calls(role: RoleUsage, calls: Iterable[ProbeCall]) -> list[list[Usage]]:
    """The role's usages, by pair. All votes count as answers."""
    usages_by_seed: dict[str, list[Usage]] = {}
    for seed, name, usage in calls:
        # Votes have roles of their own: answer, answer-2, answer-3
        if name.partition("-")[0] == role.name:
            usages_by_seed.setdefault(seed, []).append(usage)
    return list(usages_by_seed.values())


def _measure_role(
    role: RoleUsage, pairs: int, calls: Sequence[Sequence[Usage]]
) -> RoleUsage:
    """calls: of each pair that called this role."""
    zeros = [0.0] * (pairs - len(calls))  # of the pairs that didn't

    def estimate_tokens_of_pair(field: str) -> Range:
        count_tokens = attrgetter(field)
        sums = [float(sum(map(count_tokens, usages))) for usages in calls]
        return estimate_mean([*sums, *zeros])

    counts = [float(len(usages)) for usages in calls]
    inputs = estimate_tokens_of_pair("input_tokens")
    outputs = estimate_tokens_of_pair("output_tokens")
    # The same in all scenarios: cached tokens make a pair cheaper, never dearer
    n_cached = floor(estimate_tokens_of_pair("cached_tokens").at("expected"))

    def make_usage(input_tokens: int, output_tokens: int) -> Usage:
        return Usage(input_tokens, output_tokens, min(n_cached, input_tokens))

    expected = make_usage(round(inputs.at("expected")), round(outputs.at("expected")))
    high_input = min(ceil(inputs.high), role.worst.input_tokens)
    high_output = min(ceil(outputs.high), role.worst.output_tokens)
    return replace(
        role,
        calls=estimate_mean([*counts, *zeros]),
        low=make_usage(floor(inputs.low), floor(outputs.low)),
        expected=expected,
        high=make_usage(
            max(expected.input_tokens, high_input),
            max(expected.output_tokens, high_output),
        ),
    )
