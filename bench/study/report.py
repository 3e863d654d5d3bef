"""python -m bench study PLAN --report: what the recorded experiments showed, as tables for docs/study.md.

--only EXPERIMENT: all that is recorded of one."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from teachback.compare.curve_statistics import area_under_curve
from teachback.compare.findings import SPENDING_AXES, format_p_value
from teachback.compare.paired_tests import paired_t_interval

RESULTS = Path(__file__).parents[1] / "results"


def read(plan: str, experiments: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Those that are recorded."""
    paths = {name: RESULTS / f"study-{plan}-{name}.json" for name in experiments}
    return {
        name: json.loads(path.read_bytes())
        for name, path in paths.items()
        if path.exists()
    }


def report(
    plan: str, experiments: Mapping[str, Mapping[str, Any]], only: str | None
) -> Iterator[str]:
    """Those with the plan's own arms side by side, the others one by one; or only one, whole."""
    recorded = read(plan, [name for name in experiments if only in (None, name)])
    if only is not None:
        yield from (line for facts in recorded.values() for line in told(facts))
        return
    mixes = [
        facts for name, facts in recorded.items() if "arms" not in experiments[name]
    ]
    for score, axis in (
        ("uniform", "generated"),
        ("pool", "generated"),
        ("uniform", "tokens"),
    ):
        yield from side_by_side(mixes, score, axis)
    yield from (f"- {facts['experiment']}: {carried(facts)}" for facts in mixes)
    yield ""
    for name, facts in recorded.items():
        if "arms" in experiments[name]:
            yield from told(facts)


def side_by_side(
    recorded: Sequence[Mapping[str, Any]], score: str, axis: str
) -> Iterator[str]:
    """Each arm's area minus random's, in points, in each experiment; in bold where a test tells them apart."""
    yield f"| {score} test, by {SPENDING_AXES[axis]} | {' | '.join(facts['experiment'] for facts in recorded)} |"
    yield "|---|" + "---:|" * len(recorded)
    found = [{f["arm"]: f for f in along(facts, score, axis)} for facts in recorded]
    for arm in dict.fromkeys(arm for one in found for arm in one):
        cells = [
            bold(interval(one[arm]), one[arm]) if arm in one else "" for one in found
        ]
        yield f"| {arm} | {' | '.join(cells)} |"
    starts = [
        " → ".join(f"{100 * x:.0f} %" for x in ends(facts, score)) for facts in recorded
    ]
    yield f"| random itself, untuned → at the end | {' | '.join(starts)} |"
    yield ""


def along(
    facts: Mapping[str, Any], score: str, axis: str = "generated"
) -> list[Mapping[str, Any]]:
    return [f for f in facts["scores"][score]["findings"] if f["axis"] == axis]


def carried(facts: Mapping[str, Any]) -> str:
    """Whether the rows' losses follow their seeds': medians of whole sets, and row by row."""
    rho = facts["scores"]["uniform"]["carry_over"]
    sets = (
        "too few sets"
        if rho is None
        else "rho of medians {estimate:.2f} [{low:.2f}, {high:.2f}]".format(**rho)
    )
    rows = [
        r["row_rho"]
        for run in facts["runs"]
        for r in run["chosen"]
        if r["row_rho"] is not None
    ]
    return f"{sets} over {len(rows)} sets, row by row {fmean(rows):.2f} on average"


def ends(facts: Mapping[str, Any], score: str) -> tuple[float, float]:
    """random's accuracy before and after."""
    curves = [curve for run, curve in curves_of(facts, score) if run["arm"] == "random"]
    start, end = (fmean(curve[p] for curve in curves) for p in (0, -1))
    return start, end


def curves_of(
    facts: Mapping[str, Any], score: str
) -> list[tuple[Mapping[str, Any], Sequence[float]]]:
    """Each run with its accuracy."""
    return list(zip(facts["runs"], facts["scores"][score]["accuracy"], strict=True))


def bold(text: str, finding: Mapping[str, Any]) -> str:
    return f"**{text}**" if finding["p"] is not None and finding["p"] < 0.05 else text


