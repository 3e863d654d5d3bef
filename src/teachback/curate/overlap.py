"""Words that a question shares with the questions of dev and test.

13 words in a row are taken for a leak (the norm since GPT-3, 2005.14165): 0.06 % of GSM8K's own train questions share
them with its test set, 2 % of MATH's. 8 words, or 8 with the numbers masked, are for a person to look at: 3 % of
GSM8K's, 12 % of MATH's. Only questions are compared: 1.5 % of MATH's worked solutions share 13 words with those of its
test set, phrases of the trade.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from .words import Gram, bare, grams, masked, telling, words

LEAK, LOOK = 13, 8


class Question(NamedTuple):
    """name: as in "test gsm8k_test-00012"."""

    name: str
    text: str


class Shared(NamedTuple):
    question: Question
    words: str


class Runs:
    """Where each run of n words stands first. Runs are kept as their 64-bit hashes; what is found is compared again.

    A run that two of the questions and two of the seeds have is the form of the task ("express your answer as …") and
    says nothing.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        seeds: Sequence[str],
        n: int,
        read: Callable[[str], list[str]],
        counts: Callable[[Gram], bool] = lambda gram: True,
    ) -> None:
        self.n, self.read, self.counts, self.questions = n, read, counts, questions
        self._first: dict[int, int] = {}
        twice: set[int] = set()
        for at, question in enumerate(questions):
            for run in self._runs(question.text):
                if self._first.setdefault(run, at) != at:
                    twice.add(run)
        in_seeds = Counter(run for text in seeds for run in self._runs(text) & twice)
        for run, times in in_seeds.items():
            if times > 1:
                del self._first[run]

    def shared(self, text: str) -> Shared | None:
        """The question that shares most runs with the text, of equals the first, and the first words they share."""
        mine = list(grams(self.read(text), self.n))
        hits = [
            (self._first[hash(gram)], at)
            for at, gram in enumerate(mine)
            if hash(gram) in self._first
        ]
        for question, _ in Counter(which for which, _ in sorted(hits)).most_common():
            theirs = set(grams(self.read(self.questions[question].text), self.n))
            places = [
                at for which, at in hits if which == question and mine[at] in theirs
            ]
            if places:
                return Shared(self.questions[question], " ".join(stretch(mine, places)))
        return None

    def _runs(self, text: str) -> set[int]:
        return {
            hash(gram) for gram in grams(self.read(text), self.n) if self.counts(gram)
        }


def stretch(runs: Sequence[Gram], places: Sequence[int]) -> Iterator[str]:
    """The words of the first run, and of those that follow it without a gap."""
    yield from runs[places[0]]
    for before, at in pairwise(places):
        if at != before + 1:
            return
        yield runs[at][-1]


class Overlap:
    """Made once from the questions of dev and test."""

    def __init__(self, questions: Sequence[Question], seeds: Sequence[str]) -> None:
        self._leak = Runs(questions, seeds, LEAK, words)
        self._look = Runs(questions, seeds, LOOK, words, telling)
        self._masked = Runs(
            questions, seeds, LOOK, lambda text: masked(words(text)), telling
        )
        self._short = {bare(q.text): q for q in questions if len(words(q.text)) < LEAK}

    def leak(self, text: str) -> str | None:
        """Why the text is too near to a question: 13 words in a row, or all of a question that has fewer."""
        whole = self._short.get(bare(text))
        if whole is not None:
            return f"equal to {whole.name} but for spaces and punctuation"
        shared = self._leak.shared(text)
        return (
            None
            if shared is None
            else f'shares {LEAK} words with {shared.question.name}: "{shared.words}"'
        )

    def look(
        self, text: str
    ) -> tuple[Literal["8-word", "number-masked"], Shared] | None:
        """The likest question by 8 words in a row, else by 8 with numbers masked."""
        if shared := self._look.shared(text):
            return "8-word", shared
        shared = self._masked.shared(text)
        return shared and ("number-masked", shared)
