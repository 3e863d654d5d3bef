"""Finds words that a question shares with the questions of dev and test.

13 shared words in a row count as a leak, the norm since GPT-3 (2005.14165). 0.06 % of GSM8K's own
train questions share that much with its test set, 2 % of MATH's. 8 words in a row, as they stand or
with numbers masked, make a warning for a person to look at: 3 % of GSM8K's, 12 % of MATH's. Only
questions are compared: 1.5 % of MATH's worked solutions share 13 words with those of its test set,
because they use the same stock phrases.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from .words import (
    NGram,
    is_distinctive,
    masked_words,
    ngrams,
    split_words,
    strip_punctuation,
)

LEAK_WORDS = 13
WARNING_WORDS = 8


class LabelledQuestion(NamedTuple):
    label: str  # such as "test gsm8k_test-00012"
    text: str


class SharedRun(NamedTuple):
    question: LabelledQuestion
    words: str  # that the text and the question share


class NGramIndex:
    """Where each run of n words first occurs among the questions.

    Runs are kept as 64-bit hashes; a hit is compared word by word. A run that occurs in two
    questions and in two seeds is dropped: it is the task's wording ("express your answer as …").
    """

    def __init__(
        self,
        questions: Sequence[LabelledQuestion],
        seeds: Sequence[str],
        n: int,
        tokenize: Callable[[str], list[str]],
        keep: Callable[[NGram], bool] = lambda ngram: True,
    ) -> None:
        self.n = n
        self.tokenize = tokenize
        self.keep = keep  # says which runs are indexed
        self.questions = questions
        # The hash of a run → the position of its first question.
        self._first: dict[int, int] = {}
        repeated: set[int] = set()
        for position, question in enumerate(questions):
            for run in self._run_hashes(question.text):
                if self._first.setdefault(run, position) != position:
                    repeated.add(run)
        in_seeds: Counter[int] = Counter()
        for seed in seeds:
            in_seeds.update(self._run_hashes(seed) & repeated)
        for run, count in in_seeds.items():
            if count > 1:
                del self._first[run]

    def find_shared(self, text: str) -> SharedRun | None:
        """Return the question that shares most runs with the text, with the first shared words.

        Of questions that share equally many runs, the first is returned.
        """
        runs = list(ngrams(self.tokenize(text), self.n))
        hits: list[tuple[int, int]] = []  # (question, place in the text)
        for at, run in enumerate(runs):
            question = self._first.get(hash(run))
            if question is not None:
                hits.append((question, at))

        counts = Counter(question for question, _ in sorted(hits))
        for question, _ in counts.most_common():
            question_words = self.tokenize(self.questions[question].text)
            question_runs = set(ngrams(question_words, self.n))
            places = [
                at for hit, at in hits if hit == question and runs[at] in question_runs
            ]
            if places:
                shared_words = " ".join(first_stretch(runs, places))
                return SharedRun(self.questions[question], shared_words)
        return None

    def _run_hashes(self, text: str) -> set[int]:
        runs = ngrams(self.tokenize(text), self.n)
        return {hash(run) for run in runs if self.keep(run)}


def first_stretch(runs: Sequence[NGram], places: Sequence[int]) -> Iterator[str]:
    """Yield the words of the run at the first place and of the runs that follow without a gap."""
    yield from runs[places[0]]
    for before, at in pairwise(places):
        if at != before + 1:
            return
        yield runs[at][-1]


class HeldOutOverlap:
    """What a text shares with dev and test. Made once, from their questions."""

    def __init__(
        self, questions: Sequence[LabelledQuestion], seeds: Sequence[str]
    ) -> None:
        self._leaks = NGramIndex(questions, seeds, LEAK_WORDS, split_words)
        self._words = NGramIndex(
            questions, seeds, WARNING_WORDS, split_words, is_distinctive
        )
        self._masked = NGramIndex(
            questions, seeds, WARNING_WORDS, masked_words, is_distinctive
        )
        self._short = {
            strip_punctuation(question.text): question
            for question in questions
            if len(split_words(question.text)) < LEAK_WORDS
        }

    def leak_reason(self, text: str) -> str | None:
        """Why the text is too close to a question, or None.

        It shares 13 words in a row, or equals a question that has fewer words.
        """
        equal = self._short.get(strip_punctuation(text))
        if equal is not None:
            return f"equal to {equal.label} but for spaces and punctuation"
        shared = self._leaks.find_shared(text)
        if shared is None:
            return None
        return (
            f'shares {LEAK_WORDS} words with {shared.question.label}: "{shared.words}"'
        )

    def find_similar(
        self, text: str
    ) -> tuple[Literal["8-word", "number-masked"], SharedRun] | None:
        """Find a question that shares 8 words in a row, or else 8 with numbers masked."""
        shared = self._words.find_shared(text)
        if shared:
            return "8-word", shared
        shared = self._masked.find_shared(text)
        if shared:
            return "number-masked", shared
        return None
