"""What can be said of each draft on its own: does it parse, is it proven, do the votes or the verifier agree?

A reason is "category: detail"; the yield is counted by category.
"""

from collections.abc import Sequence

from ..types import Draft, Example, Task, Verdict


def verify(drafts: Sequence[Draft], task: Task) -> tuple[Verdict, ...]:
    return tuple(judge(draft, task) for draft in drafts)


def judge(draft: Draft, task: Task) -> Verdict:
    """One draft. Of several answers the one that most of them agree with is taken, and more than half must."""
    if draft.reason is not None or draft.question is None or draft.text is None:
        why = draft.reason or "no text"
        return Verdict(
            draft.seed, draft.n, draft.question or "", draft.text or "", reason=why
        )
    votes = draft.votes or (draft.text,)
    answers = [
        (text, task.verify(draft.question, visible(text)))
        for text in votes
        if text is not None
    ]
    right = [
        (text, grade.answer) for text, grade in answers if grade.outcome == "right"
    ]
    if not right:
        first, grade = answers[0]
        why = f"{grade.outcome}: {grade.reason}"
        return Verdict(
            draft.seed, draft.n, draft.question, first, grade.answer, reason=why
        )
    if draft.answer is not None and not agrees(
        task, draft.question, draft.answer, draft.text
    ):
        why = f"wrong: {right[0][1]} is not {draft.answer}, which the program came to"
        return Verdict(
            draft.seed, draft.n, draft.question, draft.text, right[0][1], reason=why
        )
    if task.exact or draft.answer is not None:
        return Verdict(draft.seed, draft.n, draft.question, *right[0], verified=True)
    text, answer, agree = most_agreed(task, draft.question, right)
    reason = doubt(task, draft, answer, agree, len(votes))
    agreed = len(votes) > 1 or draft.second is not None
    return Verdict(
        draft.seed,
        draft.n,
        draft.question,
        text,
        answer,
        reason is None and agreed,
        reason,
    )


def most_agreed(
    task: Task, question: str, right: Sequence[tuple[str, str | None]]
) -> tuple[str, str | None, int]:
    """The first of the (text, answer) pairs that most of them agree with, itself among them, and how many do."""
    counts = [
        1
        + sum(
            agrees(task, question, answer, other)
            for j, (other, _) in enumerate(right)
            if j != i
        )
        for i, (_, answer) in enumerate(right)
    ]
    best = counts.index(max(counts))
    return *right[best], counts[best]


def doubt(
    task: Task, draft: Draft, answer: str | None, agree: int, votes: int
) -> str | None:
    """Why the votes or the verifier speak against an answer, or None."""
    if 2 * agree <= votes:
        return f"disagreement: {agree} of {votes} answers agree"
    if draft.second is not None and not agrees(
        task, draft.question or "", answer, draft.second
    ):
        return f"disagreement: the verifier does not come to {answer}"
    return None


def agrees(task: Task, question: str, answer: str | None, text: str) -> bool:
    return task.grade(Example("", question, answer), visible(text)).answer_right


def visible(text: str) -> str:
    """What stands after a reasoning model's thinking."""
    return (
        text.rpartition("</think>")[2].strip() if text.startswith("<think>") else text
    )
