"""What a criterion asks others in a round, by role: for marks, or for the teacher's answers and verdicts on them.

A probe buys none of it: what is expected is the middle of low and high. The teacher's answer to a seed is bought once
in a run; here it is counted in every round.
"""

from collections.abc import Sequence
from math import ceil, floor
from statistics import fmean

from ..build.judges import make_marking, make_refereeing
from ..config import choosing
from ..config import config as cfg
from ..endpoints.endpoint import Endpoint
from ..ledger.costs import Usage
from ..teachers.marking import ROLE as MARKER
from ..teachers.marking import Attempted
from ..teachers.openai import ATTEMPT_BYTES
from ..teachers.refereeing import ROLE as REFEREE
from ..teachers.refereeing import TEACHER_ROLE
from ..types import Task
from .roles import LONG, SHORT, Role, size, texts
from .values import Range

MARK = 3  # tokens of a reply that is one mark and nothing else


def criterion_roles(config: cfg.Config, task: Task) -> tuple[Role, ...]:
    """Of about as many seeds as the criterion sees."""
    seen = choosing.subset(config.candidates, config.per_round, dear=True) or len(
        task.seeds
    )
    n, longest = min(seen, len(task.seeds)), student_text(config.student.max_new_tokens)
    short, long = (
        [Attempted(e.id, task.prompt(e.question), text) for e in task.seeds]
        for text in ("", longest)
    )
    match config.criterion:
        case choosing.Marks():
            marking = make_marking(config, config.criterion)
            low, high = (
                [size(marking.message(tried).text) for tried in some]
                for some in (short, long)
            )
            return (role(MARKER, marking.endpoint, n, 1, low, high, MARK, marking.cap),)
        case choosing.Lion():
            answering, refereeing = make_refereeing(config, config.criterion)
            alone = [
                size(answering.message(tried.seed, tried.question).text)
                for tried in short
            ]
            answer, least = (
                student_text(answering.cap),
                min(floor(texts(task.seeds)[1]), answering.cap),
            )
            low, high = (
                [
                    sum(size(one.text) for one in refereeing.messages(tried, teacher))
                    for tried in some
                ]
                for some, teacher in ((short, ""), (long, answer))
            )
            return (
                role(
                    TEACHER_ROLE,
                    answering.endpoint,
                    n,
                    1,
                    alone,
                    alone,
                    least,
                    answering.cap,
                ),
                role(
                    REFEREE,
                    refereeing.endpoint,
                    n,
                    2,
                    low,
                    high,
                    2 * MARK,
                    refereeing.cap,
                ),
            )
        case _:
            return ()


def student_text(tokens: int) -> str:
    """As long as an answer of so many tokens can be, and as is shown of it."""
    return "x" * min(ATTEMPT_BYTES, ceil(tokens * LONG))


def role(
    name: str,
    endpoint: Endpoint,
    n: int,
    calls: int,
    low: Sequence[int],
    high: Sequence[int],
    said: int,
    cap: int,
) -> Role:
    """So many calls about each of n seeds. low, high: bytes sent about each seed of the pool; said: tokens of the
    shortest reply."""
    calls = n * calls
    least = Usage(floor(n * fmean(low) / LONG), calls * min(said, cap))
    sent = fmean(sorted(high, reverse=True)[:n]) / SHORT
    most = Usage(ceil(n * sent) + calls * endpoint.template_tokens, calls * cap)
    middle = Usage(
        (least.input_tokens + most.input_tokens) // 2,
        (least.output_tokens + most.output_tokens) // 2,
    )
    return Role(
        name,
        endpoint.model,
        endpoint.price,
        Range(calls, calls, calls),
        least,
        most,
        most,
        middle,
    )
