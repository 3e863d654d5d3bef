"""The runs of a comparison: in each repeat its base, and one for each arm.

Every one of them resumes alone. places.py says where they lie.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..build.criterion import make_criterion
from ..build.run import Arm, ReadyRun, make_ready_run
from ..config.config import Config
from ..config.reading import make_arm_config
from ..criteria.criterion import ATTEMPT_ARRAYS, CriterionSettings
from ..loop import teach
from ..rng import draw
from ..run.child import SendMessage
from ..run.directory import Event, Run
from ..run.files import commit_file
from ..run.steps import STEPS
from .places import BASE_ARM, RunPlace


@dataclass(frozen=True)
class Unit:
    """One run of a comparison, ready to start."""

    config: Config  # with the arm's settings, the repeat and the run's folder
    place: RunPlace
    parallel: bool  # other units of this comparison may run at the same time
    draw_group: int  # units of the same group are served one another's answers

    @property
    def arm(self) -> str:
        return self.place.arm

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def folder(self) -> Path:
        return self.place.folder

    @property
    def source_folder(self) -> Path | None:
        """The folder of the unit that has to be finished first."""
        source = self.place.source
        return source.folder if source else None


def make_unit(
    settings: Config,
    arm: str,
    repeat: int,
    *,
    parallel: bool = False,
    independent: bool = False,
    own_rule: bool = False,
) -> Unit:
    """settings: of the arm.

    independent: the teacher's draws and the training order are the arm's own, and it
    buys everything itself. own_rule: the rule is the arm's own, and is refused if its
    criterion picks the seeds itself. A rule that all arms share is left out there.
    """
    place = RunPlace(settings.run_dir, arm, repeat)
    scores = make_criterion(settings.criterion, Path.cwd()).scores
    changes = {
        "rule": settings.rule if scores or own_rule else None,
        "repeat": repeat,
        "run_dir": place.folder,
    }
    draw_group = repeat
    if independent:
        random = draw(settings.seed, repeat, "arm", arm, 0)
        changes["seed"] = random.getrandbits(31)
        draw_group = 2**40 + random.getrandbits(40)
    config = settings.model_copy(update=changes)
    return Unit(config, place, parallel, draw_group)


def make_base_unit(settings: Config, repeat: int, parallel: bool) -> Unit:
    return make_unit(
        make_arm_config(settings, "random"), BASE_ARM, repeat, parallel=parallel
    )


def run_unit(unit: Unit, listen: Callable[[Event], None]) -> None:
    config, place = unit.config, unit.place
    arm = Arm(place.ledger, place.arm, unit.draw_group, unit.parallel)
    with (
        Run(unit.folder, keep=config.keep, listen=listen) as run,
        make_ready_run(config, run, arm) as wired,
    ):
        if place.is_base:
            answer_base(run, wired, unit.source_folder)
            return
        if unit.source_folder:
            copy_steps(unit.source_folder, unit.folder, arm_shares(config.criterion))
        teach(run, wired.parts, wired.base, wired.task.seeds, config.rounds)


def run_unit_in_child(unit: Unit, send: SendMessage) -> None:
    run_unit(unit, partial(_send_event, unit, send))


def _send_event(unit: Unit, send: SendMessage, event: Event) -> None:
    send(replace(event, unit=unit.name))


def answer_base(run: Run, wired: ReadyRun, first: Path | None) -> None:
    """The untuned student's answers, for all arms of the repeat.

    first: the base of the first repeat, whose answers are copied where the questions are
    the same; None: this is the first.
    """
    parts, base = wired.parts, wired.base
    if first:
        copy_steps(first, run.folder, base_shares(first, run.folder))
    rows_at_start = run.step(0, "given", parts.given)
    run.step(0, "baseline", parts.evaluate, base)
    if parts.test:
        run.step(0, "test-baseline", parts.test, base)
    # With given rows, each repeat's student is trained on them before it answers the
    # seeds: there are no attempts to share
    if not rows_at_start:
        run.step(0, "attempt", parts.attempt, base, wired.task.seeds)


def base_shares(first: Path, folder: Path) -> list[str]:
    """The steps whose inputs are the same in both bases."""
    theirs = json.loads((first / "inputs.json").read_bytes())
    ours = json.loads((folder / "inputs.json").read_bytes())
    return [
        name
        for name, step in STEPS.items()
        if step.shared_input and theirs[step.shared_input] == ours[step.shared_input]
    ]


def arm_shares(criterion: CriterionSettings) -> list[str]:
    """The steps that an arm copies from its repeat's base.

    A criterion that needs arrays makes its attempts itself: the base's have none.
    """
    shared = [name for name, step in STEPS.items() if step.shared_input]
    if make_criterion(criterion, Path.cwd()).needs & set(ATTEMPT_ARRAYS):
        shared.remove("attempt")
    return shared


def copy_steps(source: Path, folder: Path, names: Sequence[str]) -> None:
    """Copies steps that do not depend on the criterion."""
    for name in names:
        theirs = source / "round-00" / f"{name}.json"
        ours = folder / "round-00" / f"{name}.json"
        if theirs.exists() and not ours.exists():
            commit_file(ours, theirs.read_bytes())
