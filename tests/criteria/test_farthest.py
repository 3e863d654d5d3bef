"""Farthest-first in blocks against the sequential algorithm; and what `kcenter` makes of it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from teachback.criteria import farthest as module
from teachback.criteria.criterion import Draws
from teachback.criteria.evidence import Evidence
from teachback.criteria.farthest import pick_farthest
from teachback.criteria.kcenter import kcenter
from teachback.criteria.points import Points, make_vector_points
from teachback.errors import CriterionError
from teachback.rng import draw
from teachback.types import (
    CarryOver,
    Curation,
    Example,
    Pick,
    Report,
    Round,
    Selection,
    Student,
)


def pick_one_by_one(x_N_D: np.ndarray, m: int, n_picked: int) -> list[int]:
    """A pass over all rows for every pick; the lowest row of equals."""
    picks = list(range(n_picked))
    unpicked = set(range(n_picked, len(x_N_D)))
    while len(picks) < n_picked + m:
        distance = {}
        for i in unpicked:
            squared = [((x_N_D[i] - x_N_D[j]) ** 2).sum() for j in picks]
            distance[i] = min(squared, default=np.inf)
        picks.append(max(unpicked, key=lambda i: (distance[i], -i)))
        unpicked.remove(picks[-1])
    return picks[n_picked:]


@pytest.mark.parametrize("block", [1, 8, 256])
@pytest.mark.parametrize(
    ("n", "d", "n_picked", "m"), [(60, 2, 0, 60), (90, 1, 3, 20), (150, 16, 12, 40)]
)
def test_the_picks_are_those_of_the_sequential_algorithm(
    n: int, d: int, n_picked: int, m: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", block)
    x_N_D = np.random.default_rng(d).standard_normal((n, d))
    assert pick_farthest(make_vector_points(x_N_D), m, n_picked) == pick_one_by_one(
        x_N_D, m, n_picked
    )


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=24),
    st.integers(0, 3),
    st.integers(1, 24),
    st.sampled_from([1, 3, 7]),
)
def test_equals_and_copies_go_by_order(
    rows: list[tuple[int, int]], n_picked: int, m: int, block: int
) -> None:
    """On a small grid nearly all distances tie, and all are exact."""
    n_picked = min(n_picked, len(rows) - 1)
    m = min(m, len(rows) - n_picked)
    x_N_D = np.array(rows, float)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_ROWS", block)
        assert pick_farthest(make_vector_points(x_N_D), m, n_picked) == pick_one_by_one(
            x_N_D, m, n_picked
        )


def test_a_row_that_is_not_looked_at_wins_a_tie_by_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once row 2 is picked, row 3 of its block is as far as row 1, which is not in the block and
    comes before it.
    """
    monkeypatch.setattr(module, "BLOCK_ROWS", 2)
    assert pick_farthest(
        make_vector_points(np.array([[0.0], [3], [10], [7]])), 3, n_picked=1
    ) == [2, 1, 3]


def test_a_block_is_refreshed_by_one_product() -> None:
    x_N_D = np.random.default_rng(5).standard_normal((3000, 32))
    points = make_vector_points(x_N_D)
    n_passes = 0

    def count_and_multiply(rows: np.ndarray, others: np.ndarray | slice) -> np.ndarray:
        nonlocal n_passes
        n_passes += isinstance(others, slice)
        return points.inner_products(rows, others)

    counting = Points(points.squared_length_N, count_and_multiply)
    assert len(set(pick_farthest(counting, 300))) == 300
    assert n_passes < 40


def make_round(ids: Sequence[str]) -> Round:
    selection = Selection(tuple(Pick(id, 0, rank, None) for rank, id in enumerate(ids)))
    report = Report("dev", 1, 0, 0, 0, 1, 0, {}, ())
    return Round(
        selection,
        Curation((), ()),
        CarryOver((), None, None, None),
        Student(""),
        report,
    )


def make_evidence(
    embedding_N_D: np.ndarray,
    candidates: Sequence[int] | None = None,
    past: Sequence[str] = (),
) -> Evidence:
    seeds = [Example(f"s{i:02}", "?") for i in range(len(embedding_N_D))]
    if candidates is None:
        candidates = range(len(seeds))
    rounds = [make_round(past)] if past else []
    return Evidence(
        seeds,
        [],
        candidates,
        past=rounds,
        embedding_N_D=embedding_N_D.astype(np.float32),
    )


def draws(seed: int) -> Draws:
    return lambda id: draw(seed, 0, "select", id, 0)


LINE = np.array([[0.0], [1], [2], [4], [8], [9]])


def test_kcenter_starts_from_what_was_selected() -> None:
    assert kcenter(make_evidence(LINE, past=["s00"]), 2, draws(0)) == [5, 3]
    assert kcenter(make_evidence(LINE, past=["s05", "s00"]), 2, draws(0)) == [3, 2]
    # not of the seeds that are looked at this round
    assert kcenter(make_evidence(LINE, past=["s00", "gone"]), 1, draws(0)) == [5]


def test_kcenter_picks_candidates_only_and_what_was_selected_last() -> None:
    assert kcenter(make_evidence(LINE, [1, 2, 4], past=["s00"]), 3, draws(0)) == [
        4,
        2,
        1,
    ]
    assert kcenter(make_evidence(LINE, [4, 2, 1], past=["s00"]), 2, draws(0)) == [4, 2]
    assert kcenter(make_evidence(LINE, [0, 1, 5], past=["s00"]), 3, draws(0)) == [
        5,
        1,
        0,
    ]


def test_kcenter_draws_the_first_seed_and_among_equals() -> None:
    counts = Counter(
        kcenter(make_evidence(LINE), 1, draws(seed))[0] for seed in range(600)
    )
    assert chisquare([counts[i] for i in range(6)]).pvalue > 0.01
    square = np.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1.0]])
    counts = Counter(
        kcenter(make_evidence(square, past=["s00"]), 1, draws(seed))[0]
        for seed in range(600)
    )
    assert set(counts) == {1, 2, 3, 4}
    assert chisquare([*counts.values()]).pvalue > 0.01


def test_kcenter_refuses_embeddings_that_are_no_numbers() -> None:
    with pytest.raises(CriterionError, match="s02"):
        kcenter(make_evidence(np.array([[0.0], [1], [np.inf]])), 1, draws(0))
