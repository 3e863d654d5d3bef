"""Every step of a run, in order. This table is the only place that lists them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import DataError
from ..types import (
    Allowance,
    Attempts,
    CarryOver,
    Curation,
    Draft,
    GatheredEvidence,
    Report,
    Reserve,
    Row,
    Selection,
    Student,
    Verdict,
)


@dataclass(frozen=True)
class RunStep:
    """A step, as the run's directory keeps it and as progress shows it."""

    # The type of what the step returns. The directory keeps it as JSON, one file a step.
    value_type: object
    # What progress says while the step runs.
    doing: str
    # What progress counts while the step runs.
    unit: str = "questions"
    # Whether every round has the step, in the order of this table.
    in_round: bool = False
    # The key of inputs.json that fixes the value before any criterion has been asked.
    # Arms of a comparison in which it is equal share the value. None: they never do.
    shared_input: Literal["seeds", "dev", "test"] | None = None


STEPS: Mapping[str, RunStep] = {
    "reserve": RunStep(Reserve, "the untuned student reads the reserve"),
    "given": RunStep(
        tuple[Row, ...],
        "reading the rows that are given",
        shared_input="seeds",
    ),
    "baseline": RunStep(
        Report,
        "the untuned student answers dev",
        shared_input="dev",
    ),
    "test-baseline": RunStep(
        Report,
        "the untuned student answers test",
        shared_input="test",
    ),
    "start": RunStep(Student, "finetuning on the rows that are given", "steps"),
    "open": RunStep(Allowance, "how many pairs the budget allows", in_round=True),
    "attempt": RunStep(
        Attempts,
        "the student answers every seed",
        in_round=True,
        shared_input="seeds",
    ),
    "gather": RunStep(
        GatheredEvidence, "what the criterion needs to know", in_round=True
    ),
    "select": RunStep(Selection, "the criterion picks seeds", in_round=True),
    "generate": RunStep(tuple[Draft, ...], "the teacher writes", "drafts", True),
    "verify": RunStep(tuple[Verdict, ...], "checking the drafts", in_round=True),
    "curate": RunStep(Curation, "curate", in_round=True),
    "transfer": RunStep(
        CarryOver, "the same student answers the new rows", in_round=True
    ),
    "finetune": RunStep(Student, "finetuning", "steps", in_round=True),
    "evaluate": RunStep(Report, "the new student answers dev", in_round=True),
    # Not a step of every round: it runs where arms are compared, or when it is asked for.
    "test": RunStep(Report, "the student answers test"),
}

# In the place of a step's name, where an event tells how many runs of a comparison have ended.
ALL_RUNS = "runs"

ROUND_STEPS = tuple(name for name, step in STEPS.items() if step.in_round)


# They may be asked for at any time later on, and no step uses what they return.
STEPS_ON_REQUEST = ("test", "test-baseline")


def list_later_steps(name: str) -> list[str]:
    """The steps of the same round that come after a step.

    Without those that arms of a comparison copy before they begin.
    """
    names = list(STEPS)
    return [
        later
        for later in names[names.index(name) + 1 :]
        if STEPS[later].in_round and not STEPS[later].shared_input
    ]


def refuse_lost_step(path: Path) -> None:
    """Raise DataError for a step whose file is gone, though later steps used what it returned."""
    if path.stem in STEPS_ON_REQUEST:
        return
    round = int(path.parent.name.removeprefix("round-"))
    next_round = path.parent.with_name(f"round-{round + 1:02d}")
    files = [path.with_stem(name) for name in list_later_steps(path.stem)]
    files.append(next_round / "open.json")
    used_by = next((file for file in files if file.exists()), None)
    if used_by:
        raise DataError(
            f"{path} is gone",
            got=f"{used_by.parent.name}/{used_by.name}, which came after it",
            fix="put it back; or remove what came after it too, and run again: what was bought "
            "is in the ledger",
        )
