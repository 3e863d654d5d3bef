"""A judge gives each attempt a mark of 1 to 10, without the gold answer: for the criterion
`judge`.

Every attempt costs one call, once: the same answer to the same question is never marked again.
A reply that does not end in one mark, in the form that the prompt states, is no mark; the reason
is kept.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from .prompted_model import Message, Opinion, PromptedModel, ask_all, sum_costs
from .prompts import MAX_ATTEMPT_BYTES, cut_attempt

MARKING_ROLE = "marker"
MARKING_FIELDS = frozenset({"question", "attempt"})
MARKDOWN = re.compile(r"[*_`#]")  # judges like to print their marks bold
MARK_LINE = re.compile(r"(Mark(?: [12])?) ?:(.*)")
MARK_NUMBER = re.compile(r" *(10|[1-9])(?: ?/ ?10)?\.?")


class SeedAttempt(NamedTuple):
    """The student's attempt at a seed."""

    seed: str
    # As the student was asked it.
    question: str
    text: str


class Mark(NamedTuple):
    """1 to 10; or None, and the reason why there is none."""

    mark: int | None
    reason: str | None = None


def mark_attempts(
    judge: PromptedModel,
    attempts: Sequence[tuple[str, str, str]],
    *,
    round: int,
    ledger: Ledger,
    on_progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Mark]:
    """A mark for each seed's attempt, by seed. Another attempt at the same seed is another
    question.

    attempts: the fields of a SeedAttempt each. Raises as ask_all does.
    """
    messages = [
        make_marking_message(judge, attempt) for attempt in make_seed_attempts(attempts)
    ]
    opinions = ask_all(
        judge,
        messages,
        "marking the attempts",
        round=round,
        ledger=ledger,
        on_progress=on_progress,
    )
    return {m.seed: read_mark(opinions[m.seed, m.n]) for m in messages}


def make_seed_attempts(
    attempts: Sequence[tuple[str, str, str]],
) -> list[SeedAttempt]:
    seed_attempts = [SeedAttempt(*fields) for fields in attempts]
    if len({attempt.seed for attempt in seed_attempts}) < len(attempts):
        raise ValueError("two attempts at the same seed")
    return seed_attempts


def make_marking_message(judge: PromptedModel, attempt: SeedAttempt) -> Message:
    return judge.make_message(
        attempt.seed, question=attempt.question, attempt=cut_attempt(attempt.text)
    )


def worst_marking_cost(
    judge: PromptedModel, questions: Iterable[str], most: int | None = None
) -> Cost:
    """The most that marking one attempt at each question can cost; or at any `most` of them."""
    longest = "x" * MAX_ATTEMPT_BYTES
    messages = (
        make_marking_message(judge, SeedAttempt("", question, longest))
        for question in questions
    )
    return sum_costs((judge.worst_cost(message) for message in messages), most)


def read_mark(opinion: Opinion) -> Mark:
    if opinion.text is None:
        return Mark(None, opinion.reason)
    marks = read_marks(opinion.text, ["Mark"])
    if marks is None:
        end = quote_end(opinion.text)
        return Mark(None, f"the judge's reply does not end in one mark: {end}")
    return Mark(marks[0])


def read_marks(text: str, labels: Sequence[str]) -> list[int] | None:
    """The marks of a reply that ends with a line "LABEL: N" for each label, in this order.

    N is 1 to 10. None for any other reply. None too where there is such a line earlier on: which
    of the two marks is meant would be a guess.
    """
    plain = [MARKDOWN.sub("", line).strip() for line in text.splitlines()]
    lines = [MARK_LINE.fullmatch(line) for line in plain if line]
    mark_lines = [line for line in lines if line]
    if [line[1] for line in mark_lines] != [*labels]:
        return None
    if lines[-len(labels) :] != mark_lines:
        return None
    numbers = [MARK_NUMBER.fullmatch(line[2]) for line in mark_lines]
    return [int(number[1]) for number in numbers if number] if all(numbers) else None


def quote_end(text: str) -> str:
    """The end of a reply, for a reason."""
    return repr(" ".join(text.split())[-80:])
