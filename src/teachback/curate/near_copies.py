"""Finds near-copies of a question of dev or test: with other numbers, names or some other words.

Two questions are compared by their prose: words of three letters or more, without numbers and
LaTeX commands. Their similarity is twice the length of the longest common subsequence of words
over the length of both. Two of GSM8K's train and test questions reach 0.65 in 0.17 % of the rows.

Words that most seeds and most questions have are the task's wording, and don't count. Contests
repeat more of it: "Find the greatest common divisor of …" is no copy. Where more than 1 % of the
seeds, and of dev and test among themselves, look like copies, only longer questions are recognised.
That refuses 0.07 % of MATH's train rows, beside the 1.8 % that share 13 words, instead of 10 %.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from .overlap import LabelledQuestion
from .words import NGram, ngrams, prose_words

# (words of the question, similarity from which on a row is a copy of it), the longest first.
COPY_LEVELS = ((6, 0.65),)
# The same where wording is repeated, which shows in more than MAX_COPIES_SHARE of the references.
STRICT_COPY_LEVELS = ((18, 0.65), (15, 0.95))
# A longer row holds a copy if it has this share of the question's words, in their order.
MIN_CONTAINMENT = 0.8
MIN_CONTAINED_WORDS = 15
MAX_LENGTH_RATIO = 3
MAX_COPIES_SHARE = 0.01
MAX_REFERENCES = 1000
# Words in a larger share of the seeds and of the questions are the task's wording.
MAX_WORD_SHARE = 0.5
# Pairs of words found in a larger share of the questions ("how many") are ignored.
MAX_COMMON_PAIR_SHARE = 0.02
# So many questions, those with the most pairs in common, are compared word by word.
MAX_CANDIDATES = 5
MAX_PROSE_WORDS = 400


class NearCopy(NamedTuple):
    question: LabelledQuestion
    # The share of the words that both have, 0 to 1.
    similarity: float


class NearCopyDetector:
    """Made once, from the questions of dev and test. is_refused(text): by another rule already."""

    def __init__(
        self,
        questions: Sequence[LabelledQuestion],
        seeds: Sequence[str],
        is_refused: Callable[[str], bool] = lambda text: False,
    ) -> None:
        self._questions = questions
        self._wording = find_wording([question.text for question in questions], seeds)
        self._words = [self._split_text(question.text) for question in questions]
        pairs_by_question = [set(ngrams(words, 2)) for words in self._words]
        counts = Counter(pair for pairs in pairs_by_question for pair in pairs)
        max_count = max(5, MAX_COMMON_PAIR_SHARE * len(questions))
        self._questions_with: dict[NGram, list[int]] = defaultdict(list)
        self._n_pairs: list[int] = []
        for position, pairs in enumerate(pairs_by_question):
            rare = [pair for pair in pairs if counts[pair] <= max_count]
            self._n_pairs.append(max(1, len(rare)))
            for pair in rare:
                self._questions_with[pair].append(position)
        self._levels: Sequence[tuple[int, float]] = COPY_LEVELS
        if self._repeats_wording(seeds, is_refused):
            self._levels = STRICT_COPY_LEVELS

    def find_copy(self, text: str, excluded: int = -1) -> NearCopy | None:
        """Return the question that the text is a near-copy of, or None.

        excluded: the position of a question that does not count.
        """
        words = self._split_text(text)
        best: NearCopy | None = None
        for position in self._find_candidates(words):
            question_words = self._words[position]
            least = self._least_similarity(len(question_words))
            if position == excluded or least is None:
                continue
            similarity = copy_similarity(question_words, words)
            if similarity < least or (best and similarity <= best.similarity):
                continue
            best = NearCopy(self._questions[position], similarity)
        return best

    def _least_similarity(self, n_words: int) -> float | None:
        """For a question of so many words. None: it is too short to be recognised by them."""
        for min_words, similarity in self._levels:
            if n_words >= min_words:
                return similarity
        return None

    def _split_text(self, text: str) -> list[str]:
        words = [word for word in prose_words(text) if word not in self._wording]
        return words[:MAX_PROSE_WORDS]

    def _find_candidates(self, words: Sequence[str]) -> list[int]:
        shared = Counter(
            position
            for pair in set(ngrams(words, 2))
            for position in self._questions_with.get(pair, ())
        )
        n_pairs = self._n_pairs
        by_share = sorted(
            shared,
            key=lambda position: (-shared[position] / n_pairs[position], position),
        )
        return by_share[:MAX_CANDIDATES]

    def _repeats_wording(
        self, seeds: Sequence[str], is_refused: Callable[[str], bool]
    ) -> bool:
        """True if more seeds, and questions among themselves, look like copies than can be."""
        references = sorted(seeds, key=hash_text)[:MAX_REFERENCES]
        n_copies = sum(
            is_refused(seed) or self.find_copy(seed) is not None for seed in references
        )
        texts = [question.text for question in self._questions]
        positions = sorted(range(len(texts)), key=lambda i: hash_text(texts[i]))
        positions = positions[:MAX_REFERENCES]
        for position in positions:
            copy = self.find_copy(texts[position], excluded=position)
            n_copies += copy is not None
        n_references = len(references) + len(positions)
        # One alone may be a copy indeed.
        return n_copies > max(1, MAX_COPIES_SHARE * n_references)


def find_wording(questions: Sequence[str], seeds: Sequence[str]) -> frozenset[str]:
    """The words that most questions, and most seeds, have; two of each at least."""
    common = []
    for texts in (questions, seeds):
        counts = Counter(word for text in texts for word in set(prose_words(text)))
        least = max(2, MAX_WORD_SHARE * len(texts))
        common.append({word for word, count in counts.items() if count >= least})
    return frozenset(common[0] & common[1])


def copy_similarity(question: Sequence[str], text: Sequence[str]) -> float:
    """Of two lists of words, 0 to 1; of a question in a longer text, the share that is there."""
    n_shared = longest_common_subsequence(question, text)
    similarity = 2 * n_shared / (len(question) + len(text))
    containment = n_shared / len(question)
    can_be_inside = MIN_CONTAINED_WORDS <= len(question) <= len(text)
    is_near = len(text) <= MAX_LENGTH_RATIO * len(question)
    if can_be_inside and is_near and containment >= MIN_CONTAINMENT:
        return containment
    return similarity


def longest_common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Its length, by Hyyrö's bit vectors: a bit of an integer for each word of `a`."""
    positions: dict[str, int] = {}
    for i, word in enumerate(a):
        positions[word] = positions.get(word, 0) | 1 << i
    all_bits = (1 << len(a)) - 1
    row = all_bits
    for word in b:
        matches = row & positions.get(word, 0)
        row = ((row + matches) | (row - matches)) & all_bits
    return len(a) - row.bit_count()


def hash_text(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()
