"""Which seeds the student has most to learn from. One criterion a file; `CRITERIA` names them.

A criterion is a *score* (one float a seed, higher = more worth asking about; a rule then picks) or a *chooser* (picks
the seeds itself). A "graded" score is one that ties by its nature.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from ..types import Attempt, Example
from .egl import egl
from .entropy import entropy
from .loss import loss
from .margin import margin
from .random_choice import random_choice

Score = Callable[[Sequence[Example], Sequence[Attempt]], Sequence[float]]
Chooser = Callable[[Sequence[Example], int, Callable[[str], Random]], Sequence[int]]


@dataclass(frozen=True)
class Scored:
    """score(pool, attempts) → one float a seed, in pool order."""

    score: Score
    kind: Literal["score", "graded"]
    needs: frozenset[str]


@dataclass(frozen=True)
class Choosing:
    """choose(pool, m, random) → m positions in the pool, best first; random(seed_id) is that seed's own generator."""

    choose: Chooser
    needs: frozenset[str] = frozenset()


Criterion = Scored | Choosing

CRITERIA: dict[str, Criterion] = {
    "random": Choosing(random_choice),
    "loss": Scored(loss, "score", frozenset({"attempts"})),
    "entropy": Scored(entropy, "score", frozenset({"attempts", "entropy"})),
    "margin": Scored(margin, "score", frozenset({"attempts", "gap"})),
    "egl": Scored(egl, "score", frozenset({"attempts", "egl"})),
}
