"""Lazy facility location against plain greedy selection; and what `facility` makes of it."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from teachback.criteria import coverage as module
from teachback.criteria.coverage import MAX_MATRIX_BYTES, pick_by_coverage
from teachback.criteria.criterion import Draws
from teachback.criteria.evidence import Evidence
from teachback.criteria.facility import facility, rank_weights
from teachback.errors import CriterionError
from teachback.rng import draw
from teachback.types import Example


def to_unit_rows(x_N_D: np.ndarray) -> np.ndarray:
    return (x_N_D / np.linalg.norm(x_N_D, axis=1, keepdims=True)).astype(np.float32)


def weighted_cover(
    unit_N_D: np.ndarray, picks: Sequence[int], weight_N: np.ndarray
) -> float:
    """The objective."""
    cosine_N_S = unit_N_D.astype(float) @ unit_N_D[list(picks)].T
    return float(weight_N @ cosine_N_S.max(axis=1, initial=0))


def pick_one_by_one(
    unit_N_D: np.ndarray, candidate_C: Sequence[int], weight_N: np.ndarray, m: int
) -> list[int]:
    """Plain greedy selection: every pick evaluates every candidate."""
    picks: list[int] = []
    for _ in range(m):
        gain = {
            j: weighted_cover(unit_N_D, [*picks, j], weight_N)
            for j in candidate_C
            if j not in picks
        }
        picks.append(max(gain, key=lambda j: gain[j]))
    return picks


@given(
    st.integers(0, 10**6),
    st.integers(1, 5),
    st.sampled_from([1, 2, 16]),
    st.sampled_from([0, MAX_MATRIX_BYTES]),
)
def test_the_picks_are_those_of_plain_greedy_selection(
    seed: int, d: int, block: int, matrix_bytes: int
) -> None:
    generator = np.random.default_rng(seed)
    unit_N_D = to_unit_rows(
        generator.standard_normal((30, d + 1)) + generator.standard_normal(d + 1)
    )
    candidate_C = generator.permutation(30)[: generator.integers(1, 31)]
    weight_N = (generator.random(30) + 0.1).astype(np.float32)
    m = int(generator.integers(1, len(candidate_C) + 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FIRST_BLOCK_CANDIDATES", block)
        picks = pick_by_coverage(
            unit_N_D, candidate_C, weight_N, m, max_matrix_bytes=matrix_bytes
        )
    assert len(set(picks)) == m
    assert set(picks) <= set(candidate_C.tolist())
    expected = pick_one_by_one(unit_N_D, candidate_C.tolist(), weight_N, m)
    for k in range(1, m + 1):  # once everything is covered, many are as good
        assert weighted_cover(unit_N_D, picks[:k], weight_N) == pytest.approx(
            weighted_cover(unit_N_D, expected[:k], weight_N), rel=1e-5
        )


def test_the_picks_cover_at_least_what_greedy_selection_must() -> None:
    """1 − 1/e of the best set there is (Nemhauser et al. 1978)."""
    unit_N_D = to_unit_rows(np.random.default_rng(1).standard_normal((14, 3)))
    weight_N = np.ones(14, np.float32)
    best = max(
        weighted_cover(unit_N_D, picks, weight_N)
        for picks in combinations(range(14), 3)
    )
    picks = pick_by_coverage(unit_N_D, np.arange(14), weight_N, 3)
    assert weighted_cover(unit_N_D, picks, weight_N) >= (1 - 1 / np.e) * best


def test_few_candidates_are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    n_evaluated = 0
    compute_cover_gains = module.compute_cover_gains

    def count_and_compute(cosine_B_N: np.ndarray, cover_N: np.ndarray) -> np.ndarray:
        nonlocal n_evaluated
        n_evaluated += len(cosine_B_N)
        return compute_cover_gains(cosine_B_N, cover_N)

    monkeypatch.setattr(module, "compute_cover_gains", count_and_compute)
    x_N_D = np.random.default_rng(2).standard_normal((600, 8))
    pick_by_coverage(to_unit_rows(x_N_D), np.arange(600), np.ones(600, np.float32), 60)
    assert n_evaluated < 600 * 60 / 5


def test_small_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    unit_N_D = to_unit_rows(np.random.default_rng(3).standard_normal((40, 4)))
    weight_N = np.ones(40, np.float32)
    expected = pick_by_coverage(unit_N_D, np.arange(40), weight_N, 10)
    monkeypatch.setattr(module, "MAX_BLOCK_BYTES", 0)
    monkeypatch.setattr(module, "MIN_BLOCK_CANDIDATES", 3)
    assert (
        pick_by_coverage(unit_N_D, np.arange(40), weight_N, 10, max_matrix_bytes=0)
        == expected
    )


def make_evidence(
    embedding_N_D: np.ndarray, candidates: Sequence[int] | None = None
) -> Evidence:
    seeds = [Example(f"s{i:02}", "?") for i in range(len(embedding_N_D))]
    if candidates is None:
        candidates = range(len(seeds))
    embedding_N_D = embedding_N_D.astype(np.float32)
    return Evidence(seeds, [], candidates, embedding_N_D=embedding_N_D)


def draws(seed: int) -> Draws:
    return lambda id: draw(seed, 0, "select", id, 0)


# Three directions: of 5 seeds, of 3, and of 1, each with its middle first.
FAN = np.zeros((9, 6))
FAN[:5, 0] = FAN[5:8, 1] = FAN[8, 2] = 1
FAN[1:5, 3:5] = [[0.2, 0], [-0.2, 0], [0, 0.2], [0, -0.2]]
FAN[6:8, 5] = 0.2, -0.2


def test_facility_takes_the_middle_of_each_group_the_largest_first() -> None:
    assert facility(make_evidence(FAN), 3, draws(0)) == [0, 5, 8]
    assert facility(make_evidence(7 * FAN), 3, draws(1)) == [
        0,
        5,
        8,
    ]  # directions, not lengths
    assert facility(make_evidence(FAN, [8, 6, 2]), 3, draws(0)) == [2, 6, 8]


def test_facility_looks_where_the_score_is_high() -> None:
    """Ranks of 3, 7 and 9 of 9 weigh the groups of 5, 3 and 1."""
    assert facility(
        make_evidence(FAN), 3, draws(0), weight=lambda e: [0.0] * 5 + [0.1] * 3 + [9.0]
    ) == [
        5,
        0,
        8,
    ]
    assert facility(make_evidence(FAN), 3, draws(0), weight=lambda e: [1.0] * 9) == [
        0,
        5,
        8,
    ]


def test_a_weight_is_the_rank_whatever_the_scale() -> None:
    evidence = make_evidence(FAN[:4])
    np.testing.assert_allclose(
        rank_weights(evidence, [0.5, 3.0, -2.0, 0.5]), [0.625, 1.0, 0.25, 0.625]
    )
    np.testing.assert_allclose(
        rank_weights(evidence, [-1e9, 7.0, -2e9, -1e9]), [0.625, 1.0, 0.25, 0.625]
    )


def test_equal_seeds_are_drawn_from() -> None:
    copies = np.tile(np.random.default_rng(0).standard_normal(5), (6, 1))
    counts = Counter(
        facility(make_evidence(copies), 1, draws(seed))[0] for seed in range(600)
    )
    assert chisquare([counts[i] for i in range(6)]).pvalue > 0.01
    assert len(set(facility(make_evidence(copies), 6, draws(0)))) == 6


def test_facility_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(CriterionError, match=r"zero\n.*s01"):
        facility(make_evidence(np.array([[1.0, 0], [0, 0]])), 1, draws(0))
    with pytest.raises(CriterionError, match="s01: nan"):
        facility(
            make_evidence(FAN[:2]), 1, draws(0), weight=lambda e: [1.0, float("nan")]
        )
