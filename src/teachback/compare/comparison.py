"""`teachback compare`: arms × repeats side by side, and a table with paired differences.

Arms of a repeat share the run seed, the teacher's draws, the training order and, where questions are made, the test
set. units.py says what lies where.
"""

import csv
import io
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
from ..rundir import Event
from .curves import Curve, measure
from .findings import AXES, TESTABLE, Finding, findings, reach_sentence, sentence
from .side_by_side import Workers, as_many_as_fit
from .stats import paired_t
from .units import BASE, base_unit, make_unit

REFERENCE = "random"


@dataclass(frozen=True)
class Difference:
    """Accuracy of an arm minus the reference's after a round (0: untuned), over repeats; None with one repeat."""

    arm: str
    round: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """reference: `random`, or the first arm if it is not there. split: what accuracy is measured on. findings: of each
    arm against the reference; empty where not all arms could pay for every round."""

    arms: tuple[str, ...]
    reference: str
    repeats: int
    split: str
    curves: tuple[Curve, ...]
    differences: tuple[Difference, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def compare(
    settings: Config,
    arms: Sequence[str],
    repeats: int,
    *,
    jobs: int | None = None,
    independent: bool = False,
    listen: Callable[[Event], None],
) -> Comparison:
    """Every arm in every repeat, `jobs` at a time (None: as many as fit); what is finished is read back. independent:
    the arms of a repeat share no draws, and each buys everything itself.
    Raises ConfigError for arms that aren't criteria."""
    if len(set(arms)) != len(arms) or len(arms) < 2 or BASE in arms:
        raise ConfigError(
            "a comparison takes two arms or more, each once", got=", ".join(arms), allowed="as in --arms random,loss"
        )
    jobs = as_many_as_fit(settings) if jobs is None else jobs
    given, together = {arm: arm_of(settings, arm) for arm in arms}, jobs > 1
    bases = [base_unit(settings, repeat, together) for repeat in range(repeats)]
    units = [
        make_unit(settings, arm, given[arm], repeat, together=together, independent=independent)
        for repeat in range(repeats)
        for arm in arms
    ]
    with Workers(jobs, settings.machine.threads, listen) as workers:
        for some in (bases[:1], bases[1:], units):
            workers.run(some)
    measured = [measure(unit) for unit in units]
    curves, split = [one.curve for one in measured], measured[0].split
    reference = REFERENCE if REFERENCE in arms else arms[0]
    result = Comparison(
        tuple(arms),
        reference,
        repeats,
        split,
        tuple(curves),
        differences=tuple(d for arm in arms if arm != reference for d in paired(curves, reference, arm)),
        findings=tuple(findings(measured, arms, reference, settings.primary)),
        notes=tuple(notes(curves, repeats, split)),
    )
    write(settings.run_dir, result)
    return result


def write(folder: Path, comparison: Comparison) -> None:
    """curves.csv: a line for each arm, repeat and point; findings.csv: one for each finding."""
    points = [
        {
            "arm": c.arm,
            "repeat": c.repeat,
            "rounds": p,
            "accuracy": c.accuracy[p],
            "generated": c.generated[p],
            "accepted": c.accepted[p],
            "tokens": c.tokens[p],
            "usd": None if c.usd is None else c.usd[p],
        }
        for c in comparison.curves
        for p in range(len(c.accuracy))
    ]
    found = [
        {
            **{name: getattr(one, name) for name in ("arm", "reference", "axis", "upto", "repeats", "primary", "p")},
            **{name: getattr(one.difference, name, None) for name in ("estimate", "low", "high")},
            "said": sentence(one),
        }
        for one in comparison.findings
    ]
    for name, lines in (("curves.csv", points), ("findings.csv", found)):
        text = io.StringIO(newline="")
        if lines:
            table = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(lines)
        commit(folder / name, text.getvalue().encode())


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


def paired(curves: Sequence[Curve], first: str, arm: str) -> list[Difference]:
    """By round, over the repeats in which both arms got that far."""
    accuracy = {(c.arm, c.repeat): c.accuracy for c in curves}
    pairs = [(accuracy[first, c.repeat], c.accuracy) for c in curves if c.arm == arm]
    rounds = min(len(a) for pair in pairs for a in pair)
    found = []
    for r in range(rounds):
        differences = [theirs[r] - base[r] for base, theirs in pairs]
        interval = paired_t(differences)
        low, high = (interval.low, interval.high) if interval else (None, None)
        found.append(Difference(arm, r, fmean(differences), low, high))
    return found


def notes(curves: Sequence[Curve], repeats: int, split: str) -> list[str]:
    found = [] if split == "test" else ["the task has no test set: this is accuracy on dev, which some criteria read"]
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
    for arm in dict.fromkeys(d.arm for d in comparison.differences):
        cells = [
            f"{100 * d.mean:+.1f}"
            + ("" if d.low is None or d.high is None else f" [{100 * d.low:+.1f}, {100 * d.high:+.1f}]")
            for d in comparison.differences
            if d.arm == arm
        ]
        table.add_row(f"{arm} − {comparison.reference}", *cells)
    console.print(table)
    console.print(
        f"{comparison.split} accuracy, mean of {comparison.repeats} repeats; "
        "differences in points, with 95 % paired t intervals over repeats"
    )
    for axis, name in AXES.items():
        some = [one for one in comparison.findings if one.axis == axis]
        if some:
            console.print(f"area under the curve against {name}, up to {some[0].upto:,.6g}:")
        for one in some:
            for line in filter(None, (sentence(one), reach_sentence(one))):
                console.print(f"  {line}")
    for note in comparison.notes:
        console.print(note)