def told(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {facts['experiment']} ({facts['repeats']} repeats)"
    yield ""
    yield from areas(facts)
    yield ""
    yield from minus_loss(facts)
    yield from variants(facts)
    yield f"Carry-over: {carried(facts)}."
    yield ""
    yield from picks(facts)
    yield ""
    yield from levels(facts)


def areas(facts: Mapping[str, Any]) -> Iterator[str]:
    """Each arm against random, in points of area against generated pairs, by what is counted."""
    found = {
        name: {f["arm"]: f for f in along(facts, name)} for name in facts["scores"]
    }
    start, end = ends(facts, "uniform")
    yield f"`random`: {start:.1%} untuned, {end:.1%} at the end (uniform test)."
    yield ""
    yield "| arm | uniform test | p | pool's own mixture | label alone | hardest level | times fewer samples |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for arm, one in found["uniform"].items():
        cells = [
            interval(one),
            p_of(one),
            *(interval(found[name][arm]) for name in ("pool", "labels", "hardest")),
        ]
        yield f"| {arm} | {' | '.join([*cells, ratio(one)])} |"


def interval(finding: Mapping[str, Any]) -> str:
    if finding["difference"] is None:
        return "–"
    value, low, high = (
        100 * finding["difference"][k] for k in ("estimate", "low", "high")
    )
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def p_of(finding: Mapping[str, Any]) -> str:
    if finding["p"] is None:
        return ""
    return format_p_value(finding["p"]).removeprefix("p ").removeprefix("= ") + (
        " (primary)" if finding["primary"] else ""
    )


def ratio(finding: Mapping[str, Any]) -> str:
    reach = finding["reach"]
    if reach is None:
        return ""
    if reach["ratio"] is None:
        return f"none ({reach['censored']} censored)"
    return "{estimate:.2f} [{low:.2f}, {high:.2f}]".format(**reach["ratio"])


def minus_loss(facts: Mapping[str, Any]) -> Iterator[str]:
    """Each arm's area minus that of `loss`."""
    if "loss" in facts["arms"]:
        yield from differences(
            facts, [(arm, "loss") for arm in facts["arms"] if arm != "loss"]
        )


def variants(facts: Mapping[str, Any]) -> Iterator[str]:
    """Of arms such as `wrong_once` the area minus that of `wrong`, and minus that of `random_once`; but for what
    minus_loss has."""
    pairs = []
    for arm in facts["arms"]:
        plain, _, how = arm.partition("_")
        others = {plain, f"random_{how}"} & {*facts["arms"]} - {arm, "loss"}
        pairs += [(arm, other) for other in sorted(others) if how]
    if pairs:
        yield from differences(facts, pairs)


def differences(
    facts: Mapping[str, Any], pairs: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """Of one arm's area minus another's, in points, paired by repeat: intervals, and no test."""
    found = {axis: areas_of(facts, axis) for axis in ("generated", "tokens")}
    yield f"| area minus another's | {' | '.join(SPENDING_AXES[axis] for axis in found)} |"
    yield "|---|" + "---:|" * len(found)
    for arm, other in pairs:
        cells = []
        for area_of in found.values():
            difference = paired_t_interval(
                [area_of[arm, r] - area_of[other, r] for r in range(facts["repeats"])]
            )
            cells.append(interval({"difference": difference and vars(difference)}))
        yield f"| {arm} − {other} | {' | '.join(cells)} |"
    yield ""


def areas_of(facts: Mapping[str, Any], axis: str) -> dict[tuple[str, int], float]:
    """Of each run, up to what the run that spent least has spent; on the uniform test."""
    upto = min(run[axis][-1] for run in facts["runs"])
    return {
        (run["arm"], run["repeat"]): area_under_curve(run[axis], curve, upto)
        for run, curve in curves_of(facts, "uniform")
    }


def picks(facts: Mapping[str, Any]) -> Iterator[str]:
    """Of each arm, in the first round and on average over the later ones."""
    yield "| arm | picks that fail: first round, later | in the pool | AUROC for failure | within levels | picked |"
    yield "|---|---:|---:|---:|---:|---|"
    for arm in facts["arms"]:
        runs = [one["chosen"] for one in facts["runs"] if one["arm"] == arm]
        first, later = [run[0] for run in runs], [r for run in runs for r in run[1:]]
        every = [*first, *later]
        levels = sorted({level for r in every for level in r["picked"]})
        total = sum(sum(r["picked"].values()) for r in every)
        shares = ", ".join(
            f"{level}: {sum(r['picked'].get(level, 0) for r in every) / total:.0%}"
            for level in levels
        )
        fails = f"{fmean(r['fails'] for r in first):.0%}, {fmean(r['fails'] for r in later):.0%}"
        row = [
            fails,
            f"{fmean(r['fails_in_pool'] for r in every):.0%}",
            mean(every, "auroc"),
            mean(every, "auroc_within"),
        ]
        yield f"| {arm} | {' | '.join(row)} | {shares} |"


def levels(facts: Mapping[str, Any]) -> Iterator[str]:
    """Accuracy at the end by level, where that was recorded."""
    if "by_level" not in facts["runs"][0]:
        return
    names = list(facts["runs"][0]["by_level"][1])
    yield f"| accuracy at the end, by level | {' | '.join(names)} |"
    yield "|---|" + "---:|" * len(names)
    for arm, point in (("untuned", 0), *((arm, 1) for arm in facts["arms"])):
        runs = [
            one["by_level"][point]
            for one in facts["runs"]
            if point == 0 or one["arm"] == arm
        ]
        yield f"| {arm} | {' | '.join(f'{fmean(run[name] for run in runs):.0%}' for name in names)} |"
    yield ""


def mean(rounds: Sequence[Mapping[str, Any]], name: str) -> str:
    known = [r[name] for r in rounds if r[name] is not None]
    return f"{fmean(known):.2f}" if known else "–"
