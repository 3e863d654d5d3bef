"""Finds drafts that contradict each other, a seed or an earlier row on the same question.

Nobody knows which of them is right, so no such draft is kept. Seeds and earlier rows stay.
"""

from collections.abc import Callable, Sequence

from ..types import Example, Row, Verdict

# conflict(answer, verdict): whether the verdict's answer contradicts that one
AnswersConflict = Callable[[str, Verdict], bool]


def differ_as_texts(answer: str, verdict: Verdict) -> bool:
    """For answers that are compared as texts, up to case and white space."""
    if verdict.answer is None:
        return False
    return answer.casefold().split() != verdict.answer.casefold().split()


class ConflictFinder:
    """The contradictions of one round. known: seeds and earlier rows."""

    def __init__(
        self,
        verdicts: Sequence[Verdict],
        known: Sequence[Example | Row],
        key: Callable[[str], str],
        conflict: AnswersConflict,
    ) -> None:
        self._key = key
        self._conflict = conflict
        self._known_answers: dict[str, str] = {}
        for question in known:
            if question.answer is not None:
                self._known_answers.setdefault(key(question.question), question.answer)

        # By the key of its question, the first answer of the round and another one.
        self._answers: dict[str, tuple[str, str]] = {}
        first_answers: dict[str, str] = {}
        for verdict in verdicts:
            if verdict.answer is None:
                continue
            question_key = key(verdict.question)
            first = first_answers.setdefault(question_key, verdict.answer)
            if first is not verdict.answer and conflict(first, verdict):
                self._answers.setdefault(question_key, (first, verdict.answer))
        self._n_refused = 0
        self._n_against_known = 0

    def refusal_reason(self, verdict: Verdict, reason: str | None) -> str | None:
        """Why the draft can't become a row. reason: why it can't anyway, or None."""
        question_key = self._key(verdict.question)
        known_answer = self._known_answers.get(question_key)
        if reason is not None:
            if known_answer is None or not self._conflict(known_answer, verdict):
                return reason
            self._n_against_known += 1
            return f"{reason}, which answers {known_answer}, not {verdict.answer}"
        answers = self._answers.get(question_key)
        if answers is None:
            return None
        self._n_refused += 1
        return f"conflicting answers: drafts of this exercise answer {' and '.join(answers)}"

    def notes(self) -> list[str]:
        """Notes for the reader on the round as a whole."""
        notes = []
        if self._n_refused:
            notes.append(
                f"{self._n_refused} drafts answer the same questions differently: "
                "all of them are left out"
            )
        if self._n_against_known:
            notes.append(
                f"{self._n_against_known} drafts contradict a seed or an earlier row on the same "
                "question: they are left out, and one of the two is wrong"
            )
        return notes
