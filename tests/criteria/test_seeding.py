"""k-means++ by block rejection against its law, enumerated; and what `badge` makes of it."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from teachback.criteria import seeding as module
from teachback.criteria.badge import badge
from teachback.criteria.criterion import Draws
from teachback.criteria.evidence import Evidence
from teachback.criteria.points import Points, make_gradient_points, make_vector_points
from teachback.criteria.seeding import (
    accept_proposals,
    draw_kmeans_centers,
    draw_weighted_rows,
)
from teachback.errors import CriterionError
from teachback.rng import draw
from teachback.types import Example

# A far row, two near ones, two that are the same: distances shrink fast, so that most of a block
# is turned down.
LINE = np.array([[1.0], [2.0], [2.2], [5.0], [5.0], [12.0]])
DELTA = np.array([[1, -1], [1, 0], [2, -1], [0.5, 0.5], [0, 1.0]])
HIDDEN = np.array([[1], [2], [0.5], [3], [1.0]])


def outer_products(delta_N_K: np.ndarray, hidden_N_D: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nd->nkd", delta_N_K, hidden_N_D).reshape(len(delta_N_K), -1)


def pick_probabilities(
    x_N_D: np.ndarray, m: int, power: float = 2.0
) -> dict[tuple[int, ...], float]:
    """The law itself: the probability of every sequence of m rows, one pick at a time."""
    distance_N_N = np.linalg.norm(x_N_D[:, None] - x_N_D[None], axis=2) ** power

    def next_pick(picks: Sequence[int], row: int) -> float:
        weight_N = (
            distance_N_N[list(picks)].min(axis=0)
            if picks
            else np.linalg.norm(x_N_D, axis=1) ** power
        )
        return float(weight_N[row] / weight_N.sum())

    law = {}
    for rows in permutations(range(len(x_N_D)), m):
        law[rows] = prod(next_pick(rows[:i], row) for i, row in enumerate(rows))
    return law


def p_value(
    counts: Counter[tuple[int, ...]], law: dict[tuple[int, ...], float]
) -> float:
    """Of χ²; sequences expected fewer than 5 times are one class."""
    n = counts.total()
    assert all(law[rows] > 0 for rows in counts), "a sequence that can't be"
    frequent = [rows for rows, probability in law.items() if n * probability >= 5]
    observed = [counts[rows] for rows in frequent]
    expected = [n * law[rows] for rows in frequent]
    if n - sum(expected) > 1e-6:
        observed.append(n - sum(observed))
        expected.append(n - sum(expected))
    return float(chisquare(observed, expected).pvalue)


@pytest.mark.parametrize("block", [1, 4, 32])
@pytest.mark.parametrize("form", ["vectors", "gradients"])
def test_the_law_is_that_of_drawing_one_by_one(
    form: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROPOSALS_PER_BLOCK", block)
    x_N_D = LINE if form == "vectors" else outer_products(DELTA, HIDDEN)
    points = (
        make_vector_points(LINE)
        if form == "vectors"
        else make_gradient_points(DELTA, HIDDEN)
    )
    generator = np.random.default_rng(1)
    counts = Counter(
        tuple(draw_kmeans_centers(points, 3, generator)) for _ in range(4000)
    )
    assert p_value(counts, pick_probabilities(x_N_D, 3)) > 0.001


def test_the_test_would_see_another_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that takes all that is proposed, and D instead of D²: both are seen with as many
    draws.
    """
    generator = np.random.default_rng(1)
    counts = Counter(
        tuple(draw_kmeans_centers(make_vector_points(LINE), 3, generator))
        for _ in range(4000)
    )
    assert p_value(counts, pick_probabilities(LINE, 3, power=1.0)) < 1e-6
    monkeypatch.setattr(
        module,
        "accept_proposals",
        lambda points, rows, stale, recent, generator: list(
            dict.fromkeys(rows.tolist())
        ),
    )
    counts = Counter(
        tuple(draw_kmeans_centers(make_vector_points(LINE[:4]), 3, generator))
        for _ in range(4000)
    )
    assert p_value(counts, pick_probabilities(LINE[:4], 3)) < 1e-6


