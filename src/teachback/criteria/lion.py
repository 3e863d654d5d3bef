"""`lion`: half of the batch from seeds that are hard for the student, half from easy ones (Lion,
arXiv 2305.12870).

A seed is hard if the referee puts the teacher's answer at least one mark above the student's. The
gap is the mean over both orders of the two answers.
"""

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from ..endpoints.settings import EndpointSettings
from ..errors import CriterionError
from ..types import PositiveInt
from .criterion import Criterion, CriterionSettings, Draws
from .evidence import Evidence

MIN_HARD_GAP_MARKS = 1.0


class LionSettings(CriterionSettings, EndpointSettings):
    """The endpoint of the referee. The teacher is the run's own, teacher.name: openai."""

    asks_teacher: ClassVar[bool] = True

    max_tokens: PositiveInt = 512
    # A text with {question}, {first} and {second}.
    prompt: Path | None = None

    def arguments(self, members: Mapping[str, Criterion]) -> dict[str, Any]:
        """None: the evidence holds the gaps."""
        return {}


def lion(evidence: Evidence, m: int, draws: Draws) -> list[int]:
    """m positions, drawn uniformly from each half, hard and easy by turns.

    Of an odd m one more is hard. If a half is too small, the other fills up. Raises CriterionError
    if fewer than m candidates have a gap.
    """
    known_gaps = {
        i: gap for i in evidence.candidates if (gap := evidence.gaps[i]) is not None
    }
    if len(known_gaps) < m:
        raise CriterionError(
            f"lion can't select {m} seeds",
            got=f"{len(known_gaps)} that the referee could compare",
            fix="lower per_round",
        )
    random_number = {i: draws(evidence.seeds[i].id).random() for i in known_gaps}
    in_random_order = sorted(known_gaps, key=lambda i: (-random_number[i], i))
    hard = [i for i in in_random_order if known_gaps[i] >= MIN_HARD_GAP_MARKS]
    easy = [i for i in in_random_order if known_gaps[i] < MIN_HARD_GAP_MARKS]
    hard = hard[: m - min(m // 2, len(easy))]
    easy = easy[: m - len(hard)]
    # By turns, so that a round that is cut short has both.
    turns = zip_longest(hard, easy)
    return [i for turn in turns for i in turn if i is not None]
