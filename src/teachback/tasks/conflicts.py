"""Leaves out questions whose rows contradict each other: nobody knows which answer is right."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from ..graders.number import same_number
from ..graders.text import same_text


class AnsweredQuestion(Protocol):
    @property
    def question(self) -> str: ...
    @property
    def answer(self) -> str | None: ...


Answered = TypeVar("Answered", bound=AnsweredQuestion)


def drop_conflicts(
    rows: Sequence[Answered], key: Callable[[str], str]
) -> tuple[list[Answered], list[Answered]]:
    """The rows, without those of a question that two rows answer differently, and those."""
    answers_by_key: dict[str, set[str]] = {}
    for row in rows:
        answers = answers_by_key.setdefault(key(row.question), set())
        if row.answer is not None:
            answers.add(row.answer)
    conflicting = {
        question
        for question, answers in answers_by_key.items()
        if len(answers) > 1 and not all_agree(answers)
    }
    if not conflicting:
        return list(rows), []
    kept = [row for row in rows if key(row.question) not in conflicting]
    dropped = [row for row in rows if key(row.question) in conflicting]
    return kept, dropped


def all_agree(answers: Iterable[str]) -> bool:
    """True for answers that differ in their form only, such as 1,000 and 1000.0."""
    first, *others = sorted(answers)
    return all(same_text(first, other) or same_number(first, other) for other in others)


def conflict_note(dropped: Sequence[AnsweredQuestion], source: str) -> str:
    """What the reader is told about rows that were left out."""
    return (
        f"{len(dropped)} rows of {source} are left out: they answer the same question "
        f"differently, such as {dropped[0].question[:100]!r}"
    )
