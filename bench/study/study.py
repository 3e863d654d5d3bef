"""python -m bench study PLAN: the experiments that a plan names, one `teachback compare` each, and what they showed.

A plan is a YAML file that is committed before its first run: the student, the config that all runs share, the arms, how
many repeats, the primary comparison, and the experiments, which differ in the task's options. Each is recorded in
bench/results/study-PLAN-EXPERIMENT.json when it is done; the runs lie in runs/study/PLAN/EXPERIMENT and resume.
`runs`: of another experiment, with which they are shared.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from bench.run import conditions, keep, progress
from bench.study.measures import PRICES, SCORES, by_level, chosen, with_judging
from bench.study.picture import COLOURS, picture
from bench.study.report import read, report
from bench.study.splits import SAME, SPLITS, of_recorded, splits
from bench.study.student import BEGINNINGS, KEPT, make
from teachback.compare.arm_results import read_arm_result
from teachback.compare.comparison import make_units, read_sent_spend, run_comparison
from teachback.compare.findings import finding_sentence, samples_sentence
from teachback.compare.scheduler import available_cores
from teachback.compare.summarise import summarise_comparison
from teachback.compare.units import Unit
from teachback.config import config as cfg
from teachback.run.files import to_plain

RUNS, ROOT = Path("runs/study"), Path(__file__).parents[2]


@dataclass(frozen=True)
class Experiment:
    name: str
    plan: str
    config: cfg.Config
    arms: tuple[str, ...]
    repeats: int


def study(
    path: Path,
    only: str | None = None,
    jobs: int | None = None,
    repeats: int | None = None,
) -> None:
    """jobs: runs at a time; None: as many as fit the machine. repeats: the first so many alone, where there is no time
    for all of the plan's; what is recorded says how many they were."""
    text = path.read_bytes()
    plan = yaml.safe_load(text)
    planned = [one for one in experiments(plan) if only in (None, one.name)]
    todo = (
        planned
        if repeats is None
        else [replace(one, repeats=min(one.repeats, repeats)) for one in planned]
    )
    runs = {one.name: len(one.arms) * one.repeats for one in todo}
    hours = sum(runs.values()) * plan["seconds_a_run"] / available_cores() / 3600
    print(
        f"{path}: {sum(runs.values())} runs in {len(runs)} experiments, about {hours:.1f} hours on {available_cores()} cores"
    )
    if plan["student"] in BEGINNINGS:
        make(plan["student"])
    for one in todo:
        with progress() as shown:
            run_comparison(one.config, one.arms, one.repeats, jobs=jobs, listen=shown.show)
        source = {
            "file": path.name,
            "sha256": sha256(text).hexdigest(),
            "repeats": plan["repeats"],
        }
        facts = {"plan": source, **recorded(one)}
        keep(f"study-{one.plan}-{one.name}", short(facts))


def tables(path: Path, only: str | None) -> Iterator[str]:
    plan = yaml.safe_load(path.read_bytes())
    return report(plan["name"], plan["experiments"], only)


def same_against_same(path: Path) -> None:
    """A/A of every recorded experiment that has random runs twice."""
    plan = yaml.safe_load(path.read_bytes())
    recorded = {
        name: facts
        for name, facts in read(plan["name"], plan["experiments"]).items()
        if {*SAME} <= {*facts["arms"]}
    }
    found = {
        name: {"student": facts["student"], **splits(of_recorded(facts))}
        for name, facts in recorded.items()
    }
    worst = max(one["rejected_by_sign_flips"] for one in found.values())
    said = f"equal arms are told apart in at most {worst:.1%} of {SPLITS} splits"
    command = f"python -m bench study bench/study/{path.name} --splits"
    keep(
        f"study-{plan['name']}-splits",
        {"said": said, "command": command, "experiments": short(found)},
    )


def draw(path: Path, experiment: str, out: Path, arms: str | None) -> None:
    shown = arms.split(",") if arms else tuple(COLOURS)
    picture(yaml.safe_load(path.read_bytes())["name"], experiment, out, shown)


