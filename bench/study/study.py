"""python -m bench study PLAN: the experiments of a plan, each one `teachback compare`.

A plan is a YAML file that is committed before its first run. It has the student, the
config that all runs share, the arms, the number of repeats, the primary comparison, and
the experiments, which differ in the task's options. A finished experiment is recorded in
bench/results/study-PLAN-EXPERIMENT.json. The runs lie in runs/study/PLAN/EXPERIMENT and
resume. An experiment with `runs: OTHER` shares the runs of another one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from bench.run import open_progress, run_conditions, write_record
from bench.study import picture
from bench.study.measures import (
    PRICES,
    SCORES,
    accuracy_by_level,
    add_judging,
    describe_selections,
)
from bench.study.report import read_records, report_lines
from bench.study.splits import SAME_ARMS, SPLITS, compare_splits, read_random_runs
from bench.study.student import PLANS, STUDENTS, make_student
from teachback.compare.arm_results import ArmResult, read_arm_result
from teachback.compare.comparison import run_comparison
from teachback.compare.findings import Finding
from teachback.compare.scheduler import count_cores
from teachback.compare.sentences import describe_finding, describe_samples
from teachback.compare.summarise import summarise_comparison
from teachback.compare.teacher_spend import read_comparison_spend
from teachback.compare.units import Unit, make_units
from teachback.config.config import Config
from teachback.config.reading import make_config
from teachback.config.run_identity import identify_config
from teachback.config.tree import set_value
from teachback.run.files import to_plain

RUNS = Path("runs/study")
ROOT = Path(__file__).parents[2]
# The default when the plans that don't set it were written.
OLD_DEFAULTS = {"reuse_seeds": True}


@dataclass(frozen=True)
class Experiment:
    name: str
    plan: str
    config: Config
    arms: tuple[str, ...]
    repeats: int


def run_plan(
    path: Path,
    only: str | None = None,
    jobs: int | None = None,
    repeats: int | None = None,
) -> None:
    """Run the plan's experiments, or only one, and record them.

    jobs: runs at a time; None: as many as fit the machine. repeats: at most this many,
    where there is no time for all of the plan's. The record says how many there were.
    """
    text = path.read_bytes()
    plan = yaml.safe_load(text)
    experiments = [one for one in plan_experiments(plan) if only in (None, one.name)]
    if repeats is not None:
        experiments = [
            replace(one, repeats=min(one.repeats, repeats)) for one in experiments
        ]
    print(f"{path}: {describe_size(experiments, plan['seconds_a_run'])}")
    if plan["student"] in PLANS:
        make_student(plan["student"])

    source = {
        "file": path.name,
        "sha256": sha256(text).hexdigest(),
        "repeats": plan["repeats"],
    }
    for one in experiments:
        with open_progress() as progress:
            run_comparison(
                one.config, one.arms, one.repeats, jobs=jobs, listen=progress.show
            )
        facts = {"plan": source, **record_experiment(one)}
        write_record(f"study-{one.plan}-{one.name}", round_floats(facts))


def describe_size(experiments: Sequence[Experiment], seconds_a_run: float) -> str:
    runs = sum(len(one.arms) * one.repeats for one in experiments)
    cores = count_cores()
    hours = runs * seconds_a_run / cores / 3600
    return (
        f"{runs} runs in {len(experiments)} experiments, "
        f"about {hours:.1f} hours on {cores} cores"
    )


def report_tables(path: Path, only: str | None) -> Iterator[str]:
    plan = yaml.safe_load(path.read_bytes())
    return report_lines(plan["name"], plan["experiments"], only)


def compare_same_with_same(path: Path) -> None:
    """A/A of every recorded experiment that has random runs twice."""
    plan = yaml.safe_load(path.read_bytes())
    results = {}
    for name, facts in read_records(plan["name"], plan["experiments"]).items():
        if {*SAME_ARMS} <= {*facts["arms"]}:
            shares = compare_splits(read_random_runs(facts))
            results[name] = {"student": facts["student"], **shares}

    worst = max(one["rejected_by_sign_flips"] for one in results.values())
    record = {
        "said": f"equal arms are told apart in at most {worst:.1%} of {SPLITS} splits",
        "command": f"python -m bench study bench/study/{path.name} --splits",
        "experiments": round_floats(results),
    }
    write_record(f"study-{plan['name']}-splits", record)


def draw_picture(path: Path, experiment: str, out: Path, arms: str | None) -> None:
    plan = yaml.safe_load(path.read_bytes())
    names = arms.split(",") if arms else list(picture.COLOURS)
    picture.draw_picture(plan["name"], experiment, out, names)


def plan_experiments(plan: Mapping[str, Any]) -> Iterator[Experiment]:
    for name, own in plan["experiments"].items():
        yield Experiment(
            name,
            plan["name"],
            make_config(config_tree(plan, name, own), base=ROOT),
            tuple(own.get("arms", plan["compared"])),
            own.get("repeats", plan["repeats"]),
        )


def config_tree(
    plan: Mapping[str, Any], name: str, own: Mapping[str, Any]
) -> dict[str, Any]:
    """own: the experiment's part of the plan."""
    model = plan["student"]
    if model in PLANS:
        model = str(STUDENTS / model)
    tree = {
        **OLD_DEFAULTS,
        **plan["config"],
        "arms": plan["arms"],
        "primary": plan["primary"],
        "run_dir": str(RUNS / plan["name"] / own.get("runs", name)),
        "student": {**plan["config"]["student"], "model": model},
    }
    for key, value in own.get("config", {}).items():
        tree = set_value(tree, key.split("."), value)
    # JSON turns YAML's numbers as keys into text.
    plain: dict[str, Any] = json.loads(json.dumps(tree))
    return plain


