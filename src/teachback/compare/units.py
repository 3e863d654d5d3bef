"""What a comparison is made of: for each repeat what its arms share, and a run for each arm. Every one resumes alone.

comparison/ledger.sqlite       of all arms: the n-th row of a seed is bought once a repeat, each arm pays for it
comparison/repeat-0/base/…     the untuned student's answers, made once
comparison/repeat-0/loss/…     an ordinary run's directory
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..build.criterion import ARRAYS, make_criterion
from ..build.run import Arm, Wired, wire
from ..config.choosing import CriterionConfig
from ..config.config import Config, of_arm
from ..loop import teach
from ..rng import draw
from ..run.child import SendMessage
from ..run.directory import Event, Run
from ..run.files import commit_file
from ..run.steps import STEPS

SHARED_LEDGER = "ledger.sqlite"
BASE_ARM = "base"  # the unit that the arms of a repeat share
FIRST_BASE = (
    Path("repeat-0") / BASE_ARM
)  # whose answers the other bases share where they are asked the same


@dataclass(frozen=True)
class Unit:
    """config: with the arm's criterion, the repeat and the unit's folder. arm: its name. together: units of this
    comparison may run at the same time. draws: units of the same number are served one another's answers."""

    config: Config
    arm: str
    together: bool
    draws: int

    @property
    def folder(self) -> Path:
        return self.config.run_dir

    @property
    def root(self) -> Path:
        return self.folder.parent.parent

    @property
    def name(self) -> str:
        return f"repeat {self.config.repeat}, {self.arm}"

    @property
    def after(self) -> Path | None:
        """The folder of the unit that has to be finished first: of its repeat's base; of a base, the first one."""
        if self.arm != BASE_ARM:
            return self.folder.parent / BASE_ARM
        return self.root / FIRST_BASE if self.config.repeat else None


def make_unit(
    settings: Config,
    arm: str,
    repeat: int,
    *,
    together: bool = False,
    independent: bool = False,
    own_rule: bool = False,
) -> Unit:
    """settings: of the arm. A rule that the comparison has for all is not for an arm whose criterion picks the seeds
    itself; one that is the arm's own (own_rule) is refused there, as in any run.
    independent: the teacher's draws and the training order are the arm's own, and it buys everything itself."""
    scores = make_criterion(settings.criterion, Path.cwd()).scores
    changes = {
        "rule": settings.rule if scores or own_rule else None,
        "repeat": repeat,
        "run_dir": settings.run_dir / f"repeat-{repeat}" / arm,
    }
    if not independent:
        return Unit(settings.model_copy(update=changes), arm, together, repeat)
    own = draw(settings.seed, repeat, "arm", arm, 0)
    changes["seed"] = own.getrandbits(31)
    return Unit(
        settings.model_copy(update=changes), arm, together, 2**40 + own.getrandbits(40)
    )


def make_base_unit(settings: Config, repeat: int, together: bool) -> Unit:
    return make_unit(of_arm(settings, "random"), BASE_ARM, repeat, together=together)


def run_unit(unit: Unit, listen: Callable[[Event], None]) -> None:
    config = unit.config
    arm = Arm(unit.root / SHARED_LEDGER, unit.arm, unit.draws, unit.together)
    with (
        Run(unit.folder, keep=config.keep, listen=listen) as run,
        wire(config, run, arm) as wired,
    ):
        if unit.arm == BASE_ARM:
            prepare_base(run, wired, unit.root / FIRST_BASE)
        else:
            copy_steps(
                unit.folder.parent / BASE_ARM, unit.folder, shared_steps(config.criterion)
            )
            teach(run, wired.parts, wired.base, wired.task.seeds, config.rounds)


def prepare_base(run: Run, wired: Wired, first: Path) -> None:
    """What is asked in every repeat is answered in the first one. With rows that are given, each repeat's student has
    been trained on them before it answers the seeds: there are no attempts to share."""
    parts, base = wired.parts, wired.base
    theirs, ours = (
        json.loads((folder / "inputs.json").read_bytes())
        for folder in (first, run.folder)
    )
    same = [
        name
        for name, step in STEPS.items()
        if step.shared_input and theirs[step.shared_input] == ours[step.shared_input]
    ]
    copy_steps(first, run.folder, same)
    given = run.step(0, "given", parts.given)
    run.step(0, "baseline", parts.evaluate, base)
    if parts.test:
        run.step(0, "test-baseline", parts.test, base)
    if not given:
        run.step(0, "attempt", parts.attempt, base, wired.task.seeds)


def shared_steps(criterion: CriterionConfig) -> list[str]:
    """Without attempts where they come with arrays, which the base has not."""
    arrays = make_criterion(criterion, Path.cwd()).needs & set(ARRAYS)
    shared = [name for name, step in STEPS.items() if step.shared_input]
    return [name for name in shared if name != "attempt" or not arrays]


def copy_steps(donor: Path, folder: Path, names: list[str]) -> None:
    """Copies what was computed before any criterion was asked: both configs are the same but for the criterion."""
    for name in names:
        theirs, ours = (
            place / "round-00" / f"{name}.json" for place in (donor, folder)
        )
        if theirs.exists() and not ours.exists():
            commit_file(ours, theirs.read_bytes())


def run_unit_in_child(unit: Unit, send: SendMessage) -> None:
    run_unit(unit, partial(send_unit_event, unit, send))


def send_unit_event(unit: Unit, send: SendMessage, event: Event) -> None:
    send(replace(event, unit=unit.name))
