"""A/A: do the tests of a comparison find differences between runs that differ in nothing? An experiment's recorded runs
of random selection (`random` and `again`), split at random into two arms again and again, and each split compared like
any two arms."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.study.report import curves_of
from teachback.compare.arm_results import ArmResult, Curve
from teachback.compare.findings import make_findings

SPLITS, LEVEL = 2000, 0.05
SAME = ("random", "again")
AXES = ("generated", "accepted", "tokens")


def of_recorded(facts: Mapping[str, Any]) -> list[ArmResult]:
    """The random runs of an experiment, as it was recorded. A run's test is one item: its questions are its own."""
    return [
        ArmResult(
            Curve(
                run["arm"],
                run["repeat"],
                tuple(curve),
                *(tuple(run[axis]) for axis in AXES),
                usd=None,
            ),
            "test",
            (f"{run['repeat']}",),
            np.array(curve)[:, None],
            (),
        )
        for run, curve in curves_of(facts, "uniform")
        if run["arm"] in SAME
    ]


def splits(
    measured: Sequence[ArmResult], n: int = SPLITS, seed: int = 0
) -> Mapping[str, Any]:
    """Shares of n splits. measured: runs of one criterion, of which each split makes pairs, all of them."""
    rng, half = np.random.default_rng(seed), len(measured) // 2
    rejected, missed, ratios, held = 0, 0, 0, 0
    for _ in range(n):
        order = rng.permutation(len(measured))
        arms = {"random": order[:half], "other": order[half : 2 * half]}
        units = [
            renamed(measured[i], arm, r)
            for arm, chosen in arms.items()
            for r, i in enumerate(chosen)
        ]
        found = next(
            f
            for f in make_findings(units, list(arms), "random", "other")
            if f.axis == "generated"
        )
        assert found.p is not None
        assert found.difference is not None
        rejected += found.p < LEVEL
        missed += 0.0 not in found.difference
        if found.reach and found.reach.ratio:
            ratios += 1
            held += 1.0 in found.reach.ratio
    return {
        "runs": len(measured),
        "repeats": half,
        "splits": n,
        "rejected_by_sign_flips": rejected / n,
        "interval_without_0": missed / n,
        "splits_with_a_ratio": ratios / n,
        "ratio_with_1": held / ratios if ratios else None,
    }


def renamed(one: ArmResult, arm: str, repeat: int) -> ArmResult:
    """As a run of that arm; its questions are its repeat's own."""
    return replace(
        one, curve=replace(one.curve, arm=arm, repeat=repeat), items=(f"{repeat}",)
    )