def record_experiment(one: Experiment) -> dict[str, Any]:
    """runs: for each arm and repeat, what it spent, how it ended by level, what it selected.

    scores: for each way to count a question (measures.py), the accuracy of each run
    before and after every round, and the findings.
    """
    units = make_units(one.config, one.arms, one.repeats)
    scores = {}
    for name, make_score in SCORES.items():
        results = [
            read_arm_result(unit.place, make_score(unit.config)) for unit in units
        ]
        scores[name] = record_score(one, results)
    if any(arm.startswith("judge") for arm in one.arms):
        for price in PRICES:
            paid = [
                add_judging(read_arm_result(unit.place), unit, price) for unit in units
            ]
            scores[f"judging at {price}"] = record_judging(one, paid)

    seconds = sum(map(total_seconds, units)) / len(units)
    return {
        "said": scores["uniform"]["said"][0],
        **run_conditions(units[0].folder),
        "experiment": one.name,
        "config": without_paths(identify_config(one.config)),
        "arms": one.arms,
        "repeats": one.repeats,
        "runs": [record_unit(unit) for unit in units],
        "scores": scores,
        "seconds_a_run": round(seconds, 1),
    }


def record_score(one: Experiment, results: Sequence[ArmResult]) -> dict[str, Any]:
    summary = summarise(one, results)
    sentences = [line for finding in summary.findings for line in say(finding)]
    return {
        "said": sentences,
        "accuracy": [curve.accuracy for curve in summary.curves],
        "findings": to_plain(summary.findings),
        "wins": to_plain(summary.wins),
        "carry_over": to_plain(summary.carry_over),
    }


def record_judging(one: Experiment, results: Sequence[ArmResult]) -> dict[str, Any]:
    """Only the findings along tokens: marks cost tokens."""
    summary = summarise(one, results)
    findings = [finding for finding in summary.findings if finding.axis == "tokens"]
    return {
        "said": [describe_finding(finding) for finding in findings],
        "tokens": [curve.tokens for curve in summary.curves],
        "findings": to_plain(findings),
    }


def summarise(one: Experiment, results: Sequence[ArmResult]) -> Any:
    sent = read_comparison_spend(one.config.run_dir)
    return summarise_comparison(results, one.arms, one.config.primary, sent)


def say(finding: Finding) -> list[str]:
    sentences = [describe_finding(finding), describe_samples(finding)]
    return [sentence for sentence in sentences if sentence]


def record_unit(unit: Unit) -> dict[str, Any]:
    curve = read_arm_result(unit.place).curve
    return {
        "arm": unit.arm,
        "repeat": unit.config.repeat,
        "generated": curve.generated,
        "accepted": curve.accepted,
        "tokens": curve.tokens,
        "by_level": accuracy_by_level(unit),
        "chosen": describe_selections(unit),
    }


def round_floats(value: Any) -> Any:
    """Every float to 5 digits."""
    if isinstance(value, Mapping):
        return {key: round_floats(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [round_floats(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def without_paths(config: Mapping[str, Any]) -> Any:
    """Paths relative to the project, so that a record doesn't say where it lies."""
    text = json.dumps(config)
    for folder in (ROOT, Path.cwd()):
        text = text.replace(f"{folder}/", "")
    return json.loads(text)


def total_seconds(unit: Unit) -> float:
    lines = (unit.folder / "timings.jsonl").read_text().split("\n")
    entries = [json.loads(line or "{}") for line in lines]
    return sum(entry.get("seconds", 0.0) for entry in entries)