def test_a_block_accepts_by_what_is_left_of_the_distance() -> None:
    """Rows 0 and 1 lie 3 apart; after row 0 is picked, row 1 has 9 left of 100, and row 0 itself
    nothing.
    """
    points = make_vector_points(np.array([[0.0], [3.0]]))
    stale_B = np.full(3, 100.0)
    generators = [np.random.default_rng(seed) for seed in range(2000)]
    accepted = [
        accept_proposals(points, np.array([0, 1, 0]), stale_B, [], generator)
        for generator in generators
    ]
    assert {tuple(rows) for rows in accepted} == {(0,), (0, 1)}
    assert sum(len(rows) for rows in accepted) - 2000 == pytest.approx(
        0.09 * 2000, abs=40
    )  # 3 standard deviations
    accepted = [
        accept_proposals(points, np.array([1]), stale_B[:1], [0], generator)
        for generator in generators
    ]
    assert sum(len(rows) for rows in accepted) == pytest.approx(0.09 * 2000, abs=40)


@given(
    st.lists(
        st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=30
    ),
    st.integers(0, 9),
)
def test_distinct_points_come_before_copies(
    rows: list[tuple[int, int]], seed: int
) -> None:
    m = 1 + seed * (len(rows) - 1) // 9
    picks = draw_kmeans_centers(
        make_vector_points(np.array(rows, float)), m, np.random.default_rng(seed)
    )
    assert len(set(picks)) == len(picks) == m
    distinct = (
        len(set(rows)) if any(map(any, rows)) else 0
    )  # all at the origin: nothing to draw by
    first = [rows[i] for i in picks[:distinct]]
    assert len(set(first)) == len(first)


def test_copies_are_uniform_once_all_points_are_picked() -> None:
    x_N_D = np.array([[1.0, 0]] * 4 + [[0, 2.0]])
    last = Counter(
        draw_kmeans_centers(make_vector_points(x_N_D), 3, np.random.default_rng(seed))[
            2
        ]
        for seed in range(2000)
    )
    assert set(last) == {0, 1, 2, 3}
    assert chisquare([*last.values()]).pvalue > 0.01


def test_nothing_but_zeros_is_drawn_uniformly() -> None:
    counts = Counter(
        draw_kmeans_centers(
            make_vector_points(np.zeros((4, 2))), 1, np.random.default_rng(seed)
        )[0]
        for seed in range(2000)
    )
    assert chisquare([counts[i] for i in range(4)]).pvalue > 0.01


def test_rows_of_weight_zero_are_never_drawn() -> None:
    assert set(
        draw_weighted_rows(
            np.array([0, 2.0, 0, 1, 0]), 500, np.random.default_rng(0)
        ).tolist()
    ) == {1, 3}


def test_gradients_are_as_far_apart_as_their_outer_products() -> None:
    generator = np.random.default_rng(3)
    delta = generator.standard_normal((20, 5))
    hidden = generator.standard_normal((20, 7))
    expected = make_vector_points(outer_products(delta, hidden))
    points = make_gradient_points(delta, hidden)
    rows = np.arange(20)
    np.testing.assert_allclose(
        points.squared_length_N, expected.squared_length_N, rtol=1e-12
    )
    np.testing.assert_allclose(
        points.squared_distances(rows, rows),
        expected.squared_distances(rows, rows),
        rtol=1e-9,
        atol=1e-9,
    )
    np.testing.assert_allclose(
        points.squared_distances_to_nearest([3, 0, 19]),
        expected.squared_distances_to_nearest([3, 0, 19]),
        rtol=1e-9,
        atol=1e-9,
    )


