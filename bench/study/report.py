"""python -m bench study PLAN --report: what the recorded experiments showed, as tables for docs/results.md."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


def report(plan: str, experiments: Sequence[str]) -> Iterator[str]:
    for name in experiments:
        path = RESULTS / f"study-{plan}-{name}.json"
        if path.exists():
            yield from told(json.loads(path.read_bytes()))


def told(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {facts['experiment']} ({facts['repeats']} repeats)"
    yield ""
    yield from areas(facts)
    yield ""
    yield from picks(facts)
    yield ""


def areas(facts: Mapping[str, Any]) -> Iterator[str]:
    """Each arm against random, in points of area against generated pairs, by what is counted."""
    scores = facts["scores"]
    found = {name: {f["arm"]: f for f in one["findings"] if f["axis"] == "generated"} for name, one in scores.items()}
    curves = [c for c in scores["uniform"]["curves"] if c["arm"] == "random"]
    start, end = (100 * fmean(c["accuracy"][p] for c in curves) for p in (0, -1))
    yield f"`random`: {start:.1f} % untuned, {end:.1f} % at the end (uniform test)."
    yield ""
    yield "| arm | uniform test | p | pool's own mixture | label alone | hardest level | times fewer samples |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for arm, one in found["uniform"].items():
        cells = [interval(one), p_of(one), *(interval(found[name][arm]) for name in ("pool", "labels", "hardest"))]
        yield f"| {arm} | {' | '.join([*cells, ratio(one)])} |"


def interval(finding: Mapping[str, Any]) -> str:
    if finding["difference"] is None:
        return "–"
    value, low, high = (100 * finding["difference"][k] for k in ("estimate", "low", "high"))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def p_of(finding: Mapping[str, Any]) -> str:
    if finding["p"] is None:
        return ""
    return f"{finding['p']:.3f}" + (" (primary)" if finding["primary"] else "")


def ratio(finding: Mapping[str, Any]) -> str:
    reach = finding["reach"]
    if reach is None:
        return ""
    if reach["ratio"] is None:
        return f"none ({reach['censored']} censored)"
    return "{estimate:.2f} [{low:.2f}, {high:.2f}]".format(**reach["ratio"])


def picks(facts: Mapping[str, Any]) -> Iterator[str]:
    """Of each arm, in the first round and on average over the later ones."""
    yield "| arm | picks that fail: first round, later | in the pool | AUROC for failure | within levels | picked |"
    yield "|---|---:|---:|---:|---:|---|"
    for arm in facts["arms"]:
        runs = [one["rounds"] for one in facts["chosen"] if one["arm"] == arm]
        first, later = [run[0] for run in runs], [r for run in runs for r in run[1:]]
        every = [*first, *later]
        levels = sorted({level for r in every for level in r["picked"]})
        total = sum(sum(r["picked"].values()) for r in every)
        shares = ", ".join(f"{level}: {sum(r['picked'].get(level, 0) for r in every) / total:.0%}" for level in levels)
        fails = f"{fmean(r['fails'] for r in first):.0%}, {fmean(r['fails'] for r in later):.0%}"
        row = [
            fails,
            f"{fmean(r['fails_in_pool'] for r in every):.0%}",
            mean(every, "auroc"),
            mean(every, "auroc_within"),
        ]
        yield f"| {arm} | {' | '.join(row)} | {shares} |"


def mean(rounds: Sequence[Mapping[str, Any]], name: str) -> str:
    known = [r[name] for r in rounds if r[name] is not None]
    return f"{fmean(known):.2f}" if known else "–"
