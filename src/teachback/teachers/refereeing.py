"""A referee compares the teacher's answer to a seed with the student's: what the criterion `lion`
reads (Lion, arXiv 2305.12870).

It sees both answers in both orders, because judges prefer a place, and gives each 1 to 10: two
verdicts a seed and round, through the ledger. The teacher's answer is bought once. Where an
answer or a verdict can't be had is no gap.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from ..endpoints.endpoint import Endpoint
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from .ask import Message, Opinion, price
from .marking import Attempted, ask_each, dearest, end, message, read_marks
from .openai import ATTEMPT_BYTES, shown
from .prompts import fill

ROLE, TEACHER_ROLE = "referee", "teacher-answer"
FIELDS = frozenset({"question", "first", "second"})
LABELS = ("Mark 1", "Mark 2")


class Gap(NamedTuple):
    """The teacher's mark minus the student's, −9 to 9, mean of both orders; or None, and the
    reason.
    """

    gap: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Answering:
    """How the teacher answers a seed. template: its prompt set's `answer.txt`, with the field
    question.
    """

    endpoint: Endpoint
    template: str
    cap: int

    def message(self, seed: str, question: str) -> Message:
        return Message(seed, 0, fill(self.template, question=question))

    def worst(self, questions: Iterable[str], most: int | None = None) -> Cost:
        """The most that an answer to each of them can cost; to so many of them, whichever these
        are.
        """
        return dearest(
            (price(self.message("", q), self.endpoint, self.cap) for q in questions),
            most,
        )


@dataclass(frozen=True)
class Refereeing:
    """template: with the fields question, first and second; it asks for two last lines "Mark 1:
    N", "Mark 2: N".
    """

    endpoint: Endpoint
    template: str
    cap: int

    def messages(self, tried: Attempted, teacher: str) -> tuple[Message, Message]:
        """The teacher's answer first, then the student's first; of both no more than a request
        may hold.
        """
        orders = (
            (shown(teacher), shown(tried.text)),
            (shown(tried.text), shown(teacher)),
        )
        first, second = (
            fill(self.template, question=tried.question, first=a, second=b)
            for a, b in orders
        )
        return message(tried.seed, first), message(tried.seed, second)

    def worst(self, questions: Iterable[str], most: int | None = None) -> Cost:
        """The most that both verdicts on each of them can cost; on so many of them, whichever
        these are.
        """
        longest = "x" * ATTEMPT_BYTES
        pairs = (
            self.messages(Attempted("", question, longest), longest)
            for question in questions
        )
        costs = (
            [price(one, self.endpoint, self.cap) for one in pair] for pair in pairs
        )
        return dearest((a + b for a, b in costs), most)


def answers_of_teacher(
    questions: Mapping[str, str],
    answering: Answering,
    *,
    round: int,
    ledger: Ledger,
    tell: Callable[[int], None] = lambda done: None,
) -> dict[str, Opinion]:
    """The teacher's answer to each seed's question, by seed: bought when it is asked for first,
    once a run. An opinion without a text has its reason. Raises as mark_all does.
    """
    messages = [
        answering.message(seed, question) for seed, question in questions.items()
    ]
    what = "the teacher's answers to the seeds"
    said = ask_each(
        messages,
        what,
        TEACHER_ROLE,
        answering.endpoint,
        answering.cap,
        round,
        ledger,
        tell,
    )
    return {one.seed: said[one.seed, one.n] for one in messages}


def referee_all(
    attempts: Sequence[Attempted],
    teacher: Mapping[str, Opinion],
    refereeing: Refereeing,
    *,
    round: int,
    ledger: Ledger,
    tell: Callable[[int], None] = lambda done: None,
) -> dict[str, Gap]:
    """By how much the teacher's answer is above the student's attempt, by seed. teacher: its
    answers, by seed.

    Two answers of the same words are not asked about: their gap is 0, because in both orders the
    referee would read one and the same text. The same call again on the same ledger buys nothing
    twice. Raises as mark_all does.
    """
    if len({tried.seed for tried in attempts}) < len(attempts):
        raise ValueError("two attempts at the same seed")
    both = {
        tried.seed: refereeing.messages(tried, answer)
        for tried in attempts
        if (answer := teacher[tried.seed].text) is not None
    }
    messages = [
        one
        for first, second in both.values()
        if first != second
        for one in (first, second)
    ]
    what = "comparing all attempts"
    said = ask_each(
        messages, what, ROLE, refereeing.endpoint, refereeing.cap, round, ledger, tell
    )
    return {
        tried.seed: gap(teacher[tried.seed], both.get(tried.seed), said)
        for tried in attempts
    }


def gap(
    answer: Opinion,
    pair: tuple[Message, Message] | None,
    said: Mapping[tuple[str, int], Opinion],
) -> Gap:
    """answer: the teacher's. pair: the questions in both orders; None: there is no answer to
    compare with.
    """
    if pair is None:
        return Gap(None, f"no answer of the teacher: {answer.reason}")
    if pair[0] == pair[1]:
        return Gap(0.0)
    opinions = [said[one.seed, one.n] for one in pair]
    marks = [read_marks(opinion.text or "", LABELS) for opinion in opinions]
    for opinion, found in zip(opinions, marks, strict=True):
        if found is None:
            unread = f"the referee's reply does not end in two marks: {end(opinion.text or '')}"
            return Gap(None, opinion.reason or unread)
    (teacher_first, student_second), (student_first, teacher_second) = [
        found for found in marks if found
    ]
    return Gap(fmean([teacher_first - student_second, teacher_second - student_first]))
