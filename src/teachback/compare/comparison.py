"""`teachback compare`: arms × repeats, one after the other, and a table with paired differences.

    comparison/repeat-0/loss/…              an ordinary run's directory
    comparison/repeat-0/ledger.sqlite       shared by the arms of a repeat: the n-th row of a seed is bought once

Arms of a repeat share the run seed, the teacher's draws and the training order. The untuned student's answers are the
same in every arm and repeat: they are made once and copied.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from ..choosing import CriterionConfig, section
from ..config import Config
from ..criteria import CRITERIA
from ..errors import ConfigError
from ..files import commit
from ..loop import teach
from ..rundir import Event, Run
from ..stats import paired_t
from ..wire import wire
from ..wire_criteria import ARRAYS, make_criterion

TESTABLE = 8  # repeats from which a difference is tested (METHOD: fewer print curves and intervals)
SHARED = ("given", "baseline", "attempt")  # steps of round 0 that come before the criterion


@dataclass(frozen=True)
class Curve:
    """accuracy: of the untuned student, then after each round. accepted: rows trained on, as many."""

    arm: str
    repeat: int
    accuracy: tuple[float, ...]
    accepted: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """Accuracy of an arm minus the first arm's after a round (0: untuned), over repeats; None with one repeat."""

    arm: str
    round: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    arms: tuple[str, ...]
    repeats: int
    curves: tuple[Curve, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def compare(settings: Config, arms: Sequence[str], repeats: int, *, listen: Callable[[Event], None]) -> Comparison:
    """Every arm in every repeat; what is finished is read back. Raises ConfigError for arms that aren't criteria."""
    if len(set(arms)) != len(arms) or len(arms) < 2:
        raise ConfigError(
            "a comparison takes two arms or more, each once", got=", ".join(arms), allowed="as in --arms random,loss"
        )
    given = {arm: arm_of(settings, arm) for arm in arms}
    first = next((arm for arm in arms if not keeps_arrays(given[arm])), None)
    donor = settings.run_dir / "repeat-0" / (first or arms[0])
    curves = []
    for repeat in range(repeats):
        for arm in arms:
            listen(Event("note", 0, "arm", value=f"-- repeat {repeat}, arm {arm}"))
            curves.append(run_arm(settings, arm, given[arm], repeat, donor, listen))
    differences = tuple(d for arm in arms[1:] for d in paired(curves, arms[0], arm))
    return Comparison(tuple(arms), repeats, tuple(curves), differences, tuple(notes(curves, repeats)))


def run_arm(
    settings: Config, arm: str, criterion: CriterionConfig, repeat: int, donor: Path, listen: Callable[[Event], None]
) -> Curve:
    together = settings.run_dir / f"repeat-{repeat}"
    rule = settings.rule if make_criterion(criterion, Path.cwd()).scores else None
    changes = {"criterion": criterion, "rule": rule, "repeat": repeat, "run_dir": together / arm}
    config = settings.model_copy(update=changes)
    ledger = together / "ledger.sqlite"
    with (
        Run(config.run_dir, keep=config.keep, listen=listen) as run,
        wire(config, run, ledger_path=ledger, arm=arm) as wired,
    ):
        adopt(donor, config.run_dir, [name for name in SHARED if name != "attempt" or not keeps_arrays(criterion)])
        history = teach(run, wired.parts, wired.base, wired.task.seeds, config.rounds)
    rows = [0, *(len(r.fresh.rows) for r in history.rounds)]
    accuracy = (history.baseline.accuracy, *(r.report.accuracy for r in history.rounds))
    return Curve(arm, repeat, accuracy, tuple(sum(rows[: i + 1]) for i in range(len(rows))))


def arm_of(settings: Config, arm: str) -> CriterionConfig:
    """The config's own section, if it has that name; else the criterion with its defaults."""
    if settings.criterion.name == arm:
        return settings.criterion
    try:
        return section(arm)
    except ValidationError as error:
        raise ConfigError(
            f"unknown arm, or one with settings of its own: {arm}",
            allowed=", ".join(name for name in CRITERIA if name not in ("reward", "judge", "lion")),
            fix="--arms random,loss; a criterion with settings goes into the config, and its name into --arms",
        ) from error


def keeps_arrays(criterion: CriterionConfig) -> bool:
    """Whether arrays are kept with its attempts, which other arms don't have."""
    return bool(make_criterion(criterion, Path.cwd()).needs & set(ARRAYS))


def adopt(donor: Path, folder: Path, names: Sequence[str]) -> None:
    """Copy what the donor computed before any criterion was asked: the identity check has shown that it is the same."""
    for name in names:
        theirs, ours = (place / "round-00" / f"{name}.json" for place in (donor, folder))
        if theirs.exists() and not ours.exists():
            commit(ours, theirs.read_bytes())


def paired(curves: Sequence[Curve], first: str, arm: str) -> list[Difference]:
    """By round, over the repeats in which both arms got that far."""
    accuracy = {(c.arm, c.repeat): c.accuracy for c in curves}
    pairs = [(accuracy[first, c.repeat], c.accuracy) for c in curves if c.arm == arm]
    rounds = min(len(a) for pair in pairs for a in pair)
    found = []
    for r in range(rounds):
        differences = [theirs[r] - base[r] for base, theirs in pairs]
        interval = paired_t(differences)
        found.append(Difference(arm, r, fmean(differences), interval and interval[1], interval and interval[2]))
    return found


def notes(curves: Sequence[Curve], repeats: int) -> list[str]:
    found = []
    if repeats < TESTABLE:
        found.append(f"{repeats} repeats are too few to test: {TESTABLE} or more would do")
    if len({len(c.accuracy) for c in curves}) > 1:
        found.append("not every arm could pay for every round: later rounds are compared over those that could")
    return found


def show(comparison: Comparison, console: Console) -> None:
    table = Table(
        "arm", *(f"round {r - 1}" if r else "untuned" for r in range(max(len(c.accuracy) for c in comparison.curves)))
    )
    for arm in comparison.arms:
        curves = [c.accuracy for c in comparison.curves if c.arm == arm]
        table.add_row(arm, *(f"{fmean(points):.1%}" for points in zip(*curves, strict=False)))
    for arm in comparison.arms[1:]:
        cells = [
            f"{100 * d.mean:+.1f}"
            + ("" if d.low is None or d.high is None else f" [{100 * d.low:+.1f}, {100 * d.high:+.1f}]")
            for d in comparison.differences
            if d.arm == arm
        ]
        table.add_row(f"{arm} − {comparison.arms[0]}", *cells)
    console.print(table)
    console.print(
        f"dev accuracy, mean of {comparison.repeats} repeats; "
        "differences in points, with 95 % paired t intervals over repeats"
    )
    for note in comparison.notes:
        console.print(note)