def test_what_all_rows_have_in_common_costs_no_precision() -> None:
    """Rows of length 10,000 that are about 1 apart: in float32, distances would be rounding."""
    generator = np.random.default_rng(4)
    x_N_D = (1000 * np.ones(100) + 0.1 * generator.standard_normal((50, 100))).astype(
        np.float32
    )
    x_N_D[7] = x_N_D[3]
    squared_distance_N_N = make_vector_points(x_N_D).squared_distances(
        np.arange(50), slice(None)
    )
    exact_N_N = ((x_N_D[:, None].astype(float) - x_N_D[None]) ** 2).sum(axis=2)
    assert squared_distance_N_N[3, 7] == squared_distance_N_N[5, 5] == 0
    np.testing.assert_allclose(squared_distance_N_N, exact_N_N, rtol=1e-6)
    np.testing.assert_allclose(
        make_vector_points(x_N_D).squared_distances_to_nearest([3, 9]),
        exact_N_N[[3, 9]].min(axis=0),
        rtol=1e-6,
    )


def test_distances_are_the_same_a_chunk_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x_N_D = np.random.default_rng(8).standard_normal((50, 6))
    expected_N = ((x_N_D[:, None] - x_N_D[[4, 40]]) ** 2).sum(axis=2).min(axis=1)
    monkeypatch.setattr("teachback.criteria.points.CHUNK_ROWS", 16)
    np.testing.assert_allclose(
        make_vector_points(x_N_D).squared_distances_to_nearest([4, 40]),
        expected_N,
        atol=1e-12,
    )
    assert np.isinf(make_vector_points(x_N_D).squared_distances_to_nearest([])).all()


def test_all_rows_are_refreshed_when_most_proposals_fail() -> None:
    """Not once where all rows stay far apart; often enough on a line, where what is left shrinks
    a thousandfold.
    """
    generator = np.random.default_rng(5)
    assert count_passes(generator.standard_normal((2000, 32))) == 1
    assert 2 < count_passes(np.exp(generator.standard_normal((2000, 1)))) < 12


def count_passes(x_N_D: np.ndarray) -> int:
    """The passes over all rows for 300 picks, with that for the first pick."""
    points = make_vector_points(x_N_D)
    n_passes = 0

    def count_and_multiply(rows: np.ndarray, others: np.ndarray | slice) -> np.ndarray:
        nonlocal n_passes
        n_passes += isinstance(others, slice)
        return points.inner_products(rows, others)

    counting = Points(points.squared_length_N, count_and_multiply)
    picks = draw_kmeans_centers(counting, 300, np.random.default_rng(0))
    assert len(set(picks)) == 300
    return n_passes


def make_evidence(
    gradient_N_M: np.ndarray | None, candidates: Sequence[int] | None = None
) -> Evidence:
    seeds = [
        Example(f"s{i:02}", "?")
        for i in range(len(gradient_N_M) if gradient_N_M is not None else 3)
    ]
    return Evidence(
        seeds,
        [],
        range(len(seeds)) if candidates is None else candidates,
        gradient_N_M=gradient_N_M,
    )


def draws(seed: int) -> Draws:
    return lambda id: draw(seed, 0, "select", id, 0)


def test_badge_picks_candidates_only_and_by_their_gradients() -> None:
    gradient = np.random.default_rng(6).standard_normal((40, 8)).astype(np.float32)
    gradient[[5, 9]] *= 1e4
    candidates = [39, 5, 2, 11, 20, 4, 33, 9]
    picks = badge(make_evidence(gradient, candidates), 4, draws(0))
    assert set(picks) <= set(candidates)
    assert picks[0] in (5, 9)  # nearly all of the squared length is theirs
    assert badge(make_evidence(gradient, sorted(candidates)), 4, draws(0)) == picks
    assert badge(make_evidence(gradient, candidates), 4, draws(1)) != picks


def test_badge_refuses_gradients_that_are_no_numbers() -> None:
    gradient = np.ones((12, 4), np.float32)
    gradient[11, 2] = np.nan
    with pytest.raises(CriterionError, match="s11"):
        badge(make_evidence(gradient), 2, draws(0))
    with pytest.raises(CriterionError, match="no gradients"):
        badge(make_evidence(None), 2, draws(0))
