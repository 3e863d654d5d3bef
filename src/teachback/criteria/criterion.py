"""What a criterion is: a score that a rule then picks by, or a chooser that picks the seeds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from ..types import PositiveFloat, Settings
from .evidence import Evidence

# draws(seed id) → that seed's random generator; draws("") → the round's own.
Draws = Callable[[str], Random]

CriterionKind = Literal["score", "graded", "chooser", "blend"]


class Choice(NamedTuple):
    """One chosen seed."""

    position: int
    # The criterion that chose it, if the chooser is a blend.
    member: str | None = None


class CriterionSettings(Settings):
    """The settings of a criterion. A criterion with more settings than its name has a subclass."""

    # Whether the run's own teacher, an endpoint, has to answer the seeds.
    asks_teacher: ClassVar[bool] = False

    name: str

    def member_names(self) -> tuple[str, ...]:
        """Names of the other criteria that this one is made of."""
        return ()

    def arguments(self, members: Mapping[str, "Criterion"]) -> dict[str, Any]:
        """Keyword arguments of the criterion's function: every setting but the name.

        members: the criteria of `member_names`, with their settings.
        """
        return {
            field: getattr(self, field)
            for field in type(self).model_fields
            if field != "name"
        }


class SampledSettings(CriterionSettings):
    """The settings of a criterion that reads k sampled answers to each candidate."""

    # k, the number of answers that are sampled for each candidate.
    samples: Annotated[int, Field(ge=2)] = 8
    temperature: PositiveFloat = 0.8

    def arguments(self, members: Mapping[str, "Criterion"]) -> dict[str, Any]:
        """None: the evidence holds the sampled answers."""
        return {}


def sampling_settings(settings: CriterionSettings) -> SampledSettings:
    """How answers are sampled for a criterion. Members of a blend sample with the defaults."""
    if isinstance(settings, SampledSettings):
        return settings
    return SampledSettings(name=settings.name)


@dataclass(frozen=True)
class Criterion:
    """A registered criterion. The docstring of its function names the source."""

    # By kind:
    # "score", "graded"  score(evidence) → one float a seed, higher = more worth asking about.
    #                    Graded scores may tie; continuous ones that all tie are a bug.
    # "chooser"          choose(evidence, m, draws) → m distinct positions, all among
    #                    evidence.candidates, best first.
    # "blend"            like a chooser, but returns Choices that name the member.
    function: Callable[..., Any]
    kind: CriterionKind
    # What the evidence has to hold, in the words of `NEEDS`.
    needs: frozenset[str] = frozenset()
    settings: type[CriterionSettings] = CriterionSettings

    def bind(
        self, settings: CriterionSettings, registry: Mapping[str, "Criterion"]
    ) -> "Criterion":
        """This criterion with its settings. registry: where its members are looked up."""
        members = {
            name: bind_defaults(name, registry) for name in settings.member_names()
        }
        arguments = settings.arguments(members)
        function = partial(self.function, **arguments) if arguments else self.function
        needs = self.needs.union(*(member.needs for member in members.values()))
        return replace(self, function=function, needs=needs)

    def score(self, evidence: Evidence) -> Sequence[float]:
        return self.function(evidence)  # type: ignore[no-any-return]

    def choose(self, evidence: Evidence, m: int, draws: Draws) -> list[Choice]:
        chosen = self.function(evidence, m, draws)
        if self.kind == "blend":
            return list(chosen)
        return [Choice(int(position)) for position in chosen]

    @property
    def gives_scores(self) -> bool:
        """Whether it scores seeds, so that a rule picks among them."""
        return self.kind in ("score", "graded")

    @property
    def can_be_member(self) -> bool:
        """Whether a blend can use it: it works by its name alone and is no blend itself."""
        fields = self.settings.model_fields
        needs_settings = any(
            field.is_required() for name, field in fields.items() if name != "name"
        )
        return self.kind != "blend" and not needs_settings


def bind_defaults(name: str, registry: Mapping[str, Criterion]) -> Criterion:
    """The criterion of that name with its default settings."""
    criterion = registry[name]
    return criterion.bind(criterion.settings(name=name), registry)


# What a criterion may need, and what getting it costs, in words for `plan` and the docs.
NEEDS: Mapping[str, str] = {
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

# These cost more than a forward pass. So by default only a random part of the pool is scored.
COSTLY_NEEDS = frozenset({"samples", "reward", "marks", "gaps"})

# Signals that come with every attempt.
ATTEMPT_SIGNALS = frozenset({"max_nll", "entropy", "gap", "egl"})
# Arrays that come with the attempts if a criterion needs them: need → array.
ATTEMPT_ARRAYS: Mapping[str, str] = {"embeddings": "embedding", "gradients": "gradient"}
