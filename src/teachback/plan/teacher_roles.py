"""What a pair asks of the teacher, by role, estimated from lengths in bytes.

An answer is as long as the seeds' own, or as long as its cap. A criterion may select
longer seeds than the average one: the high end takes the pool's longest.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, floor
from statistics import fmean

from ..ledger.costs import FREE_PRICE, Usage
from ..teachers.openai import PairCalls, worst_pair_cost
from ..teachers.prompts import MAX_ATTEMPT_BYTES
from ..types import Example
from .role_usage import PairHolds, RoleUsage, scale_role, sum_role_costs
from .token_lengths import (
    DEFAULT_SOLUTION_TOKENS,
    MAX_TOKEN_BYTES,
    MIN_TOKEN_BYTES,
    SeedLengths,
    count_text_bytes,
    estimate_low_lengths,
    average_longest,
)
from .values import Range, Scenario

# How often a seed may have been selected: the count stands in the request, in digits
LATE_SELECTION_COUNT = 999


def make_endpoint_roles(
    pair_calls: PairCalls,
    seeds: Sequence[Example],
    n_longest: int,
    *,
    shows_attempt: bool,
) -> tuple[RoleUsage, ...]:
    """The roles of a teacher behind an endpoint.

    n_longest: how many of the longest seeds the high end takes. shows_attempt: the
    request holds the student's attempt.
    """
    low = estimate_low_lengths(seeds)
    roles = [_first_role(pair_calls, seeds, low, n_longest, shows_attempt)]
    if not pair_calls.answer_roles and pair_calls.verifier is None:
        return tuple(roles)

    instructions = count_text_bytes(pair_calls.prompts.solve(""))
    low_input = instructions / MAX_TOKEN_BYTES + low.question
    if pair_calls.answer_roles:
        answer = _answer_role(
            "answer",
            pair_calls,
            pair_calls.answer_request,
            low_input=low_input,
            low_output=low.solution,
            cap=pair_calls.max_tokens_answer,
        )
        roles.append(scale_role(answer, len(pair_calls.answer_roles)))
    if pair_calls.verifier is not None:
        verifier = _answer_role(
            "verifier",
            pair_calls,
            pair_calls.verifier_request,
            low_input=low_input,
            low_output=low.solution,
            cap=pair_calls.max_tokens_verifier,
        )
        roles.append(
            replace(
                verifier,
                model=pair_calls.verifier.model,
                price=pair_calls.verifier.price,
            )
        )
    return tuple(roles)


def _first_role(
    pair_calls: PairCalls,
    seeds: Sequence[Example],
    low: SeedLengths,
    n_longest: int,
    shows_attempt: bool,
) -> RoleUsage:
    """The call that a pair begins with: a new question, or the whole pair."""
    prompts, template_tokens = pair_calls.prompts, pair_calls.endpoint.template_tokens
    whole_pair = prompts.calls == 1
    low_output = low.question + (low.solution if whole_pair else 0)
    low_prompts = [count_text_bytes(prompts.ask(seed.question, 0)) for seed in seeds]
    low_input = fmean(low_prompts) / MAX_TOKEN_BYTES

    attempt = make_longest_attempt(shows_attempt)
    requests = [
        len(pair_calls.first_request(seed.question, LATE_SELECTION_COUNT, attempt))
        for seed in seeds
    ]
    high_input = average_longest(requests, n_longest) / MIN_TOKEN_BYTES
    cap = pair_calls.max_tokens_first
    return RoleUsage(
        pair_calls.first_role,
        pair_calls.endpoint.model,
        pair_calls.endpoint.price,
        calls=Range(1, 1),
        low=Usage(floor(low_input), floor(min(low_output, cap))),
        high=Usage(ceil(high_input) + template_tokens, cap),
        worst=Usage(max(requests) + template_tokens, cap),
    )


def _answer_role(
    name: str,
    pair_calls: PairCalls,
    request: Callable[[str], bytes],
    *,
    low_input: float,
    low_output: float,
    cap: int,
) -> RoleUsage:
    """A call that answers the new question, which is no longer than its cap allows."""
    endpoint = pair_calls.endpoint
    empty = len(request(""))
    longest = len(request("x" * pair_calls.max_question_bytes))
    high = (
        ceil(empty / MIN_TOKEN_BYTES)
        + endpoint.template_tokens
        + pair_calls.max_tokens_question
    )
    worst = longest + endpoint.template_tokens
    return RoleUsage(
        name,
        endpoint.model,
        endpoint.price,
        calls=Range(1, 1),
        low=Usage(floor(low_input), floor(min(low_output, cap))),
        high=Usage(min(high, worst), cap),
        worst=Usage(worst, cap),
    )


def make_endpoint_holds(
    pair_calls: PairCalls, seeds: Sequence[Example], *, shows_attempt: bool
) -> PairHolds:
    attempt = make_longest_attempt(shows_attempt)
    by_length = sorted(
        seeds, key=lambda seed: len(pair_calls.first_request(seed.question, 0, attempt))
    )
    cheapest, median, dearest = (
        by_length[0],
        by_length[len(by_length) // 2],
        by_length[-1],
    )
    return PairHolds(
        worst_pair_cost(cheapest, 0, pair_calls, attempt),
        worst_pair_cost(median, 0, pair_calls, attempt),
        worst_pair_cost(dearest, 0, pair_calls, attempt),
        worst_pair_cost(dearest, LATE_SELECTION_COUNT, pair_calls, attempt),
    )


def make_longest_attempt(shows_attempt: bool) -> str | None:
    return "x" * MAX_ATTEMPT_BYTES if shows_attempt else None


def make_unpaid_roles(seeds: Sequence[Example], n_longest: int) -> tuple[RoleUsage, ...]:
    """The one role of a program or a pool, which is metered as if it were bought.

    Its input is the seed's question, its output a row like the seeds.
    """
    low = estimate_low_lengths(seeds)
    questions = [count_text_bytes(seed.question) for seed in seeds]
    unknown_solution = 0
    if not any(seed.solution for seed in seeds):
        unknown_solution = ceil(DEFAULT_SOLUTION_TOKENS * MAX_TOKEN_BYTES)
    rows = [
        count_text_bytes(seed.question) + (count_text_bytes(seed.solution) or unknown_solution)
        for seed in seeds
    ]
    high_question = average_longest(questions, n_longest) / MIN_TOKEN_BYTES
    high_row = average_longest(rows, n_longest) / MIN_TOKEN_BYTES
    role = RoleUsage(
        "teacher",
        None,
        FREE_PRICE,
        calls=Range(1, 1),
        low=Usage(floor(low.question), floor(low.question + low.solution)),
        high=Usage(ceil(high_question), ceil(high_row)),
        worst=Usage(max(questions), 2 * max(rows)),
    )
    return (role,)


def make_unpaid_holds(roles: Sequence[RoleUsage], scenario: Scenario) -> PairHolds:
    """A program knows what it will use, and holds just that.

    Nobody knows its dearest exercise beforehand: the high end stands for it.
    """
    hold = sum_role_costs(roles, scenario)
    dearest = sum_role_costs(roles, "high")
    return PairHolds(hold, hold, dearest, dearest)
