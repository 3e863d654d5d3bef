"""Rows that were made from a test question by changing its numbers and names.

No run of eight words need be left of it, so short runs are counted: the share of a question's masked three-word runs
that one row has. A row with more than 0.4 of them looks made from the question: 82 % of gsm_symbolic's rows against
GSM8K's test set, 0.2 % of GSM8K's own train questions, 10 % of MATH's, where contests repeat their forms. What one row
may have by chance a round has not, so the round is judged first, by how often such rows occur among the seeds.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from .overlap import Question
from .words import Gram, grams, masked, words

RUN = 3
SHARE = 0.4
FEWEST = 8  # runs that a question is taken to have: of a short one, few are soon many
COMMON = 0.02  # runs that more of the questions than this have ("how many does") are left out
MARGIN, TOP, CHANCE = 0.15, 0.2, 0.001


class Made(NamedTuple):
    """share: of the question's runs."""

    question: Question
    share: float


class Templates:
    """Made once from the questions of dev and test, and from the seeds, which say what is usual."""

    def __init__(self, questions: Sequence[Question], seeds: Sequence[str]) -> None:
        runs = [masked_runs(question.text) for question in questions]
        count = Counter(run for each in runs for run in each)
        most = max(5, COMMON * len(questions))
        self.questions = questions
        self._having: dict[Gram, list[int]] = defaultdict(list)
        self._size: list[int] = []
        for at, each in enumerate(runs):
            rare = [run for run in each if count[run] <= most]
            self._size.append(max(len(rare), FEWEST))
            for run in rare:
                self._having[run].append(at)
        self.n_seeds, self.seeds_made = (
            len(seeds),
            sum(self.made(text) is not None for text in seeds),
        )

    def made(self, text: str) -> Made | None:
        """The question that the text looks made from, or None."""
        shared = Counter(
            at for run in masked_runs(text) for at in self._having.get(run, ())
        )
        best = max(
            shared, key=lambda at: (shared[at] / self._size[at], -at), default=None
        )
        if best is None or shared[best] <= SHARE * self._size[best]:
            return None
        return Made(self.questions[best], shared[best] / self._size[best])

    @property
    def seeds_usual(self) -> bool:
        """So many seeds look made that it may be the task's own way, and no sign of the test set."""
        return self.seeds_made > TOP * self.n_seeds

    @property
    def expected(self) -> float:
        """The share of rows that may look made: as of the seeds, at most 0.2, and 0.15 more."""
        return (
            min(self.seeds_made / self.n_seeds if self.n_seeds else 0.0, TOP) + MARGIN
        )

    def too_many(self, made: int, of: int) -> bool:
        """So many by chance less than once in a thousand rounds, if `expected` were their share."""
        from scipy.stats import binom

        return made > 0 and float(binom.sf(made - 1, of, self.expected)) < CHANCE


def masked_runs(text: str) -> set[Gram]:
    return set(grams(masked(words(text)), RUN))
