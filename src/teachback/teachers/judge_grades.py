"""A judge says whether an answer equals the gold answer: for answers that no program can compare.

An answer that equals the gold answer word for word is right without asking. Any other costs one
call, once: the same answer to the same question is never judged again.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..endpoints.settings import EndpointSettings
from ..ledger.costs import Cost
from ..ledger.ledger import Ledger
from ..types import Attempt, Example, Grade, PositiveInt, Task
from .prompted_model import Message, Opinion, PromptedModel, ask_all, sum_costs
from .prompts import MAX_ATTEMPT_BYTES, cut_attempt

GRADING_ROLE = "judge"
GRADING_FIELDS = frozenset({"question", "gold", "answer"})
GRADE_WORD = re.compile(r"\b(INCORRECT|CORRECT)\b")

# (example id, the student's text) → the judge's grade
JudgedGrades = Mapping[tuple[str, str], Grade]


class GradingJudgeSettings(EndpointSettings):
    """The model that compares answers where task.grader is judge.

    Paid from the same budget, dev first.
    """

    max_tokens: PositiveInt = 256
    # A text with {question}, {gold} and {answer}.
    prompt: Path | None = None


def grade_with_judge(
    task: Task,
    judge: PromptedModel,
    answers: Sequence[tuple[Example, Attempt]],
    *,
    round: int,
    ledger: Ledger,
) -> Task:
    """The task with the judge's grades of these answers.

    The judge isn't asked about answers that were cut off, or that the task itself finds right.
    Raises BudgetClosed when the budget can't pay for all calls, ConfigError and TeacherDown.
    """
    unclear = [
        (example, attempt.text)
        for example, attempt in answers
        if not attempt.truncated
        and task.grade(example, attempt.text).outcome != "right"
    ]
    grades = ask_for_grades(judge, unclear, round=round, ledger=ledger)

    def grade(example: Example, text: str) -> Grade:
        return grades.get((example.id, text)) or task.grade(example, text)

    return replace(task, grade=grade)


def ask_for_grades(
    judge: PromptedModel,
    answers: Sequence[tuple[Example, str]],
    *,
    round: int,
    ledger: Ledger,
    on_progress: Callable[[int], None] = lambda done: None,
) -> JudgedGrades:
    """The judge's grade of each different answer. Raises as ask_all does."""
    message_by_answer = {
        (example.id, text): make_grading_message(judge, example, text)
        for example, text in answers
    }
    messages = {(m.seed, m.n): m for m in message_by_answer.values()}
    opinions = ask_all(
        judge,
        list(messages.values()),
        "judging all answers",
        round=round,
        ledger=ledger,
        on_progress=on_progress,
    )
    grades = {key: read_grade(opinion) for key, opinion in opinions.items()}
    return {answer: grades[m.seed, m.n] for answer, m in message_by_answer.items()}


def make_grading_message(judge: PromptedModel, example: Example, text: str) -> Message:
    return judge.make_message(
        example.id,
        question=example.question,
        gold=str(example.answer),
        answer=cut_attempt(text),
    )


def read_grade(opinion: Opinion) -> Grade:
    """The last verdict in the judge's reply. Without one the answer stays unjudged, neither right
    nor wrong.
    """
    words = GRADE_WORD.findall(opinion.text or "")
    if not words:
        reply = repr((opinion.text or "")[:80])
        unread = f"the judge said neither CORRECT nor INCORRECT: {reply}"
        return Grade("unjudged", reason=opinion.reason or unread)
    if words[-1] == "CORRECT":
        return Grade("right", answer_right=True)
    return Grade("wrong", answer_right=False, reason="the judge says INCORRECT")


def worst_grading_cost(judge: PromptedModel, examples: Sequence[Example]) -> Cost:
    """The most that judging one answer to each example can cost."""
    longest = "x" * MAX_ATTEMPT_BYTES
    messages = (make_grading_message(judge, example, longest) for example in examples)
    return sum_costs(judge.worst_cost(message) for message in messages)
