"""The paid calls that a criterion makes in a round, by role: marks, or a referee.

A probe buys none of them: what is expected is the middle of low and high. The teacher's
answer to a seed is bought once in a run, and counted in every round here.
"""

from collections.abc import Sequence
from math import ceil, floor
from statistics import fmean

from ..endpoints.endpoint import Endpoint
from ..ledger.costs import Usage
from ..teachers.marking import ROLE as MARKER
from ..teachers.marking import Attempted, Marking
from ..teachers.openai import ATTEMPT_BYTES
from ..teachers.refereeing import ROLE as REFEREE
from ..teachers.refereeing import TEACHER_ROLE, Answering, Refereeing
from ..types import Task
from .role_usage import RoleUsage
from .token_lengths import (
    MAX_TOKEN_BYTES,
    MIN_TOKEN_BYTES,
    byte_length,
    low_seed_lengths,
    mean_of_longest,
)
from .values import Range

MIN_MARK_TOKENS = 3  # a reply that is one mark and nothing else


def marking_roles(
    marking: Marking, task: Task, n_seeds: int, attempt_cap: int
) -> tuple[RoleUsage, ...]:
    """The marks for n_seeds attempts of at most attempt_cap tokens."""
    low = [
        byte_length(marking.message(attempt).text)
        for attempt in shortest_attempts(task)
    ]
    high = [
        byte_length(marking.message(attempt).text)
        for attempt in longest_attempts(task, attempt_cap)
    ]
    role = per_seed_role(
        MARKER,
        marking.endpoint,
        n_seeds=n_seeds,
        calls_per_seed=1,
        low_bytes=low,
        high_bytes=high,
        min_reply_tokens=MIN_MARK_TOKENS,
        reply_cap=marking.cap,
    )
    return (role,)


def referee_roles(
    answering: Answering,
    refereeing: Refereeing,
    task: Task,
    n_seeds: int,
    attempt_cap: int,
) -> tuple[RoleUsage, ...]:
    """The teacher's answers to n_seeds seeds, and the verdicts in both orders."""
    shortest = shortest_attempts(task)
    questions = [
        byte_length(answering.message(attempt.seed, attempt.question).text)
        for attempt in shortest
    ]
    low = [verdict_bytes(refereeing, attempt, "") for attempt in shortest]
    longest_answer = text_of_tokens(answering.cap)
    high = [
        verdict_bytes(refereeing, attempt, longest_answer)
        for attempt in longest_attempts(task, attempt_cap)
    ]

    low_answer = floor(low_seed_lengths(task.seeds).solution)
    teacher = per_seed_role(
        TEACHER_ROLE,
        answering.endpoint,
        n_seeds=n_seeds,
        calls_per_seed=1,
        low_bytes=questions,
        high_bytes=questions,
        min_reply_tokens=min(low_answer, answering.cap),
        reply_cap=answering.cap,
    )
    referee = per_seed_role(
        REFEREE,
        refereeing.endpoint,
        n_seeds=n_seeds,
        calls_per_seed=2,
        low_bytes=low,
        high_bytes=high,
        min_reply_tokens=2 * MIN_MARK_TOKENS,
        reply_cap=refereeing.cap,
    )
    return teacher, referee


def verdict_bytes(
    refereeing: Refereeing, attempt: Attempted, teacher_answer: str
) -> int:
    """What the referee is sent about one seed, both orders together."""
    messages = refereeing.messages(attempt, teacher_answer)
    return sum(byte_length(message.text) for message in messages)


def shortest_attempts(task: Task) -> list[Attempted]:
    return [Attempted(seed.id, task.prompt(seed.question), "") for seed in task.seeds]


def longest_attempts(task: Task, cap: int) -> list[Attempted]:
    text = text_of_tokens(cap)
    return [Attempted(seed.id, task.prompt(seed.question), text) for seed in task.seeds]


def text_of_tokens(tokens: int) -> str:
    """The longest text of so many tokens, cut to what a request shows of it."""
    return "x" * min(ATTEMPT_BYTES, ceil(tokens * MAX_TOKEN_BYTES))


def per_seed_role(
    name: str,
    endpoint: Endpoint,
    *,
    n_seeds: int,
    calls_per_seed: int,
    low_bytes: Sequence[int],
    high_bytes: Sequence[int],
    min_reply_tokens: int,
    reply_cap: int,
) -> RoleUsage:
    """The same calls about each of n_seeds seeds.

    low_bytes, high_bytes: what is sent about each seed of the pool.
    """
    calls = n_seeds * calls_per_seed
    low = Usage(
        floor(n_seeds * fmean(low_bytes) / MAX_TOKEN_BYTES),
        calls * min(min_reply_tokens, reply_cap),
    )
    sent = mean_of_longest(high_bytes, n_seeds) / MIN_TOKEN_BYTES
    worst = Usage(
        ceil(n_seeds * sent) + calls * endpoint.template_tokens, calls * reply_cap
    )
    middle = Usage(
        (low.input_tokens + worst.input_tokens) // 2,
        (low.output_tokens + worst.output_tokens) // 2,
    )
    return RoleUsage(
        name,
        endpoint.model,
        endpoint.price,
        calls=Range(calls, calls, calls),
        low=low,
        high=worst,
        worst=worst,
        expected=middle,
    )
