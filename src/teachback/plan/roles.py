"""What one pair costs, by role: from lengths in bytes, or from what the probe's pairs used.

An English token is rarely longer than 5 bytes, and rarely shorter than 2.5: that is the range of what is sent. An
answer is as long as those of the seeds, or as long as its cap. What is selected may be longer than the average seed:
the high end takes the longest seeds of the pool, as many as a round selects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, sqrt
from statistics import fmean, stdev

from ..ledger.costs import FREE, Cost, Price, Usage
from ..teachers.openai import ATTEMPT_BYTES, Asking, price
from ..teachers.prompts import Prompts
from ..types import Example
from .values import Case, Range

LONG, SHORT = 5.0, 2.5  # bytes of a token
SOLUTION_TOKENS = 50  # the low end of an answer, where no seed has a solution
LATE = 999  # n of a pair that was selected in many rounds: it stands in the request, digit by digit
CALL_BYTES = 3000  # of a call in the ledger


@dataclass(frozen=True)
class Role:
    """The calls of one role that a pair makes, or the criterion in a round, all together. most: the worst case."""

    name: str
    model: str | None
    price: Price
    calls: Range
    low: Usage
    high: Usage
    most: Usage
    expected: Usage | None = None

    def usage(self, case: Case) -> Usage:
        found: Usage | None = getattr(self, case)
        assert found is not None, "no probe, nothing is expected"
        return found


@dataclass(frozen=True)
class Holds:
    """The worst case of a pair of the cheapest seed, of the average one, and of the dearest, selected for the first
    time and late."""

    cheapest: Cost
    middle: Cost
    dearest: Cost
    latest: Cost


def used(roles: Sequence[Role], case: Case) -> Cost:
    """By a whole pair, or by all that the criterion asks in a round."""
    return sum((role.price.of(role.usage(case)) for role in roles), Cost(0, 0, 0))


def texts(seeds: Sequence[Example]) -> tuple[float, float]:
    """Low ends of a question and of its solution, in tokens: as long as those of the seeds."""
    solutions = [size(e.solution) for e in seeds if e.solution]
    return fmean(size(e.question) for e in seeds) / LONG, fmean(
        solutions
    ) / LONG if solutions else SOLUTION_TOKENS


def asked(
    asking: Asking, seeds: Sequence[Example], longest: int, *, shows: bool
) -> tuple[Role, ...]:
    """The roles of a teacher behind an endpoint. longest: how many of the longest seeds the high end takes. shows: the
    student's attempt goes into the prompt."""
    prompts, endpoint, template = (
        asking.prompts,
        asking.endpoint,
        asking.endpoint.template_tokens,
    )
    question, solution = texts(seeds)
    first_low = min(
        question + (solution if prompts.calls == 1 else 0), asking.first_cap
    )
    attempt = "x" * ATTEMPT_BYTES if shows else None
    sent = sorted(
        (len(asking.first(e.question, LATE, attempt)) for e in seeds), reverse=True
    )
    shortest = fmean(size(prompts.ask(e.question, 0)) for e in seeds) / LONG
    first = Role(
        "question" if prompts.calls == 2 else "pair",
        endpoint.model,
        endpoint.price,
        Range(1, 1),
        Usage(floor(shortest), floor(first_low)),
        Usage(ceil(fmean(sent[:longest]) / SHORT) + template, asking.first_cap),
        Usage(sent[0] + template, asking.first_cap),
    )
    roles, solve = (
        [first],
        solve_low(prompts) + question if asking.answers or asking.verifier else 0,
    )
    if asking.answers:
        one = answering(
            "answer", asking, asking.answer, solve, solution, asking.max_tokens_answer
        )
        roles.append(times(one, len(asking.answers)))
    if asking.verifier:
        one = answering(
            "verifier",
            asking,
            asking.second,
            solve,
            solution,
            asking.max_tokens_verifier,
        )
        roles.append(
            replace(one, model=asking.verifier.model, price=asking.verifier.price)
        )
    return tuple(roles)


def answering(
    role: str,
    asking: Asking,
    request: Callable[[str], bytes],
    sent: float,
    answer: float,
    cap: int,
) -> Role:
    """A call that answers the new question. At most that is as long as the question's cap lets it be."""
    endpoint = asking.endpoint
    empty, longest = len(request("")), len(request("x" * asking.question_bytes))
    high = ceil(empty / SHORT) + endpoint.template_tokens + asking.max_tokens_question
    most = longest + endpoint.template_tokens
    return Role(
        role,
        endpoint.model,
        endpoint.price,
        Range(1, 1),
        Usage(floor(sent), floor(min(answer, cap))),
        Usage(min(high, most), cap),
        Usage(most, cap),
    )


