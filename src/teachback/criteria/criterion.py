"""What a criterion is: a score that a rule then picks by, or a chooser that picks the seeds itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, NamedTuple

from .evidence import Evidence

Draws = Callable[[str], Random]  # a seed's own generator; of "", the round's


class Choice(NamedTuple):
    """by: the member that chose it, where a chooser is made of several criteria."""

    position: int
    by: str | None = None


Kind = Literal["score", "graded", "chooser", "blend"]


@dataclass(frozen=True)
class Criterion:
    """function, by kind:

    "score", "graded"  score(evidence) → one float a seed, higher = more worth asking about. Graded ones tie by nature.
    "chooser"          choose(evidence, m, draws) → m distinct positions, all among evidence.candidates, best first
    "blend"            the same as Choices, each with the member it is due to

    needs: what the evidence has to hold, in the words of `NEEDS`. Docstrings of the functions give the source.
    """

    function: Callable[..., Any]
    kind: Kind
    needs: frozenset[str] = frozenset()

    def score(self, evidence: Evidence) -> Sequence[float]:
        return self.function(evidence)  # type: ignore[no-any-return]

    def choose(self, evidence: Evidence, m: int, draws: Draws) -> list[Choice]:
        chosen = self.function(evidence, m, draws)
        return (
            list(chosen) if self.kind == "blend" else [Choice(int(i)) for i in chosen]
        )

    @property
    def scores(self) -> bool:
        return self.kind in ("score", "graded")


# What a criterion may need, and what getting it costs, in words for `plan` and the docs.
NEEDS: dict[str, str] = {
    "max_nll": "nothing: comes with the attempts",
    "entropy": "nothing: comes with the attempts",
    "gap": "nothing: comes with the attempts",
    "egl": "nothing: comes with the attempts",
    "right": "gold answers",
    "gold_nll": "gold solutions, and one pass over them",
    "samples": "k more answers to each candidate",
    "gold": "gold answers",
    "embeddings": "nothing: come with the attempts",
    "gradients": "a sketch, made with the attempts: at most 15 % of their time",
    "gold_gradients": "gold solutions, and one pass over them and over dev's",
    "reward": "a reward model's pass over the candidates' attempts",
    "marks": "a judge's call for each candidate",
    "gaps": "two calls of a referee for each candidate; the teacher's answers to the seeds, once",
}
DEAR = frozenset(
    {"samples", "reward", "marks", "gaps"}
)  # more than a forward pass: asked of a subset of the pool
