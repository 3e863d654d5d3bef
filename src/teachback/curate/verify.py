"""Checks each draft on its own: does it parse, is it proven, do the votes or the verifier agree?

A reason is "category: detail". Reports count drafts by category.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ..types import Draft, Example, Task, Verdict


class ParsedAnswer(NamedTuple):
    text: str
    # The final answer, read from the text.
    answer: str | None
    # Why the text can't be used. None: it can.
    reason: str | None = None


def verify_drafts(drafts: Sequence[Draft], task: Task) -> tuple[Verdict, ...]:
    return tuple(verify_draft(draft, task) for draft in drafts)


def verify_draft(draft: Draft, task: Task) -> Verdict:
    """Check one draft. Of several answers, the one that more than half agree with is taken."""
    question = draft.question
    text = draft.text
    if draft.reason is not None or question is None or text is None:
        reason = draft.reason or "no text"
        return make_verdict(draft, ParsedAnswer(text or "", None, reason))

    votes = draft.votes or (text,)
    answers = [parse_answer(task, question, vote) for vote in votes if vote is not None]
    usable = [answer for answer in answers if answer.reason is None]
    if not usable:
        return make_verdict(draft, answers[0])

    program_answer = draft.answer
    if program_answer is not None and not answers_agree(
        task, question, program_answer, text
    ):
        answer = usable[0].answer
        reason = f"wrong: {answer} is not {program_answer}, which the program came to"
        return make_verdict(draft, ParsedAnswer(text, answer, reason))
    # Proven: the answers need no majority.
    if task.exact or program_answer is not None:
        return make_verdict(draft, usable[0], verified=True)

    best, n_agree = majority_answer(task, question, usable)
    doubt = disagreement_reason(task, draft, best.answer, n_agree, len(votes))
    if doubt is not None:
        return make_verdict(draft, best._replace(reason=doubt))
    is_confirmed = len(votes) > 1 or draft.second is not None
    return make_verdict(draft, best, verified=is_confirmed)


def make_verdict(draft: Draft, answer: ParsedAnswer, verified: bool = False) -> Verdict:
    return Verdict(
        seed=draft.seed,
        n=draft.n,
        question=draft.question or "",
        text=answer.text,
        answer=answer.answer,
        verified=verified,
        reason=answer.reason,
    )


def parse_answer(task: Task, question: str, text: str) -> ParsedAnswer:
    grade = task.verify(question, strip_thinking(text))
    if grade.outcome == "right":
        return ParsedAnswer(text, grade.answer)
    return ParsedAnswer(text, grade.answer, f"{grade.outcome}: {grade.reason}")


def majority_answer(
    task: Task, question: str, answers: Sequence[ParsedAnswer]
) -> tuple[ParsedAnswer, int]:
    """Return the first answer that most answers agree with, and how many do, itself included."""
    counts = []
    for i, candidate in enumerate(answers):
        others = [*answers[:i], *answers[i + 1 :]]
        agreeing = [
            other
            for other in others
            if answers_agree(task, question, candidate.answer, other.text)
        ]
        counts.append(1 + len(agreeing))
    best = counts.index(max(counts))
    return answers[best], counts[best]


def disagreement_reason(
    task: Task, draft: Draft, answer: str | None, n_agree: int, n_votes: int
) -> str | None:
    """Why the votes or the verifier speak against an answer, or None."""
    if 2 * n_agree <= n_votes:
        return f"disagreement: {n_agree} of {n_votes} answers agree"
    if draft.second is None:
        return None
    if answers_agree(task, draft.question or "", answer, draft.second):
        return None
    return f"disagreement: the verifier does not come to {answer}"


def answers_agree(task: Task, question: str, answer: str | None, text: str) -> bool:
    """True if the text's final answer equals `answer`."""
    return task.grade(Example("", question, answer), strip_thinking(text)).answer_right


def verdict_conflicts(task: Task, answer: str, verdict: Verdict) -> bool:
    """True if the verdict's final answer is another one, and not only unread or unproven."""
    example = Example("", verdict.question, answer)
    grade = task.grade(example, strip_thinking(verdict.text))
    return grade.outcome == "wrong" and not grade.answer_right


def strip_thinking(text: str) -> str:
    """Return what follows a reasoning model's <think> block. A block without an end stays.

    A chat template may have written the <think>; then the text begins inside the block.
    """
    head, close, answer = text.rpartition("</think>")
    is_thinking = text.startswith("<think>") or "<think>" not in head
    return answer.strip() if close and is_thinking else text
