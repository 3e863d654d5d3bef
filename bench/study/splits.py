"""A/A: do the tests of a comparison find differences between runs that differ in nothing?

An experiment's recorded runs of random selection (`random` and `again`) are split at
random into two arms, many times. Each split is compared like any two arms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.study.report import runs_with_curves
from teachback.compare.arm_results import ArmResult, Curve
from teachback.compare.findings import Finding, make_findings

SPLITS = 2000
SIGNIFICANCE = 0.05
SAME_ARMS = ("random", "again")


def read_random_runs(facts: Mapping[str, Any]) -> list[ArmResult]:
    """The random runs of a recorded experiment.

    A run's test counts as one item, because its questions are its own.
    """
    results = []
    for run, accuracy in runs_with_curves(facts, "uniform"):
        if run["arm"] not in SAME_ARMS:
            continue
        curve = Curve(
            run["arm"],
            run["repeat"],
            tuple(accuracy),
            tuple(run["generated"]),
            tuple(run["accepted"]),
            tuple(run["tokens"]),
            usd=None,
        )
        items = (f"{run['repeat']}",)
        accuracy_P_1 = np.array(accuracy)[:, None]
        results.append(ArmResult(curve, "test", items, accuracy_P_1, ()))
    return results


def compare_splits(
    results: Sequence[ArmResult], n: int = SPLITS, seed: int = 0
) -> Mapping[str, Any]:
    """Shares of n splits. Each split pairs all of the runs of one criterion."""
    rng, half = np.random.default_rng(seed), len(results) // 2
    rejected = missed = ratios = with_1 = 0
    for _ in range(n):
        order = rng.permutation(len(results))
        finding = compare_halves(
            [results[i] for i in order[:half]],
            [results[i] for i in order[half : 2 * half]],
        )
        assert finding.p is not None
        assert finding.difference is not None
        rejected += finding.p < SIGNIFICANCE
        missed += 0.0 not in finding.difference
        if finding.reach and finding.reach.ratio:
            ratios += 1
            with_1 += 1.0 in finding.reach.ratio
    return {
        "runs": len(results),
        "repeats": half,
        "splits": n,
        "rejected_by_sign_flips": rejected / n,
        "interval_without_0": missed / n,
        "splits_with_a_ratio": ratios / n,
        "ratio_with_1": with_1 / ratios if ratios else None,
    }


def compare_halves(first: Sequence[ArmResult], second: Sequence[ArmResult]) -> Finding:
    results = [
        *(as_run_of(result, "random", r) for r, result in enumerate(first)),
        *(as_run_of(result, "other", r) for r, result in enumerate(second)),
    ]
    for finding in make_findings(results, ["random", "other"], "random", "other"):
        if finding.axis == "generated":
            return finding
    raise AssertionError("no finding by generated pairs")


def as_run_of(result: ArmResult, arm: str, repeat: int) -> ArmResult:
    """The same result as a run of that arm. Its questions are its repeat's own."""
    curve = replace(result.curve, arm=arm, repeat=repeat)
    return replace(result, curve=curve, item_ids=(f"{repeat}",))