def written(seeds: Sequence[Example], longest: int) -> tuple[Role, ...]:
    """The one role of a program or a pool, metered as if bought: the seed's question in, a row like the seeds' out."""
    question, answer = texts(seeds)
    unknown = 0 if any(e.solution for e in seeds) else ceil(SOLUTION_TOKENS * LONG)
    sent = sorted((size(e.question) for e in seeds), reverse=True)
    rows = sorted(
        (size(e.question) + (size(e.solution) or unknown) for e in seeds), reverse=True
    )
    low = Usage(floor(question), floor(question + answer))
    high = Usage(
        ceil(fmean(sent[:longest]) / SHORT), ceil(fmean(rows[:longest]) / SHORT)
    )
    return (
        Role(
            "teacher", None, FREE, Range(1, 1), low, high, Usage(sent[0], 2 * rows[0])
        ),
    )


def asked_holds(asking: Asking, seeds: Sequence[Example], *, shows: bool) -> Holds:
    attempt = "x" * ATTEMPT_BYTES if shows else None
    ordered = sorted(seeds, key=lambda e: len(asking.first(e.question, 0, attempt)))
    cheap, middle, dear = (
        price(e, 0, asking, attempt)
        for e in (ordered[0], ordered[len(ordered) // 2], ordered[-1])
    )
    return Holds(cheap, middle, dear, price(ordered[-1], LATE, asking, attempt))


def written_holds(roles: Sequence[Role], case: Case) -> Holds:
    """A program says what it will use, and holds just that; the dearest exercise is not known beforehand."""
    holds, dearest = used(roles, case), used(roles, "high")
    return Holds(holds, holds, dearest, dearest)


def probed(
    roles: Sequence[Role], pairs: int, usages: Sequence[tuple[str, str, Usage]]
) -> tuple[Role, ...]:
    """The same roles, as `pairs` bought pairs used them: (seed, role, usage) of each of their calls.

    low and high are the mean of a pair ∓ 2 standard errors, the high end within the worst case; a call that a pair
    never came to counts as nothing.
    """
    return tuple(measured(role, pairs, of_role(role, usages)) for role in roles)


def of_role(role: Role, usages: Sequence[tuple[str, str, Usage]]) -> list[list[Usage]]:
    """Its calls, by pair. The votes of a question are answers too."""
    found: dict[str, list[Usage]] = {}
    for seed, name, usage in usages:
        if name.partition("-")[0] == role.name:
            found.setdefault(seed, []).append(usage)
    return list(found.values())


def measured(role: Role, pairs: int, calls: Sequence[Sequence[Usage]]) -> Role:
    none = [0.0] * (pairs - len(calls))
    count = spread([*(float(len(these)) for these in calls), *none])
    input_, output, cached = (
        spread(
            [
                *(
                    float(sum(getattr(usage, name) for usage in these))
                    for these in calls
                ),
                *none,
            ]
        )
        for name in ("input_tokens", "output_tokens", "cached_tokens")
    )
    assert input_.expected is not None
    assert output.expected is not None
    assert cached.expected is not None
    again = floor(
        cached.expected
    )  # the same in all three: what is cached makes a pair cheaper, not dearer

    def usage(input_tokens: int, output_tokens: int) -> Usage:
        return Usage(input_tokens, output_tokens, min(again, input_tokens))

    mean, most = usage(round(input_.expected), round(output.expected)), role.most
    return replace(
        role,
        calls=count,
        low=usage(floor(input_.low), floor(output.low)),
        expected=mean,
        high=usage(
            max(mean.input_tokens, min(ceil(input_.high), most.input_tokens)),
            max(mean.output_tokens, min(ceil(output.high), most.output_tokens)),
        ),
    )


def spread(values: Sequence[float]) -> Range:
    """The mean ∓ 2 standard errors, 0 or more."""
    mean, error = fmean(values), stdev(values) / sqrt(len(values))
    return Range(max(0.0, mean - 2 * error), mean + 2 * error, mean)


def times(role: Role, n: int) -> Role:
    def more(usage: Usage) -> Usage:
        return Usage(n * usage.input_tokens, n * usage.output_tokens)

    return replace(
        role,
        calls=role.calls * n,
        low=more(role.low),
        high=more(role.high),
        most=more(role.most),
    )


def solve_low(prompts: Prompts) -> float:
    return size(prompts.solve("")) / LONG


def size(text: str | None) -> int:
    return len((text or "").encode("utf-8", "replace"))
