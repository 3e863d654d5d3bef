"""Finds words that a question shares with the questions of dev and test.

13 shared words in a row count as a leak, as is usual since GPT-3 (arXiv 2005.14165). 0.06 % of
GSM8K's own train questions share that much with its test set, and 2 % of MATH's. 8 words in a row,
unchanged or with numbers masked, make a warning for a person to look at: 3 % of GSM8K's, 12 % of
MATH's. Only questions are compared: 1.5 % of MATH's worked solutions share 13 words with those of
its test set, because they use the same stock phrases.
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
    split_exact_tokens,
    split_words,
    strip_punctuation,
)

LEAK_WORDS = 13
WARNING_WORDS = 8
# A shorter question, such as 5!, is found as a whole row only. So is one of three tokens, such as
# 2 + 2, unless it has a word and a long number.
MIN_CONTAINED_TOKENS = 3
SIGNS = frozenset("-+*/=<>^")


class LabelledQuestion(NamedTuple):
    # Such as "test gsm8k_test-00012".
    label: str
    text: str


class SharedRun(NamedTuple):
    question: LabelledQuestion
    # The words that the text and the question share.
    words: str


class NGramIndex:
    """Where each run of n words first occurs among the questions.

    Runs are kept as 64-bit hashes, which takes less memory. So a hit is compared word by word. A
    run that occurs in two questions and in two seeds is dropped: it is the task's wording ("express
    your answer as …").
    """

    def __init__(
        self,
        questions: Sequence[LabelledQuestion],
        seeds: Sequence[str],
        n: int,
        tokenize: Callable[[str], list[str]],
        is_indexed: Callable[[NGram], bool] = lambda ngram: True,
    ) -> None:
        self.n = n
        self.tokenize = tokenize
        self.is_indexed = is_indexed
        self.questions = questions
        # The hash of a run → the position of its first question.
        self._first: dict[int, int] = {}
        # Runs of two or more questions.
        repeated: set[int] = set()
        for position, question in enumerate(questions):
            for run in self._run_hashes(question.text):
                if self._first.setdefault(run, position) != position:
                    repeated.add(run)
        # In how many seeds each of those occurs.
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
        # (position of the question, position of the run in the text)
        hits: list[tuple[int, int]] = []
        for position, run in enumerate(runs):
            question = self._first.get(hash(run))
            if question is not None:
                hits.append((question, position))

        # Sorted, because most_common keeps the order of equal counts.
        counts = Counter(question for question, _ in sorted(hits))
        for question, _ in counts.most_common():
            question_words = self.tokenize(self.questions[question].text)
            question_runs = set(ngrams(question_words, self.n))
            shared = [
                position
                for hit_question, position in hits
                if hit_question == question and runs[position] in question_runs
            ]
            if shared:
                shared_words = " ".join(first_stretch(runs, shared))
                return SharedRun(self.questions[question], shared_words)
        return None

    def _run_hashes(self, text: str) -> set[int]:
        runs = ngrams(self.tokenize(text), self.n)
        return {hash(run) for run in runs if self.is_indexed(run)}


def first_stretch(runs: Sequence[NGram], positions: Sequence[int]) -> Iterator[str]:
    """Yield the words of the run at the first position, and of those that follow without a gap."""
    yield from runs[positions[0]]
    for previous, position in pairwise(positions):
        if position != previous + 1:
            return
        # The run overlaps with the previous one in all words but its last.
        yield runs[position][-1]


def is_searchable(tokens: Sequence[str]) -> bool:
    """Whether a question says enough to be looked for inside longer texts."""
    if len(tokens) != MIN_CONTAINED_TOKENS:
        return len(tokens) > MIN_CONTAINED_TOKENS
    has_word = any(token.isalpha() and len(token) > 2 for token in tokens)
    has_number = any(token.isdigit() and len(token) > 2 for token in tokens)
    return has_word and has_number


class ShortQuestions:
    """Finds questions of fewer than 13 words in longer texts.

    What two seeds hold is the task's wording, and is not looked for.
    """

    def __init__(
        self, questions: Sequence[LabelledQuestion], seeds: Sequence[str]
    ) -> None:
        # By their first tokens.
        self._by_start: dict[NGram, list[tuple[NGram, LabelledQuestion]]] = {}
        for question in questions:
            tokens = tuple(split_exact_tokens(question.text))
            if is_searchable(tokens):
                start = tokens[:MIN_CONTAINED_TOKENS]
                self._by_start.setdefault(start, []).append((tokens, question))
        if not self._by_start:
            return
        in_seeds: Counter[NGram] = Counter()
        for seed in seeds:
            in_seeds.update({tokens for tokens, _ in self._find_all(seed)})
        for start, entries in self._by_start.items():
            rare = [entry for entry in entries if in_seeds[entry[0]] < 2]
            self._by_start[start] = rare

    def find_inside(self, text: str) -> LabelledQuestion | None:
        """Return the longest of the questions in the text; of equally long ones, the first."""
        inside = self._find_all(text)
        if not inside:
            return None
        return max(inside, key=lambda entry: len(entry[0]))[1]

    def _find_all(self, text: str) -> list[tuple[NGram, LabelledQuestion]]:
        if not self._by_start:
            return []
        tokens = tuple(split_exact_tokens(text))
        inside = []
        for position, start in enumerate(ngrams(tokens, MIN_CONTAINED_TOKENS)):
            for question_tokens, question in self._by_start.get(start, ()):
                end = position + len(question_tokens)
                if tokens[position:end] != question_tokens:
                    continue
                # A sign beside it makes another exercise of it: 2 + 3 is not in 2 + 3 * 4.
                beside = {
                    *tokens[max(0, position - 1) : position],
                    *tokens[end : end + 1],
                }
                if not beside & SIGNS:
                    inside.append((question_tokens, question))
        return inside


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
        short = [
            question
            for question in questions
            if len(split_words(question.text)) < LEAK_WORDS
        ]
        self._equal = {strip_punctuation(question.text): question for question in short}
        self._short = ShortQuestions(short, seeds)

    def leak_reason(self, text: str) -> str | None:
        """Why the text is too close to a question, or None.

        It shares 13 words in a row, or has all of a question that has fewer words.
        """
        equal = self._equal.get(strip_punctuation(text))
        if equal is not None:
            return f"equal to {equal.label} but for spaces and punctuation"
        inside = self._short.find_inside(text)
        if inside is not None:
            return f"has all of {inside.label} in it"
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
