"""python -m bench study PLAN --report: the recorded experiments as tables for docs/study-tables.md.

With --only EXPERIMENT: all that is recorded of one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from statistics import fmean
from typing import Any

from bench.outcome import RESULTS
from teachback.compare.curve_statistics import area_under_curve
from teachback.compare.findings import SPENDING_AXES
from teachback.compare.paired_tests import paired_t_interval
from teachback.compare.sentences import format_p_value

SIGNIFICANCE = 0.05
# The score and the axis of each table that has the experiments side by side.
SIDE_BY_SIDE = (("uniform", "generated"), ("pool", "generated"), ("uniform", "tokens"))

Facts = Mapping[str, Any]  # a recorded experiment


def read_records(plan: str, experiments: Iterable[str]) -> dict[str, Facts]:
    """The experiments that are recorded."""
    records = {}
    for name in experiments:
        path = RESULTS / f"study-{plan}-{name}.json"
        if path.exists():
            records[name] = json.loads(path.read_bytes())
    return records


def report_lines(
    plan: str, experiments: Mapping[str, Mapping[str, Any]], only: str | None
) -> Iterator[str]:
    """Experiments with the plan's own arms side by side, the others one by one.

    only: one experiment, in full.
    """
    names = [name for name in experiments if only in (None, name)]
    records = read_records(plan, names)
    if only is not None:
        yield from chain.from_iterable(map(experiment_lines, records.values()))
        return

    same_arms, own_arms = [], []
    for name, facts in records.items():
        (own_arms if "arms" in experiments[name] else same_arms).append(facts)
    for score, axis in SIDE_BY_SIDE:
        yield from side_by_side_table(same_arms, score, axis)
    for facts in same_arms:
        yield f"- {facts['experiment']}: {carry_over_text(facts)}"
    yield ""
    for facts in own_arms:
        yield from experiment_lines(facts)


def experiment_lines(facts: Facts) -> Iterator[str]:
    yield f"### {facts['experiment']} ({facts['repeats']} repeats)"
    yield ""
    yield from area_table(facts)
    yield ""
    yield from minus_loss_table(facts)
    yield from variants_table(facts)
    yield f"Carry-over: {carry_over_text(facts)}."
    yield ""
    yield from picks_table(facts)
    yield ""
    yield from levels_table(facts)


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table_head(*cells: str) -> Iterator[str]:
    """The first column is text, the others are numbers."""
    yield table_row(*cells)
    yield "|---|" + "---:|" * (len(cells) - 1)


def side_by_side_table(
    records: Sequence[Facts], score: str, axis: str
) -> Iterator[str]:
    """Each arm's area minus random's, in points, by experiment.

    Bold where a test tells them apart.
    """
    names = [facts["experiment"] for facts in records]
    yield from table_head(f"{score} test, by {SPENDING_AXES[axis]}", *names)

    by_arm = [findings_by_arm(facts, score, axis) for facts in records]
    for arm in dict.fromkeys(chain.from_iterable(by_arm)):
        findings = [findings.get(arm) for findings in by_arm]
        yield table_row(arm, *map(bold_difference, findings))

    ends = [random_ends_text(facts, score) for facts in records]
    yield table_row("random itself, untuned → at the end", *ends)
    yield ""


def random_ends_text(facts: Facts, score: str) -> str:
    start, end = random_ends(facts, score)
    return f"{100 * start:.0f} % → {100 * end:.0f} %"


def findings_by_arm(
    facts: Facts, score: str, axis: str = "generated"
) -> dict[str, Mapping[str, Any]]:
    findings = facts["scores"][score]["findings"]
    return {one["arm"]: one for one in findings if one["axis"] == axis}


def carry_over_text(facts: Facts) -> str:
    """Whether the rows' losses follow their seeds': by medians of sets, and row by row."""
    rho = facts["scores"]["uniform"]["carry_over"]
    medians = "too few sets"
    if rho is not None:
        medians = "rho of medians {estimate:.2f} [{low:.2f}, {high:.2f}]".format(**rho)
    rounds = chain.from_iterable(run["chosen"] for run in facts["runs"])
    by_row = [one["row_rho"] for one in rounds if one["row_rho"] is not None]
    return (
        f"{medians} over {len(by_row)} sets, row by row {fmean(by_row):.2f} on average"
    )


def random_ends(facts: Facts, score: str) -> tuple[float, float]:
    """random's accuracy before the first round and after the last."""
    curves = []
    for run, curve in runs_with_curves(facts, score):
        if run["arm"] == "random":
            curves.append(curve)
    return fmean(curve[0] for curve in curves), fmean(curve[-1] for curve in curves)


def runs_with_curves(
    facts: Facts, score: str
) -> list[tuple[Mapping[str, Any], Sequence[float]]]:
    """Each run with its accuracy."""
    return list(zip(facts["runs"], facts["scores"][score]["accuracy"], strict=True))


def area_table(facts: Facts) -> Iterator[str]:
    """Each arm against random: points of area against generated pairs, by score."""
    findings = {name: findings_by_arm(facts, name) for name in facts["scores"]}
    start, end = random_ends(facts, "uniform")
    yield f"`random`: {start:.1%} untuned, {end:.1%} at the end (uniform test)."
    yield ""
    yield from table_head(
        "arm",
        "uniform test",
        "p",
        "pool's own mixture",
        "label alone",
        "hardest level",
        "times fewer samples",
    )
    for arm, finding in findings["uniform"].items():
        others = [findings[name][arm] for name in ("pool", "labels", "hardest")]
        yield table_row(
            arm,
            difference_text(finding),
            p_text(finding),
            *map(difference_text, others),
            samples_text(finding),
        )


