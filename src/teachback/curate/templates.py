"""Finds rows that were made from a test question by changing its numbers and names.

Such a row need not share eight words in a row with the question, so short runs are counted: the
share of the question's three-word runs, numbers masked, that the row has. Above 0.4 the row looks
made from the question. That flags 82 % of gsm_symbolic's rows against GSM8K's test set, 0.2 % of
GSM8K's own train questions, and 10 % of MATH's, where contests repeat their wording. A single row
can match by chance, but a whole round can't. So rows are refused only in rounds where more rows
match than the seeds make likely.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from .overlap import LabelledQuestion
from .words import NGram, masked_words, ngrams

TEMPLATE_RUN_WORDS = 3
MIN_TEMPLATE_SHARE = 0.4
# A question with fewer runs counts as having this many: a short one is easily matched.
MIN_TEMPLATE_RUNS = 8
# Runs found in a larger share of the questions ("how many does") are ignored.
MAX_COMMON_SHARE = 0.02
# A larger share of matching seeds doesn't count as usual: the seeds may come from test.
MAX_SEED_SHARE = 0.2
# Rows may match this much more often than seeds.
SEED_SHARE_MARGIN = 0.15
# Below this probability, a round's matches are no accident.
MAX_CHANCE = 0.001


class TemplateMatch(NamedTuple):
    question: LabelledQuestion
    # The share of the question's runs that the text has.
    share: float


class TemplateDetector:
    """Made once, from the questions of dev and test. The seeds say how many matches are usual."""

    def __init__(
        self, questions: Sequence[LabelledQuestion], seeds: Sequence[str]
    ) -> None:
        runs_by_question = [masked_runs(question.text) for question in questions]
        counts = Counter(run for runs in runs_by_question for run in runs)
        max_count = max(5, MAX_COMMON_SHARE * len(questions))

        self.questions = questions
        self._questions_with: dict[NGram, list[int]] = defaultdict(list)
        self._n_runs: list[int] = []
        for position, runs in enumerate(runs_by_question):
            rare = [run for run in runs if counts[run] <= max_count]
            self._n_runs.append(max(len(rare), MIN_TEMPLATE_RUNS))
            for run in rare:
                self._questions_with[run].append(position)

        self.n_seeds = len(seeds)
        self.seed_matches = sum(self.find_template(seed) is not None for seed in seeds)

    def find_template(self, text: str) -> TemplateMatch | None:
        """Return the question that the text looks made from, or None."""
        shared = Counter(
            position
            for run in masked_runs(text)
            for position in self._questions_with.get(run, ())
        )
        if not shared:
            return None
        shares = {
            position: count / self._n_runs[position]
            for position, count in shared.items()
        }
        # Of equal shares, the first question wins.
        best = max(shares, key=lambda position: (shares[position], -position))
        if shared[best] <= MIN_TEMPLATE_SHARE * self._n_runs[best]:
            return None
        return TemplateMatch(self.questions[best], shares[best])

    @property
    def seeds_match_often(self) -> bool:
        """True if so many seeds match that it may be the task's wording, not the test set's."""
        return self.seed_matches > MAX_SEED_SHARE * self.n_seeds

    @property
    def expected_share(self) -> float:
        """The share of rows that may match: the seeds' share, at most 0.2, plus 0.15."""
        seed_share = self.seed_matches / self.n_seeds if self.n_seeds else 0.0
        return min(seed_share, MAX_SEED_SHARE) + SEED_SHARE_MARGIN

    def is_beyond_chance(self, matches: int, n: int) -> bool:
        """True if `expected_share` gives so many matches among n less than once in 1000 rounds."""
        from scipy.stats import binom

        if matches == 0:
            return False
        probability = float(binom.sf(matches - 1, n, self.expected_share))
        return probability < MAX_CHANCE


def masked_runs(text: str) -> set[NGram]:
    return set(ngrams(masked_words(text), TEMPLATE_RUN_WORDS))
