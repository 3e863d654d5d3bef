"""Which drafts become rows: verify them one by one, then refuse what is there already. Every refusal has its reason.

A reason is "category: detail"; the yield is counted by category.
"""

from collections.abc import Callable, Mapping, Sequence

from ..types import Curated, Draft, Example, Rejected, Row, Task, Verdict


def verify(drafts: Sequence[Draft], task: Task) -> tuple[Verdict, ...]:
    return tuple(judge(draft, task) for draft in drafts)


def judge(draft: Draft, task: Task) -> Verdict:
    """One draft. Of several answers the one that most of them agree with is taken, and more than half must."""
    if draft.reason is not None or draft.question is None or draft.text is None:
        why = draft.reason or "no text"
        return Verdict(draft.seed, draft.n, draft.question or "", draft.text or "", reason=why)
    votes = draft.votes or (draft.text,)
    answers = [(text, task.verify(draft.question, visible(text))) for text in votes if text is not None]
    right = [(text, grade.answer) for text, grade in answers if grade.outcome == "right"]
    if not right:
        first, grade = answers[0]
        why = f"{grade.outcome}: {grade.reason}"
        return Verdict(draft.seed, draft.n, draft.question, first, grade.answer, reason=why)
    if task.exact:
        return Verdict(draft.seed, draft.n, draft.question, *right[0], verified=True)
    text, answer, agree = most_agreed(task, draft.question, right)
    reason = doubt(task, draft, answer, agree, len(votes))
    agreed = len(votes) > 1 or draft.second is not None
    return Verdict(draft.seed, draft.n, draft.question, text, answer, reason is None and agreed, reason)


def most_agreed(task: Task, question: str, right: Sequence[tuple[str, str | None]]) -> tuple[str, str | None, int]:
    """The first of the (text, answer) pairs that most of them agree with, itself among them, and how many do."""
    counts = [
        1 + sum(agrees(task, question, answer, other) for j, (other, _) in enumerate(right) if j != i)
        for i, (_, answer) in enumerate(right)
    ]
    best = counts.index(max(counts))
    return *right[best], counts[best]


def doubt(task: Task, draft: Draft, answer: str | None, agree: int, votes: int) -> str | None:
    """Why the votes or the verifier speak against an answer, or None."""
    if 2 * agree <= votes:
        return f"disagreement: {agree} of {votes} answers agree"
    if draft.second is not None and not agrees(task, draft.question or "", answer, draft.second):
        return f"disagreement: the verifier does not come to {answer}"
    return None


def agrees(task: Task, question: str, answer: str | None, text: str) -> bool:
    return task.grade(Example("", question, answer), visible(text)).answer_right


def visible(text: str) -> str:
    """What stands after a reasoning model's thinking."""
    return text.rpartition("</think>")[2].strip() if text.startswith("<think>") else text


def curate(
    verdicts: Sequence[Verdict], rows: Sequence[Row], *, key: Callable[[str], str], taken: Mapping[str, str]
) -> Curated:
    """Fresh rows in the order of selection. `taken` maps the key of every seed, dev and test question to its name.

    A draft whose key equals one of those, an earlier row's or an earlier draft's of this round is refused.
    """
    known = {**taken, **{key(row.question): f"row {row.id}" for row in rows}}
    fresh: list[Row] = []
    rejected: list[Rejected] = []
    for verdict in verdicts:
        id = f"{verdict.seed}#{verdict.n}"
        reason, this = verdict.reason, key(verdict.question)
        if reason is None and this in known:
            category = "contaminated" if known[this].startswith(("dev", "test")) else "duplicate"
            reason = f"{category}: the same exercise as {known[this]}"
        if reason is not None:
            rejected.append(Rejected(verdict.seed, verdict.n, reason))
            continue
        known[this] = f"row {id}"
        fresh.append(Row(id, verdict.seed, verdict.n, verdict.question, verdict.text, verdict.answer, verdict.verified))
    return Curated(tuple(fresh), tuple(rejected))


def taken_keys(task: Task) -> dict[str, str]:
    """Keys of everything that a row must not be. Where a seed is also in dev or test, the split's name wins."""
    splits = (("seed", task.seeds), ("dev", task.dev), ("test", task.test))
    return {task.key(example.question): f"{split} {example.id}" for split, examples in splits for example in examples}
