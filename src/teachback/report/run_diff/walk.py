"""Walks through the steps of two runs, to where they part."""

from collections.abc import Sequence
from dataclasses import dataclass

from .run_files import RunFiles, StepPlace
from .step_changes import compare_step
from .values import KeyChange, StepDifference

# Keys of inputs.json, and of config.json, that don't say what is computed, but how exactly.
HOW_EXACTLY = ("precision", "versions")
PRECISION_KEY = "student.precision"


@dataclass(frozen=True)
class Walk:
    n_equal: int
    rounding: tuple[StepDifference, ...]  # before the runs part
    parting: StepDifference | None
    # Before that, too. No step uses what these return, so they don't make runs part.
    on_request: tuple[StepDifference, ...]
    # Finished steps that one run has only, and that don't make them part.
    only_left: tuple[StepPlace, ...]
    only_right: tuple[StepPlace, ...]

    @property
    def is_equal(self) -> bool:
        """Every step is equal, and both runs have the same ones."""
        differing = (self.rounding, self.parting, self.on_request)
        return self.n_equal > 0 and not any(
            (*differing, self.only_left, self.only_right)
        )


def has_same_recipe(identity: Sequence[KeyChange], inputs: Sequence[KeyChange]) -> bool:
    """Whether two runs would be byte-equal on the same machine with the same libraries."""
    return all(change.key == PRECISION_KEY for change in identity) and all(
        change.key.partition(".")[0] in HOW_EXACTLY for change in inputs
    )


def walk_steps(left: RunFiles, right: RunFiles, *, same_recipe: bool) -> Walk:
    n_equal = 0
    rounding, on_request = [], []
    parting = None
    for place in sorted({*left.places, *right.places}):
        if place in left.places and place in right.places:
            difference = compare_step(left, right, place, same_recipe=same_recipe)
        else:
            difference = find_missing_step(left, right, place)
            if difference is None:
                continue
        if difference is None:
            n_equal += 1
        elif place.is_on_request:
            on_request.append(difference)
        elif difference.is_rounding:
            rounding.append(difference)
        else:
            parting = difference
            break
    return Walk(
        n_equal,
        tuple(rounding),
        parting,
        tuple(on_request),
        only_left=list_only(left, right),
        only_right=list_only(right, left),
    )


def find_missing_step(
    left: RunFiles, right: RunFiles, place: StepPlace
) -> StepDifference | None:
    """What differs at a step that one run has only. None: the other has not come so far."""
    run, side = (right, "left") if place in left.places else (left, "right")
    later = [p for p in run.places if p > place and not p.is_on_request]
    if place.is_on_request or not later:
        return None
    what = f"only the run on the {side} has it"
    return StepDifference(place.round, place.step, what, False, None, None)


def list_only(run: RunFiles, other: RunFiles) -> tuple[StepPlace, ...]:
    return tuple(place for place in run.places if place not in other.places)
