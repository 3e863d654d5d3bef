"""The sections of a config that say how seeds are chosen: the criterion, its rule, and what it is asked of."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from ..types import Round
from .sections import Count, EndpointConfig, Positive, Section

PlainName = Literal[
    "random", "loss", "true_loss", "entropy", "margin", "least_confidence", "max_nll", "egl", "wrong", "kcenter",
    "badge", "influence",
]  # fmt: skip
SampledName = Literal["disagreement", "learnability"]
MemberName = PlainName | SampledName | Literal["facility"]


class Plain(Section):
    """A criterion without settings of its own."""

    name: PlainName = "loss"


class Sampled(Section):
    """From k sampled answers to each candidate."""

    name: SampledName
    samples: Annotated[int, Field(ge=2)] = 8
    temperature: Positive = 0.8


class Reward(Section):
    """A sequence classifier with one output, Skywork-Reward style: a folder or a name on the Hub."""

    name: Literal["reward"]
    model: str
    revision: str | None = None
    prefer: Literal["low", "high"] = (
        "low"  # attempts with a low reward are asked about, or with a high one
    )


class Marks(EndpointConfig):
    """A judge's mark of each candidate's attempt, 1 to 10: the lowest are asked about."""

    name: Literal["judge"]
    max_tokens: Count = 256
    prompt: Path | None = None  # a text with {question} and {attempt}


class Lion(EndpointConfig):
    """A referee compares the teacher's answers with the student's. The teacher is teacher.name: openai."""

    name: Literal["lion"]
    max_tokens: Count = 512
    prompt: Path | None = None  # a text with {question}, {first} and {second}


class Facility(Section):
    """Facility location; `weight` names a score that weights the seeds."""

    name: Literal["facility"]
    weight: (
        Literal[
            "loss",
            "entropy",
            "margin",
            "least_confidence",
            "max_nll",
            "egl",
            "true_loss",
        ]
        | None
    ) = "loss"


class Mixture(Section):
    """Shares of several criteria, as in shares: {loss: 0.8, random: 0.2}."""

    name: Literal["mixture"]
    shares: dict[MemberName, Positive] = Field(min_length=1)


class Bandit(Section):
    """One of several criteria a round, by what they gained on dev so far (Exp3)."""

    name: Literal["bandit"]
    members: list[MemberName] = Field(min_length=2)
    explore: Annotated[float, Field(gt=0, le=1)] = 0.2

    @model_validator(mode="after")
    def _distinct(self) -> "Bandit":
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"members: each once, got {', '.join(self.members)}")
        return self


class Own(Section):
    """A function of one's own: my_module:my_function, or my_file.py:my_function."""

    name: Literal["function"]
    function: str
    kind: Literal["score", "graded", "chooser"] = "score"
    needs: tuple[str, ...] = ()


def named(value: object) -> object:
    """criterion: loss is short for its name alone; my_module:my_function for a score of one's own."""
    if isinstance(value, str):
        return (
            {"name": "function", "function": value} if ":" in value else {"name": value}
        )
    return value


CriterionConfig = Annotated[
    Plain | Sampled | Reward | Marks | Lion | Facility | Mixture | Bandit | Own,
    Field(discriminator="name"),
    BeforeValidator(named),
]


class Top(Section):
    """The largest scores; balanced: half from the upper half of them, half from the lower."""

    name: Literal["top", "balanced"] = "top"


class Softmax(Section):
    """Chances of exp(score / temperature): of the scores as they are, in nats for loss-like ones."""

    name: Literal["softmax"]
    temperature: Positive = 1.0


class Stratified(Section):
    """The top of each value of a meta field, in proportion."""

    name: Literal["stratified"]
    by: str


RuleConfig = Annotated[
    Top | Softmax | Stratified, Field(discriminator="name"), BeforeValidator(named)
]


def _reuse(given: object) -> object:
    if given is True or given is False or given == "evenly":
        return given
    raise ValueError("true, false and evenly are allowed")


# evenly: again once fewer than per_round are left that were selected less often
ReuseConfig = Annotated[bool | Literal["evenly"], BeforeValidator(_reuse)]


def selectable(
    seeds: Iterable[str], reuse: ReuseConfig, per_round: int, past: Sequence[Round]
) -> set[str]:
    """Ids of the seeds that the next round may select."""
    times = Counter(pick.seed for r in past for pick in r.chosen.picks)
    by_times = sorted(seeds, key=lambda id: times[id])
    if reuse is True or not by_times:
        return set(by_times)
    most = (
        times[by_times[min(per_round, len(by_times)) - 1]] if reuse == "evenly" else 0
    )
    return {id for id in by_times if times[id] <= most}


def subset(candidates: str | int | None, per_round: int, dear: bool) -> int | None:
    """How many seeds, drawn at random each round, a criterion is asked of; None: of the whole pool.

    candidates: "10x" means ten times per_round, which is what a criterion that needs more than a forward pass has by
    default.
    """
    if candidates == "all" or (candidates is None and not dear):
        return None
    if candidates is None:
        return 10 * per_round
    return (
        int(candidates.removesuffix("x")) * per_round
        if isinstance(candidates, str)
        else candidates
    )


Candidates = Annotated[str, Field(pattern=r"^([1-9][0-9]*x|all)$")] | Count | None

TAGS: Mapping[str, type[Section]] = {
    **dict.fromkeys(get_args(PlainName), Plain),
    **dict.fromkeys(get_args(SampledName), Sampled),
    "reward": Reward,
    "judge": Marks,
    "lion": Lion,
    "facility": Facility,
    "mixture": Mixture,
    "bandit": Bandit,
    "function": Own,
    "top": Top,
    "balanced": Top,
    "softmax": Softmax,
    "stratified": Stratified,
}


def section(name: str) -> CriterionConfig:
    """A criterion by its name alone. Raises pydantic's ValidationError where that isn't enough."""
    found: CriterionConfig = TypeAdapter(CriterionConfig).validate_python(name)
    return found
