"""The teacher's calls for a pair, by role, estimated from lengths in bytes.

At the low end an answer is as long as the seeds' own, at the high end as long as its
cap. A criterion may select longer seeds than the average one, so the high end takes the
longest of the pool.
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
    average_longest,
    count_text_bytes,
    estimate_low_lengths,
)
from .values import Range, Scenario

# How often a seed may have been selected, at the high end. The request holds the count, and
# three digits are longer than one
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
    roles = [_make_first_role(pair_calls, seeds, low, n_longest, shows_attempt)]
    if not pair_calls.answer_roles and pair_calls.verifier is None:
        return tuple(roles)

    instructions = count_text_bytes(pair_calls.prompts.solve(""))
    low_input = instructions / MAX_TOKEN_BYTES + low.question
    if pair_calls.answer_roles:
        answer = _make_answer_role(
            "answer",
            pair_calls,
            pair_calls.answer_request,
            low_input=low_input,
            low_output=low.solution,
            cap=pair_calls.max_tokens_answer,
        )
        roles.append(scale_role(answer, len(pair_calls.answer_roles)))
    if pair_calls.verifier is not None:
        verifier = _make_answer_role(
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


def _make_first_role(
    pair_calls: PairCalls,
    seeds: Sequence[Example],
    low: SeedLengths,
    n_longest: int,
    shows_attempt: bool,
) -> RoleUsage:
    """The call that a pair begins with: a new question, or the whole pair."""
    prompts = pair_calls.prompts
    template_tokens = pair_calls.endpoint.template_tokens
    asks_for_whole_pair = prompts.calls == 1
    low_output = low.question + (low.solution if asks_for_whole_pair else 0)
    prompt_bytes = [count_text_bytes(prompts.ask(seed.question, 0)) for seed in seeds]
    low_input = fmean(prompt_bytes) / MAX_TOKEN_BYTES

    attempt = make_longest_attempt(shows_attempt)
    request_bytes = [
        len(pair_calls.first_request(seed.question, LATE_SELECTION_COUNT, attempt))
        for seed in seeds
    ]
    high_input = average_longest(request_bytes, n_longest) / MIN_TOKEN_BYTES
    cap = pair_calls.max_tokens_first
    return RoleUsage(
        pair_calls.first_role,
        pair_calls.endpoint.model,
        pair_calls.endpoint.price,
        calls=Range(1, 1),
        low=Usage(floor(low_input), floor(min(low_output, cap))),
        high=Usage(ceil(high_input) + template_tokens, cap),
        worst=Usage(max(request_bytes) + template_tokens, cap),
    )


def _make_answer_role(
    name: str,
    pair_calls: PairCalls,
    make_request: Callable[[str], bytes],
    *,
    low_input: float,
    low_output: float,
    cap: int,
) -> RoleUsage:
    """A call that answers the new question, which is as long as its cap at the high end."""
    endpoint = pair_calls.endpoint
    empty_bytes = len(make_request(""))
    longest_bytes = len(make_request("x" * pair_calls.max_question_bytes))
    high_input = (
        ceil(empty_bytes / MIN_TOKEN_BYTES)
        + endpoint.template_tokens
        + pair_calls.max_tokens_question
    )
    # A token has at least one byte
    worst_input = longest_bytes + endpoint.template_tokens
    return RoleUsage(
        name,
        endpoint.model,
        endpoint.price,
        calls=Range(1, 1),
        low=Usage(floor(low_input), floor(min(low_output, cap))),
        high=Usage(min(high_input, worst_input), cap),
        worst=Usage(worst_input, cap),
    )


def make_endpoint_holds(
    pair_calls: PairCalls, seeds: Sequence[Example], *, shows_attempt: bool
) -> PairHolds:
    """The worst cases that the ledger holds back, of the seeds with the shortest request, a
    middle one and the longest.
    """
    attempt = make_longest_attempt(shows_attempt)
    by_length = sorted(
        seeds, key=lambda seed: len(pair_calls.first_request(seed.question, 0, attempt))
    )
    cheapest = by_length[0]
    median = by_length[len(by_length) // 2]
    dearest = by_length[-1]
    return PairHolds(
        worst_pair_cost(cheapest, 0, pair_calls, attempt),
        worst_pair_cost(median, 0, pair_calls, attempt),
        worst_pair_cost(dearest, 0, pair_calls, attempt),
        worst_pair_cost(dearest, LATE_SELECTION_COUNT, pair_calls, attempt),
    )


def make_longest_attempt(shows_attempt: bool) -> str | None:
    return "x" * MAX_ATTEMPT_BYTES if shows_attempt else None


def make_unpaid_roles(
    seeds: Sequence[Example], n_longest: int
) -> tuple[RoleUsage, ...]:
    """The one role of a program or a pool, which counts tokens as if they were bought.

    Its input is the seed's question, its output a row like the seeds.
    """
    low = estimate_low_lengths(seeds)
    default_bytes = 0  # of a solution
    if not any(seed.solution for seed in seeds):
        default_bytes = ceil(DEFAULT_SOLUTION_TOKENS * MAX_TOKEN_BYTES)
    question_bytes = [count_text_bytes(seed.question) for seed in seeds]
    row_bytes = []
    for seed in seeds:
        solution_bytes = count_text_bytes(seed.solution) or default_bytes
        row_bytes.append(count_text_bytes(seed.question) + solution_bytes)
    high_question = average_longest(question_bytes, n_longest) / MIN_TOKEN_BYTES
    high_row = average_longest(row_bytes, n_longest) / MIN_TOKEN_BYTES
    role = RoleUsage(
        "teacher",
        None,
        FREE_PRICE,
        calls=Range(1, 1),
        low=Usage(floor(low.question), floor(low.question + low.solution)),
        high=Usage(ceil(high_question), ceil(high_row)),
        # A new row may be longer than every seed; twice the longest is taken for the worst
        worst=Usage(max(question_bytes), 2 * max(row_bytes)),
    )
    return (role,)


def make_unpaid_holds(roles: Sequence[RoleUsage], scenario: Scenario) -> PairHolds:
    """A program or pool knows what it will use, and holds exactly that.

    Its dearest exercise is not known beforehand: the high end stands for it.
    """
    hold = sum_role_costs(roles, scenario)
    dearest = sum_role_costs(roles, "high")
    return PairHolds(hold, hold, dearest, dearest)
