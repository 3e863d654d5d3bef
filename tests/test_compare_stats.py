"""The statistics of comparisons: against scipy, by their definitions, and by simulation."""

from itertools import pairwise, product
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, permutation_test, ttest_1samp

from teachback.compare.curve_statistics import (
    area_under_curve,
    find_samples_to_target,
    isotonic_curve,
    samples_at_target,
)
from teachback.compare.paired_tests import (
    MAX_EXACT_REPEATS,
    carry_over_interval,
    crossed_interval,
    max_t_p_values,
    paired_t_interval,
    pairwise_wins,
    sign_flip_p_value,
    sign_flips,
)

NUMBERS = st.integers(-8, 8).map(lambda n: n / 8)
DIFFERENCES = st.lists(NUMBERS, min_size=2, max_size=9)


def draw_normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0.3, 1.0, shape)


def test_the_t_interval_is_scipys() -> None:
    d_R = draw_normal(8)
    ours = paired_t_interval(d_R)
    theirs = ttest_1samp(d_R, 0).confidence_interval()
    assert ours is not None
    assert (ours.estimate, ours.low, ours.high) == pytest.approx(
        (d_R.mean(), theirs.low, theirs.high)
    )
    assert paired_t_interval([0.5]) is None


@settings(max_examples=50)
@given(DIFFERENCES)
def test_sign_flips_go_through_all_of_them(d_R: list[float]) -> None:
    sums = [
        abs(float(np.dot(signs, d_R))) for signs in product((1, -1), repeat=len(d_R))
    ]
    assert sign_flip_p_value(d_R) == pytest.approx(
        fmean(flipped_sum >= abs(sum(d_R)) - 1e-12 for flipped_sum in sums)
    )
    assert sign_flip_p_value([-d for d in d_R]) == sign_flip_p_value(d_R)


