"""A judge compares the teacher's answer to a seed with the student's: for the criterion `lion`
(Lion, arXiv 2305.12870).

It reads both answers in both orders, because judges prefer a place, and gives each 1 to 10: two
calls a seed and round. The teacher's answer is bought once in a run. Without an answer or a
verdict there is no gap.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from .judge_marks import SeedAttempt, make_seed_attempts, quote_end, read_marks
from .prompted_model import Message, Opinion, PromptedModel, ask_all, sum_costs
from .prompts import MAX_ATTEMPT_BYTES, cut_attempt, fill_template

REFEREE_ROLE = "referee"
TEACHER_ANSWER_ROLE = "teacher-answer"
REFEREE_FIELDS = frozenset({"question", "first", "second"})
REFEREE_LABELS = ("Mark 1", "Mark 2")


class Gap(NamedTuple):
    """The teacher's mark minus the student's, −9 to 9, mean of both orders; or None, and the
    reason why there is none.
    """

    gap: float | None
    reason: str | None = None


def compare_with_teacher(
    teacher: PromptedModel,
    referee: PromptedModel,
    attempts: Sequence[tuple[str, str, str]],
    *,
    round: int,
    ledger: Ledger,
    on_progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Gap]:
    """The gap between the teacher's answer and the student's attempt, by seed.

    attempts: the fields of a SeedAttempt each. Raises as ask_all does.
    """
    seed_attempts = make_seed_attempts(attempts)
    questions = {attempt.seed: attempt.question for attempt in seed_attempts}
    answers = answer_seeds(teacher, questions, round=round, ledger=ledger)
    return compare_answers(
        referee,
        seed_attempts,
        answers,
        round=round,
        ledger=ledger,
        on_progress=on_progress,
    )


def answer_seeds(
    teacher: PromptedModel,
    questions: Mapping[str, str],
    *,
    round: int,
    ledger: Ledger,
    on_progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Opinion]:
    """The teacher's answer to each seed's question, by seed. Raises as ask_all does."""
    messages = [
        make_answer_message(teacher, seed, question)
        for seed, question in questions.items()
    ]
    opinions = ask_all(
        teacher,
        messages,
        "the teacher's answers to the seeds",
        round=round,
        ledger=ledger,
        on_progress=on_progress,
    )
    return {m.seed: opinions[m.seed, m.n] for m in messages}


def make_answer_message(teacher: PromptedModel, seed: str, question: str) -> Message:
    return Message(seed, 0, fill_template(teacher.template, question=question))


def compare_answers(
    referee: PromptedModel,
    attempts: Sequence[SeedAttempt],
    answers: Mapping[str, Opinion],
    *,
    round: int,
    ledger: Ledger,
    on_progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Gap]:
    """The gap of each attempt, by seed. answers: the teacher's, by seed.

    The referee isn't asked about two equal answers: their gap is 0. Raises as ask_all does.
    """
    messages_by_seed = {
        attempt.seed: make_referee_messages(referee, attempt, answer)
        for attempt in attempts
        if (answer := answers[attempt.seed].text) is not None
    }
    messages = [
        message
        for in_both_orders in messages_by_seed.values()
        if not are_equal(in_both_orders)
        for message in in_both_orders
    ]
    opinions = ask_all(
        referee,
        messages,
        "comparing all attempts",
        round=round,
        ledger=ledger,
        on_progress=on_progress,
    )
    gaps = {}
    for attempt in attempts:
        in_both_orders = messages_by_seed.get(attempt.seed)
        if in_both_orders is None:
            reason = answers[attempt.seed].reason
            gaps[attempt.seed] = Gap(None, f"no answer of the teacher: {reason}")
        elif are_equal(in_both_orders):
            gaps[attempt.seed] = Gap(0.0)
        else:
            teacher_first, student_first = (
                opinions[m.seed, m.n] for m in in_both_orders
            )
            gaps[attempt.seed] = read_gap(teacher_first, student_first)
    return gaps


def make_referee_messages(
    referee: PromptedModel, attempt: SeedAttempt, answer: str
) -> tuple[Message, Message]:
    """The question with the teacher's answer first, and with the student's first."""
    seed, question = attempt.seed, attempt.question
    teacher, student = cut_attempt(answer), cut_attempt(attempt.text)
    return (
        referee.make_message(seed, question=question, first=teacher, second=student),
        referee.make_message(seed, question=question, first=student, second=teacher),
    )


def are_equal(in_both_orders: tuple[Message, Message]) -> bool:
    """Equal answers give the same message in both orders."""
    return in_both_orders[0] == in_both_orders[1]


def read_gap(teacher_first: Opinion, student_first: Opinion) -> Gap:
    """The gap from the verdicts in both orders."""
    gaps = []
    for opinion, sign in ((teacher_first, 1), (student_first, -1)):
        marks = read_marks(opinion.text or "", REFEREE_LABELS)
        if marks is None:
            end = quote_end(opinion.text or "")
            unread = f"the referee's reply does not end in two marks: {end}"
            return Gap(None, opinion.reason or unread)
        gaps.append(sign * (marks[0] - marks[1]))
    return Gap(fmean(gaps))


def worst_answering_cost(
    teacher: PromptedModel, questions: Iterable[str], most: int | None = None
) -> Cost:
    """The most that the teacher's answers to the questions can cost; or to any `most` of them."""
    messages = (make_answer_message(teacher, "", question) for question in questions)
    return sum_costs((teacher.worst_cost(message) for message in messages), most)


def worst_referee_cost(
    referee: PromptedModel, questions: Iterable[str], most: int | None = None
) -> Cost:
    """The most that the verdicts in both orders can cost, about the questions or any `most` of
    them.
    """
    longest = "x" * MAX_ATTEMPT_BYTES
    in_both_orders = (
        make_referee_messages(referee, SeedAttempt("", question, longest), longest)
        for question in questions
    )
    costs = (
        referee.worst_cost(first) + referee.worst_cost(second)
        for first, second in in_both_orders
    )
    return sum_costs(costs, most)