def experiments(plan: Mapping[str, Any]) -> Iterator[Experiment]:
    for name, own in plan["experiments"].items():
        first = {
            "reuse_seeds": True
        }  # the default when plans that say nothing of it were written
        tree = {
            **first,
            **plan["config"],
            "arms": plan["arms"],
            "primary": plan["primary"],
        }
        tree["run_dir"] = str(RUNS / plan["name"] / own.get("runs", name))
        model = str(KEPT / plan["student"])
        tree["student"] = {
            **tree["student"],
            "model": model if plan["student"] in BEGINNINGS else plan["student"],
        }
        for key, value in own.get("config", {}).items():
            tree = cfg.put(tree, key.split("."), value)
        arms = tuple(own.get("arms", plan["compared"]))
        tree = json.loads(json.dumps(tree))  # YAML's numbers as keys become text
        yield Experiment(
            name,
            plan["name"],
            cfg.make(tree, base=ROOT),
            arms,
            own.get("repeats", plan["repeats"]),
        )


def recorded(one: Experiment) -> dict[str, Any]:
    """runs: of each arm and repeat what it spent, how it ended by level, and round by round what was selected. scores:
    by what a question counts (measures.py), the accuracy of each of these runs before and after every round, and what
    can be said."""
    units = make_units(one.config, one.arms, one.repeats)
    found: dict[str, Any] = {}
    for name, scorer in SCORES.items():
        measured = [read_arm_result(unit.place, scorer(unit.config)) for unit in units]
        summary = summarise_comparison(
            measured, one.arms, one.config.primary, read_sent_spend(one.config.run_dir)
        )
        found[name] = {
            "said": [
                line
                for f in summary.findings
                for line in (finding_sentence(f), samples_sentence(f))
                if line
            ],
            "accuracy": [curve.accuracy for curve in summary.curves],
            **{
                part: to_plain(getattr(summary, part))
                for part in ("findings", "wins", "carry_over")
            },
        }
    if any(arm.startswith("judge") for arm in one.arms):
        for price in PRICES:
            paid = [with_judging(read_arm_result(unit.place), unit, price) for unit in units]
            summary = summarise_comparison(
                paid, one.arms, one.config.primary, read_sent_spend(one.config.run_dir)
            )
            along_tokens = [f for f in summary.findings if f.axis == "tokens"]
            found[f"judging at {price}"] = {
                "said": [finding_sentence(f) for f in along_tokens],
                "tokens": [curve.tokens for curve in summary.curves],
                "findings": to_plain(along_tokens),
            }
    return {
        "said": found["uniform"]["said"][0],
        **conditions(units[0].folder),
        "experiment": one.name,
        "config": shown(cfg.identity(one.config)),
        "arms": one.arms,
        "repeats": one.repeats,
        "runs": [ran(unit) for unit in units],
        "scores": found,
        "seconds_a_run": round(sum(map(seconds_of, units)) / len(units), 1),
    }


def ran(unit: Unit) -> dict[str, Any]:
    curve = read_arm_result(unit.place).curve
    spent = {name: getattr(curve, name) for name in ("generated", "accepted", "tokens")}
    return {
        "arm": unit.arm,
        "repeat": unit.config.repeat,
        **spent,
        "by_level": by_level(unit),
        "chosen": chosen(unit),
    }


def short(value: Any) -> Any:
    """Every float to 5 digits."""
    if isinstance(value, Mapping):
        return {key: short(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [short(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def shown(config: Mapping[str, Any]) -> Any:
    """Without where this project lies."""
    return json.loads(
        json.dumps(config).replace(f"{ROOT}/", "").replace(f"{Path.cwd()}/", "")
    )


def seconds_of(unit: Unit) -> float:
    lines = (unit.folder / "timings.jsonl").read_text().split("\n")
    return sum(json.loads(line or "{}").get("seconds", 0.0) for line in lines)