def test_sign_flips_are_scipys() -> None:
    d_R = draw_normal(10)
    theirs = permutation_test(
        (d_R,),
        np.mean,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert sign_flip_p_value(d_R) == pytest.approx(theirs.pvalue)


def test_many_repeats_are_flipped_by_chance_the_same_way_each_time() -> None:
    d_R = draw_normal(MAX_EXACT_REPEATS + 1)
    assert sign_flip_p_value(d_R) == sign_flip_p_value(d_R)
    assert len(sign_flips(MAX_EXACT_REPEATS + 1)) < 2 ** (MAX_EXACT_REPEATS + 1)
    theirs = permutation_test(
        (d_R,),
        np.mean,
        permutation_type="samples",
        n_resamples=2**15,
        rng=np.random.default_rng(1),
    )
    assert sign_flip_p_value(d_R) == pytest.approx(theirs.pvalue, abs=0.01)


@settings(max_examples=50)
@given(
    st.integers(1, 4).flatmap(
        lambda k: st.lists(
            st.lists(NUMBERS, min_size=6, max_size=6), min_size=k, max_size=k
        )
    )
)
def test_max_t_is_at_least_the_p_of_each_alone_and_for_one_comparison_that_p(
    d_K_R: list[list[float]],
) -> None:
    together = max_t_p_values(d_K_R)
    for p, d_R in zip(together, d_K_R, strict=True):
        assert max_t_p_values([d_R])[0] == pytest.approx(sign_flip_p_value(d_R)), (
            "with one comparison |t| and the mean order flips alike"
        )
        assert p >= sign_flip_p_value(d_R) - 1e-12
    assert max_t_p_values([*d_K_R, d_K_R[0]]) == pytest.approx(
        [*together, together[0]]
    ), "the same comparison twice costs nothing"


def test_eight_repeats_and_seven_comparisons_can_reject() -> None:
    d_K_R = draw_normal(7, 8) * 0.1 + 3
    assert max(max_t_p_values(d_K_R)) <= 2 / 2**8 + 1e-12, (
        "Holm's smallest would be 7 · 2/256 = 0.055"
    )


def test_crossed_is_the_mean_of_both_and_agrees_with_one_way_where_the_other_is_nothing() -> (
    None
):
    repeats_only = np.repeat(draw_normal(8)[:, None], 50, 1)
    ours, plain = (
        crossed_interval(repeats_only),
        paired_t_interval(repeats_only.mean(1)),
    )
    assert ours is not None
    assert plain is not None
    assert (ours.estimate, ours.low, ours.high) == pytest.approx(
        (plain.estimate, plain.low, plain.high)
    )
    assert crossed_interval(repeats_only.T) == ours, (
        "repeats and items play the same part"
    )
    assert crossed_interval(np.ones((1, 9))) is None
    assert crossed_interval(np.zeros((4, 9))) is not None


def test_crossed_is_what_resampling_both_comes_to_without_its_bias() -> None:
    """Owen 2007: resampling repeats and items counts what neither explains three times."""
    rng = np.random.default_rng(5)
    n, m = 40, 60
    d = (
        rng.normal(0, 0.5, (n, 1))
        + rng.normal(0, 0.7, (1, m))
        + rng.normal(0, 2.0, (n, m))
    )
    means = [
        d[np.ix_(rng.integers(n, size=n), rng.integers(m, size=m))].mean()
        for _ in range(4000)
    ]
    row, column = d.mean(1), d.mean(0)
    noise = (
        ((d - row[:, None] - column + d.mean()) ** 2).sum()
        / ((n - 1) * (m - 1))
        / (n * m)
    )
    ours = crossed_interval(d)
    assert ours is not None
    se = (ours.high - ours.low) / 2 / 2.0
    assert np.std(means) ** 2 == pytest.approx(se**2 + 2 * noise, rel=0.1)


def test_an_area_is_the_mean_height() -> None:
    assert area_under_curve([0, 10, 20], [0.2, 0.2, 0.2], 20) == pytest.approx(0.2)
    assert area_under_curve([0, 10], [0.0, 1.0], 10) == pytest.approx(0.5)
    assert area_under_curve([0, 10], [0.0, 1.0], 5) == pytest.approx(0.25), (
        "cut between points"
    )
    assert area_under_curve([0, 10], [0.3, 1.0], 0) == pytest.approx(0.3)


@settings(max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.data())
def test_a_point_on_the_line_and_the_unit_of_what_is_spent_change_no_area(
    steps: list[int], data: st.DataObject
) -> None:
    spent = [0.0, *np.cumsum(steps).astype(float)]
    accuracy = data.draw(st.lists(NUMBERS, min_size=len(spent), max_size=len(spent)))
    upto = data.draw(st.floats(0.1, spent[-1]))
    whole = area_under_curve(spent, accuracy, upto)
    k = data.draw(st.integers(1, len(spent) - 1))
    middle = [*spent[:k], (spent[k - 1] + spent[k]) / 2, *spent[k:]]
    finer = [*accuracy[:k], (accuracy[k - 1] + accuracy[k]) / 2, *accuracy[k:]]
    assert area_under_curve(middle, finer, upto) == pytest.approx(whole)
    assert area_under_curve(
        [3 * x for x in spent], accuracy, 3 * upto
    ) == pytest.approx(whole)
    assert min(accuracy) - 1e-9 <= whole <= max(accuracy) + 1e-9


def test_an_arm_that_needs_half_the_samples() -> None:
    spent = [[0, 10, 20, 40]] * 8
    random = [[0.0, 0.25, 0.5, 1.0]] * 8
    samples = find_samples_to_target(spent, random, [[0.0, 0.5, 1.0, 1.0]] * 8)
    assert (samples.target, samples.censored) == (pytest.approx(0.8), 0)
    assert samples.ratio is not None
    assert samples.ratio.estimate == pytest.approx(2.0)


@pytest.mark.parametrize(("n_short", "has_ratio"), [(2, True), (3, False)])
def test_repeats_that_do_not_get_there_are_censored(
    n_short: int, has_ratio: bool
) -> None:
    random = [[0.0, 0.5, 1.0]] * 8
    arm = [[0.0, 0.3, 0.4]] * n_short + [[0.0, 0.5, 1.0]] * (8 - n_short)
    samples = find_samples_to_target([[0, 1, 2]] * 8, random, arm)
    assert samples.censored == n_short
    assert (samples.ratio is not None) == has_ratio


def test_where_random_gains_nothing_there_is_no_ratio() -> None:
    assert (
        find_samples_to_target([[0, 1]] * 8, [[0.5, 0.4]] * 8, [[0.5, 0.9]] * 8).ratio
        is None
    )


@given(st.lists(NUMBERS, min_size=2, max_size=6), NUMBERS)
def test_a_curve_made_monotone_reaches_what_lies_on_it(
    curve: list[float], target: float
) -> None:
    rising = isotonic_curve(curve)
    assert all(a <= b for a, b in pairwise(rising))
    assert rising.mean() == pytest.approx(fmean(curve))
    at = samples_at_target(list(range(len(curve))), rising, target)
    if at is None:
        assert rising[-1] < target
    else:
        assert float(np.interp(at, range(len(curve)), rising)) == pytest.approx(
            max(target, rising[0])
        )


def test_wins_count_points_that_a_paired_test_tells_apart() -> None:
    base = np.random.default_rng(0).normal(0.5, 0.05, (1, 8, 1))
    worse_R_P = np.concatenate([base[0], base[0], base[0]], 1)
    better_R_P = (
        worse_R_P
        + np.array([0.0, 0.2, 0.0])
        + np.random.default_rng(1).normal(0, 0.01, (8, 3))
    )
    wins_A_A = pairwise_wins([better_R_P, worse_R_P])
    assert wins_A_A.tolist() == [[0, 0.5], [0, 0]], "of two points after the start, one"
    with pytest.raises(ValueError, match="2 repeats"):
        pairwise_wins([better_R_P[:1], worse_R_P[:1]])


def test_carry_over_needs_ten_sets() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    assert carry_over_interval(x[:9], y[:9]) is None
    assert carry_over_interval(np.ones(12), y[:12]) is None
    interval = carry_over_interval(x, y)
    assert interval is not None
    theirs = bootstrap(
        (x, y),
        lambda a, b: carry_over_interval(a, b).estimate,
        paired=True,
        vectorized=False,
        rng=rng,
        n_resamples=999,  # type: ignore[union-attr]
    ).confidence_interval
    assert interval.low == pytest.approx(theirs.low, abs=0.15)
    assert interval.high == pytest.approx(theirs.high, abs=0.15)
