"""`lion`: half of the batch from seeds that are hard for the student, half from easy ones (Lion,
arXiv 2305.12870).

Hard: the referee puts the teacher's answer at least one mark above the student's, mean of both
orders.
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

HARD = 1.0  # marks


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
    """m positions, drawn uniformly from each side, hard and easy by turns; of an odd m one more
    is hard. Where a side is too small the other fills up. Raises CriterionError where fewer
    than m candidates have a gap.
    """
    gaps = {
        i: gap for i in evidence.candidates if (gap := evidence.gaps[i]) is not None
    }
    if len(gaps) < m:
        raise CriterionError(
            f"lion can't select {m} seeds",
            got=f"{len(gaps)} that the referee could compare",
            fix="lower per_round",
        )
    drawn = {i: draws(evidence.seeds[i].id).random() for i in gaps}
    order = sorted(gaps, key=lambda i: (-drawn[i], i))
    hard, easy = (
        [i for i in order if (gaps[i] >= HARD) == side] for side in (True, False)
    )
    hard = hard[: m - min(m // 2, len(easy))]
    easy = easy[: m - len(hard)]
    return [i for turn in zip_longest(hard, easy) for i in turn if i is not None]
