"""What a round knows about the seeds when it selects: all that a criterion can see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..types import Attempt, Example, Grade, Round

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Evidence:
    """N seeds, sorted by id.

    A sequence or an array has one entry for each seed, in that order, unless its comment says
    otherwise. What the criterion doesn't need is empty, or None.
    """

    seeds: Sequence[Example]
    # The current student's greedy answers, with their signals.
    attempts: Sequence[Attempt]
    # Positions of the seeds that may be selected.
    candidates: Sequence[int]
    # The finished rounds.
    past: Sequence[Round] = ()
    # The untuned student's accuracy on dev.
    baseline: float | None = None
    # Whether the attempt is right.
    right: Sequence[bool] = ()
    # Mean nll of the gold solution, nats a token.
    gold_nll: Sequence[float] = ()
    # k sampled answers, graded. `Grade.answer` is None if an answer has no final answer.
    samples: Sequence[Sequence[Grade]] = ()
    # A reward model's score of the attempt.
    reward: Sequence[float] = ()
    # A judge's mark for the attempt, 1 to 10. None: no verdict, so the seed is no candidate.
    marks: Sequence[float | None] = ()
    # By how many marks a referee puts the teacher's answer above the student's, mean of both
    # orders. None: no verdict, so the seed is no candidate.
    gaps: Sequence[float | None] = ()
    # The mean of the last hidden states over the attempt's tokens.
    embedding_N_D: "Array | None" = None
    # A sketch of the head's gradient for the attempt, mean over its tokens.
    gradient_N_M: "Array | None" = None
    # The same for the gold solution.
    gold_gradient_N_M: "Array | None" = None
    # The mean over dev of the gold solutions' gradients, each scaled to length 1.
    dev_gradient_M: "Array | None" = None
