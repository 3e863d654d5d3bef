"""Which seeds a round may select, and how many of them the criterion scores."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ..types import Example, PositiveInt, Round

# The default for criteria that cost more than a forward pass.
CANDIDATES_PER_PICK = 10


def _check_reuse(value: object) -> object:
    if value is True or value is False or value == "evenly":
        return value
    raise ValueError("true, false and evenly are allowed")


# Whether a seed may be selected in more than one round. "evenly": only once fewer than per_round
# seeds are left that were selected less often.
ReuseSeeds = Annotated[bool | Literal["evenly"], BeforeValidator(_check_reuse)]

# How many seeds a criterion scores each round: "10x" (times per_round), a number, or "all".
CandidateLimit = (
    Annotated[str, Field(pattern=r"^([1-9][0-9]*x|all)$")] | PositiveInt | None
)


def count_selections(past: Sequence[Round]) -> Counter[str]:
    """How often each seed was selected."""
    return Counter(pick.seed for past_round in past for pick in past_round.chosen.picks)


def selectable_seeds(
    seeds: Iterable[str], reuse: ReuseSeeds, per_round: int, past: Sequence[Round]
) -> set[str]:
    """Ids of the seeds that the next round may select."""
    times_selected = count_selections(past)
    rarest_first = sorted(seeds, key=lambda id: times_selected[id])
    if reuse is True or not rarest_first:
        return set(rarest_first)

    max_times = 0
    if reuse == "evenly":
        # As often as the last seed of a round that takes the rarest ones.
        last = min(per_round, len(rarest_first)) - 1
        max_times = times_selected[rarest_first[last]]
    return {id for id in rarest_first if times_selected[id] <= max_times}


def format_prompts(seeds: Sequence[Example], prompt: Callable[[str], str]) -> list[str]:
    """What the student is asked, for each seed."""
    return [prompt(seed.question) for seed in seeds]


def count_candidates(
    limit: CandidateLimit, per_round: int, *, costly: bool
) -> int | None:
    """How many seeds, drawn at random each round, a criterion scores. None: the whole pool.

    costly: the criterion needs more than a forward pass. Then the default is ten times per_round.
    """
    if limit == "all" or (limit is None and not costly):
        return None
    if limit is None:
        return CANDIDATES_PER_PICK * per_round
    if isinstance(limit, str):
        return int(limit.removesuffix("x")) * per_round
    return limit
