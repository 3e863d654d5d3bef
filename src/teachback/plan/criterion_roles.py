"""The paid calls that a criterion makes in a round, by role: marks, or a referee.

A probe buys none of them: the expected usage is the middle of low and high. A run buys
the teacher's answer to a seed once, but here it counts in every round.
"""

from collections.abc import Sequence
from math import ceil, floor
from statistics import fmean

from ..ledger.costs import Usage
from ..teachers.judge_gaps import make_answer_message, make_referee_messages
from ..teachers.judge_marks import SeedAttempt, make_marking_message
from ..teachers.prompted_model import PromptedModel
from ..teachers.prompts import MAX_ATTEMPT_BYTES
from ..types import Task
from .role_usage import RoleUsage
from .token_lengths import (
    MAX_TOKEN_BYTES,
    MIN_TOKEN_BYTES,
    average_longest,
    count_text_bytes,
    estimate_low_lengths,
)
from .values import Range

MIN_MARK_TOKENS = 3  # of a reply that is one mark and nothing else


def make_marking_roles(
    judge: PromptedModel, task: Task, n_seeds: int, attempt_cap: int
) -> tuple[RoleUsage, ...]:
    """The marks for n_seeds attempts of at most attempt_cap tokens."""
    low = [
        count_text_bytes(make_marking_message(judge, attempt).text)
        for attempt in make_shortest_attempts(task)
    ]
    high = [
        count_text_bytes(make_marking_message(judge, attempt).text)
        for attempt in make_longest_attempts(task, attempt_cap)
    ]
    role = make_per_seed_role(
        judge,
        n_seeds=n_seeds,
        calls_per_seed=1,
        low_bytes=low,
        high_bytes=high,
        min_reply_tokens=MIN_MARK_TOKENS,
    )
    return (role,)


def make_referee_roles(
    teacher: PromptedModel,
    referee: PromptedModel,
    task: Task,
    n_seeds: int,
    attempt_cap: int,
) -> tuple[RoleUsage, ...]:
    """The teacher's answers to n_seeds seeds, and the verdicts in both orders."""
    shortest = make_shortest_attempts(task)
    questions = [
        count_text_bytes(
            make_answer_message(teacher, attempt.seed, attempt.question).text
        )
        for attempt in shortest
    ]
    low = [count_verdict_bytes(referee, attempt, "") for attempt in shortest]
    longest_answer = make_longest_text(teacher.max_tokens)
    high = [
        count_verdict_bytes(referee, attempt, longest_answer)
        for attempt in make_longest_attempts(task, attempt_cap)
    ]

    low_answer = floor(estimate_low_lengths(task.seeds).solution)
    answers = make_per_seed_role(
        teacher,
        n_seeds=n_seeds,
        calls_per_seed=1,
        low_bytes=questions,
        high_bytes=questions,
        min_reply_tokens=low_answer,
    )
    verdicts = make_per_seed_role(
        referee,
        n_seeds=n_seeds,
        calls_per_seed=2,
        low_bytes=low,
        high_bytes=high,
        min_reply_tokens=2 * MIN_MARK_TOKENS,
    )
    return answers, verdicts


def count_verdict_bytes(
    referee: PromptedModel, attempt: SeedAttempt, teacher_answer: str
) -> int:
    """What the referee is sent about one seed, both orders together."""
    messages = make_referee_messages(referee, attempt, teacher_answer)
    return sum(count_text_bytes(message.text) for message in messages)


def make_shortest_attempts(task: Task) -> list[SeedAttempt]:
    return make_attempts(task, "")


def make_longest_attempts(task: Task, cap: int) -> list[SeedAttempt]:
    return make_attempts(task, make_longest_text(cap))


def make_attempts(task: Task, text: str) -> list[SeedAttempt]:
    return [
        SeedAttempt(seed.id, task.prompt(seed.question), text) for seed in task.seeds
    ]


def make_longest_text(tokens: int) -> str:
    """The longest text of so many tokens, cut to the part that a request shows."""
    return "x" * min(MAX_ATTEMPT_BYTES, ceil(tokens * MAX_TOKEN_BYTES))


def make_per_seed_role(
    model: PromptedModel,
    *,
    n_seeds: int,
    calls_per_seed: int,
    low_bytes: Sequence[int],
    high_bytes: Sequence[int],
    min_reply_tokens: int,
) -> RoleUsage:
    """The same calls about each of n_seeds seeds.

    low_bytes, high_bytes: what is sent about each seed of the pool.
    """
    endpoint = model.endpoint
    reply_cap = model.max_tokens
    calls = n_seeds * calls_per_seed
    low = Usage(
        floor(n_seeds * fmean(low_bytes) / MAX_TOKEN_BYTES),
        calls * min(min_reply_tokens, reply_cap),
    )
    high_input = average_longest(high_bytes, n_seeds) / MIN_TOKEN_BYTES
    worst = Usage(
        ceil(n_seeds * high_input) + calls * endpoint.template_tokens,
        calls * reply_cap,
    )
    middle = Usage(
        (low.input_tokens + worst.input_tokens) // 2,
        (low.output_tokens + worst.output_tokens) // 2,
    )
    return RoleUsage(
        model.role,
        endpoint.model,
        endpoint.price,
        calls=Range(calls, calls, calls),
        low=low,
        high=worst,
        worst=worst,
        expected=middle,
    )