def difference_text(finding: Mapping[str, Any]) -> str:
    difference = finding["difference"]
    if difference is None:
        return "–"
    value, low, high = (100 * difference[key] for key in ("estimate", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def bold_difference(finding: Mapping[str, Any] | None) -> str:
    if finding is None:
        return ""
    text = difference_text(finding)
    told_apart = finding["p"] is not None and finding["p"] < SIGNIFICANCE
    return f"**{text}**" if told_apart else text


def p_text(finding: Mapping[str, Any]) -> str:
    if finding["p"] is None:
        return ""
    text = format_p_value(finding["p"]).removeprefix("p ").removeprefix("= ")
    return f"{text} (primary)" if finding["primary"] else text


def samples_text(finding: Mapping[str, Any]) -> str:
    reach = finding["reach"]
    if reach is None:
        return ""
    if reach["ratio"] is None:
        return f"none ({reach['censored']} censored)"
    return "{estimate:.2f} [{low:.2f}, {high:.2f}]".format(**reach["ratio"])


def minus_loss_table(facts: Facts) -> Iterator[str]:
    """Each arm's area minus that of `loss`."""
    if "loss" in facts["arms"]:
        others = [arm for arm in facts["arms"] if arm != "loss"]
        yield from area_differences_table(facts, [(arm, "loss") for arm in others])


def variants_table(facts: Facts) -> Iterator[str]:
    """The area of `wrong_once` minus that of `wrong`, and minus that of `random_once`.

    So for all arms with such names, except what `minus_loss_table` has.
    """
    arms = facts["arms"]
    pairs = []
    for arm in arms:
        criterion, _, variant = arm.partition("_")
        if variant:
            others = {criterion, f"random_{variant}"} & {*arms} - {arm, "loss"}
            pairs += [(arm, other) for other in sorted(others)]
    if pairs:
        yield from area_differences_table(facts, pairs)


def area_differences_table(
    facts: Facts, pairs: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """One arm's area minus another's, in points, paired by repeat. Intervals, no tests."""
    axes = ("generated", "tokens")
    yield from table_head("area minus another's", *(SPENDING_AXES[one] for one in axes))
    areas = [areas_by_run(facts, axis) for axis in axes]
    for arm, other in pairs:
        cells = []
        for area in areas:
            repeats = range(facts["repeats"])
            differences = [area[arm, r] - area[other, r] for r in repeats]
            interval = paired_t_interval(differences)
            cells.append(difference_text({"difference": interval and vars(interval)}))
        yield table_row(f"{arm} − {other}", *cells)
    yield ""


def areas_by_run(facts: Facts, axis: str) -> dict[tuple[str, int], float]:
    """By arm and repeat: the area on the uniform test.

    All end where the run that spent least ends.
    """
    upto = min(run[axis][-1] for run in facts["runs"])
    areas = {}
    for run, curve in runs_with_curves(facts, "uniform"):
        areas[run["arm"], run["repeat"]] = area_under_curve(run[axis], curve, upto)
    return areas


def picks_table(facts: Facts) -> Iterator[str]:
    """By arm: the first round, and the mean of the later ones."""
    yield table_row(
        "arm",
        "picks that fail: first round, later",
        "in the pool",
        "AUROC for failure",
        "within levels",
        "picked",
    )
    yield "|---|---:|---:|---:|---:|---|"
    for arm in facts["arms"]:
        runs = [run["chosen"] for run in facts["runs"] if run["arm"] == arm]
        first = [rounds[0] for rounds in runs]
        later = [one for rounds in runs for one in rounds[1:]]
        every = [*first, *later]
        yield table_row(
            arm,
            f"{mean_share(first, 'fails')}, {mean_share(later, 'fails')}",
            mean_share(every, "fails_in_pool"),
            mean_text(every, "auroc"),
            mean_text(every, "auroc_within"),
            picked_text(every),
        )


def picked_text(rounds: Sequence[Mapping[str, Any]]) -> str:
    """The share of each level among all picks."""
    counts: dict[str, int] = {}
    for one in rounds:
        for level, number in one["picked"].items():
            counts[level] = counts.get(level, 0) + number
    total = sum(counts.values())
    shares = [f"{level}: {counts[level] / total:.0%}" for level in sorted(counts)]
    return ", ".join(shares)


def mean_share(rounds: Sequence[Mapping[str, Any]], name: str) -> str:
    return f"{fmean(one[name] for one in rounds):.0%}"


def mean_text(rounds: Sequence[Mapping[str, Any]], name: str) -> str:
    known = [one[name] for one in rounds if one[name] is not None]
    return f"{fmean(known):.2f}" if known else "–"


def levels_table(facts: Facts) -> Iterator[str]:
    """Accuracy at the end by level, where that was recorded."""
    runs = facts["runs"]
    if "by_level" not in runs[0]:
        return

    levels = list(runs[0]["by_level"][1])
    yield from table_head("accuracy at the end, by level", *levels)
    untuned = [run["by_level"][0] for run in runs]
    yield table_row("untuned", *(mean_share(untuned, level) for level in levels))
    for arm in facts["arms"]:
        ends = [run["by_level"][1] for run in runs if run["arm"] == arm]
        yield table_row(arm, *(mean_share(ends, level) for level in levels))
    yield ""
