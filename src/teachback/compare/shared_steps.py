"""The steps that the runs of a comparison share: made once, and copied as files."""

import json
from collections.abc import Sequence
from pathlib import Path

from ..build.criterion import make_criterion
from ..criteria.criterion import ATTEMPT_ARRAYS, CriterionSettings
from ..run.digests import commit_with_digest, read_verified
from ..run.steps import STEPS


def find_equal_steps(first_base: Path, base: Path) -> list[str]:
    """The shared steps whose inputs are the same in both bases."""
    first_inputs = json.loads(read_verified(first_base / "inputs.json"))
    inputs = json.loads(read_verified(base / "inputs.json"))
    return [
        name
        for name, step in STEPS.items()
        if step.shared_input
        and first_inputs[step.shared_input] == inputs[step.shared_input]
    ]


def find_shared_steps(criterion: CriterionSettings) -> list[str]:
    """The steps that an arm copies from the base of its repeat.

    A criterion that needs arrays makes its own attempts: the base's have none.
    """
    shared = [name for name, step in STEPS.items() if step.shared_input]
    if make_criterion(criterion, Path.cwd()).needs & set(ATTEMPT_ARRAYS):
        shared.remove("attempt")
    return shared


def copy_steps(source: Path, folder: Path, names: Sequence[str]) -> None:
    """Copies steps of round 0 that are in `source` and not yet in `folder`."""
    for name in names:
        original = source / "round-00" / f"{name}.json"
        copy = folder / "round-00" / f"{name}.json"
        if original.exists() and not copy.exists():
            commit_with_digest(copy, read_verified(original))
