"""What a round knows of the seeds when it selects: all that a criterion can see."""

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

    Each sequence and array has an entry a seed, in that order; what the criterion doesn't need is
    empty, or None.

    attempts: the current student's greedy answers, with their signals. candidates: positions of
    the seeds that may be selected. past: the finished rounds. baseline: the untuned student's
    accuracy on dev.

    right: whether the attempt is. gold_nll: mean nll of the gold solution, nats a token. samples:
    k sampled answers, graded; `Grade.answer` None: none was found in it. reward: a reward model's
    score of the attempt. marks: a judge's, 1 to 10, of the attempt. gaps: by how much a referee
    puts the teacher's answer above the student's, mean of both orders. None in the last two: no
    verdict could be had of that seed, and it is no candidate.

    embedding: mean of the last hidden states over the attempt's tokens. gradient: sketch of the
    head's gradient of the attempt, mean over its tokens. gold_gradient: of the gold solution.
    dev_gradient_M: mean over dev of the gold solutions' normalised ones.
    """

    seeds: Sequence[Example]
    attempts: Sequence[Attempt]
    candidates: Sequence[int]
    past: Sequence[Round] = ()
    baseline: float | None = None
    right: Sequence[bool] = ()
    gold_nll: Sequence[float] = ()
    samples: Sequence[Sequence[Grade]] = ()
    reward: Sequence[float] = ()
    marks: Sequence[float | None] = ()
    gaps: Sequence[float | None] = ()
    embedding_N_D: "Array | None" = None
    gradient_N_M: "Array | None" = None
    gold_gradient_N_M: "Array | None" = None
    dev_gradient_M: "Array | None" = None
