"""From curves to sentences."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from teachback.compare.arm_results import ArmResult, Curve
from teachback.compare.findings import Finding, make_findings
from teachback.compare.sentences import describe_finding, describe_samples
from teachback.compare.summarise import TeacherSpend, summarise_comparison
from teachback.compare.tables import print_comparison

ITEMS = 400


def make_result(
    arm: str, repeat: int, gain: float, *, fresh: bool = True, tokens: int = 100
) -> ArmResult:
    """Three rounds that end `gain` above the 30 % at which all begin."""
    rng = np.random.default_rng([repeat, len(arm), round(1000 * gain) + 1000])
    skill_P = 0.3 + gain * np.arange(4) / 3 + np.array([0, *rng.normal(0, 0.01, 3)])
    score_P_I = rng.random((4, ITEMS)) < skill_P[:, None]
    ids = tuple(f"{repeat if fresh else 0}-{i}" for i in range(ITEMS))
    spent = tuple(tokens * p for p in range(4))
    curve = Curve(
        arm,
        repeat,
        tuple(score_P_I.mean(1)),
        (0, 10, 20, 30),
        (0, 10, 20, 30),
        spent,
        None,
    )
    return ArmResult(
        curve,
        "test",
        ids,
        score_P_I,
        tuple((p + gain, p + repeat / 10) for p in range(3)),
    )


def make_test_findings(
    repeats: int, gains: dict[str, float], **changes: Any
) -> list[Finding]:
    units = [
        make_result(arm, r, gain, **changes)
        for r in range(repeats)
        for arm, gain in gains.items()
    ]
    return make_findings(units, list(gains), "random", "loss")


@pytest.mark.parametrize("fresh", [True, False])
def test_a_gain_is_told_with_its_interval_and_equals_are_not_told_apart(
    fresh: bool,
) -> None:
    findings = make_test_findings(
        8, {"random": 0.1, "loss": 0.4, "wrong": 0.1, "longest": -0.2}, fresh=fresh
    )
    loss, wrong, longest = (
        finding for finding in findings if finding.axis == "generated"
    )
    assert loss.primary
    assert describe_finding(loss).startswith("loss gains ")
    assert describe_finding(loss).endswith(
        "points of area over random (8 repeats, p = 0.008)"
    )
    assert describe_finding(wrong).startswith(
        "wrong: not distinguishable from random ("
    )
    assert describe_finding(longest).startswith("longest loses ")
    assert "adjusted" in describe_finding(longest)
    assert loss.difference is not None
    assert 0.15 in loss.difference, "half of the 0.3 between the ends"


def test_few_repeats_give_intervals_and_no_p() -> None:
    findings = make_test_findings(3, {"random": 0.1, "loss": 0.4})
    assert all(finding.p is None for finding in findings)
    assert "p =" not in describe_finding(findings[0])
    assert make_test_findings(1, {"random": 0.1, "loss": 0.4})[0].difference is None


def test_an_arm_that_spends_more_is_judged_up_to_where_every_curve_reaches() -> None:
    dear = [make_result("judge", r, 0.3, tokens=1000) for r in range(8)]
    cheap = [make_result("random", r, 0.3, tokens=100) for r in range(8)]
    by_axis = {
        one.axis: one
        for one in make_findings([*dear, *cheap], ["random", "judge"], "random", "loss")
    }
    assert set(by_axis) == {"generated", "tokens"}, "no price, no axis of money"
    assert by_axis["tokens"].upto == 300
    assert "not distinguishable" in describe_finding(by_axis["generated"])
    assert describe_finding(by_axis["tokens"]).startswith("judge loses ")
    assert by_axis["tokens"].reach is None


def test_samples_to_target_is_a_sentence_too() -> None:
    findings = make_test_findings(8, {"random": 0.2, "loss": 0.5})
    sentence = describe_samples(findings[0])
    assert sentence is not None
    assert sentence.startswith("loss reaches 4")
    assert "times fewer samples than random" in sentence
    worse = describe_samples(make_test_findings(8, {"random": 0.5, "loss": 0.1})[0])
    assert (
        worse
        == f"loss: no ratio of samples (8 of 8 repeats did not reach {format_target(0.5)})"
    )


def test_where_random_gains_nothing_that_is_said() -> None:
    flat = [make_result("random", r, -0.2) for r in range(3)] + [
        make_result("loss", r, 0.2) for r in range(3)
    ]
    sentence = describe_samples(
        make_findings(flat, ["random", "loss"], "random", "loss")[0]
    )
    assert sentence == "loss: no ratio of samples (random gained nothing)"


def format_target(gain: float) -> str:
    mean_P = np.mean(
        [make_result("random", r, gain).curve.accuracy for r in range(8)], axis=0
    )
    return f"{mean_P[0] + 0.8 * (mean_P[-1] - mean_P[0]):.1%}"


def test_arms_that_came_unequally_far_are_compared_up_to_where_all_came() -> None:
    units = [make_result(arm, r, 0.2) for r in range(2) for arm in ("random", "loss")]
    short = units[0].curve
    cut = Curve(short.arm, 0, short.accuracy[:2], (0, 10), (0, 10), (0, 100), None)
    units[0] = replace(units[0], curve=cut, score_P_I=units[0].score_P_I[:2])
    one = make_findings(units, ["random", "loss"], "random", "loss")[0]
    assert one.upto == 10
    assert one.reach is None
    assert one.difference is not None
    assert abs(one.difference.estimate) < 0.05, (
        "until then both have made a third of the same gain"
    )


def test_a_summary_says_who_is_above_whom_what_carries_over_and_what_was_spent() -> (
    None
):
    arms = {"random": 0.1, "loss": 0.5, "again": 0.1}
    units = [make_result(arm, r, gain) for r in range(8) for arm, gain in arms.items()]
    comparison = summarise_comparison(
        units, list(arms), "loss", TeacherSpend(4321, None)
    )
    assert comparison.wins[1] == (1.0, 0.0, 1.0), "loss is above both after each round"
    assert sum(comparison.wins[0]) + sum(comparison.wins[2]) <= 0.7
    assert comparison.carry_over is not None
    assert comparison.carry_over.low > 0
    console = Console(file=io.StringIO(), width=200)
    print_comparison(comparison, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "loss 2.0" in text
    assert f"rank correlation of {comparison.carry_over.estimate:+.2f} [" in text
    assert "charged to the arms 7,200 tokens; really sent 4,321 tokens" in text
