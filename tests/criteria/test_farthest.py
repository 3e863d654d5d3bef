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
from teachback.criteria.farthest import farthest
from teachback.criteria.kcenter import kcenter
from teachback.criteria.points import Points, vectors
from teachback.errors import CriterionError
from teachback.rng import draw
from teachback.types import (
    Curated,
    Example,
    Pick,
    Report,
    Round,
    Selection,
    Student,
    Transfer,
)


def one_by_one(x_N_D: np.ndarray, m: int, used: int) -> list[int]:
    """A pass over all rows for every pick; the lowest row of equals."""
    picked, left = list(range(used)), set(range(used, len(x_N_D)))
    while len(picked) < used + m:
        far = {
            i: min((((x_N_D[i] - x_N_D[j]) ** 2).sum() for j in picked), default=np.inf)
            for i in left
        }
        picked.append(max(left, key=lambda i: (far[i], -i)))
        left.remove(picked[-1])
    return picked[used:]


@pytest.mark.parametrize("ahead", [1, 8, 256])
@pytest.mark.parametrize(
    ("n", "d", "used", "m"), [(60, 2, 0, 60), (90, 1, 3, 20), (150, 16, 12, 40)]
)
def test_the_picks_are_those_of_the_sequential_algorithm(
    n: int, d: int, used: int, m: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AHEAD", ahead)
    x_N_D = np.random.default_rng(d).standard_normal((n, d))
    assert farthest(vectors(x_N_D), m, used) == one_by_one(x_N_D, m, used)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=24),
    st.integers(0, 3),
    st.integers(1, 24),
    st.sampled_from([1, 3, 7]),
)
def test_equals_and_copies_go_by_order(
    rows: list[tuple[int, int]], used: int, m: int, ahead: int
) -> None:
    """On a small grid nearly all distances tie, and all are exact."""
    used = min(used, len(rows) - 1)
    m = min(m, len(rows) - used)
    x_N_D = np.array(rows, float)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AHEAD", ahead)
        assert farthest(vectors(x_N_D), m, used) == one_by_one(x_N_D, m, used)


def test_a_row_that_is_not_looked_at_wins_a_tie_by_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once row 2 is picked, row 3 of its block is as far as row 1, which is not in the block and
    comes before it.
    """
    monkeypatch.setattr(module, "AHEAD", 2)
    assert farthest(vectors(np.array([[0.0], [3], [10], [7]])), 3, used=1) == [2, 1, 3]


def test_a_block_is_refreshed_by_one_product() -> None:
    points, full = vectors(np.random.default_rng(5).standard_normal((3000, 32))), 0

    def inner(rows: np.ndarray, others: np.ndarray | slice) -> np.ndarray:
        nonlocal full
        full += isinstance(others, slice)
        return points.inner(rows, others)

    assert len(set(farthest(Points(points.squared_N, inner), 300))) == 300
    assert full < 40


def round_of(ids: Sequence[str]) -> Round:
    selection = Selection(tuple(Pick(id, 0, rank, None) for rank, id in enumerate(ids)))
    report = Report("dev", 1, 0, 0, 0, 1, 0, {}, ())
    return Round(
        selection, Curated((), ()), Transfer((), None, None, None), Student(""), report
    )


def evidence(
    embedding_N_D: np.ndarray,
    candidates: Sequence[int] | None = None,
    past: Sequence[str] = (),
) -> Evidence:
    seeds = [Example(f"s{i:02}", "?") for i in range(len(embedding_N_D))]
    some = range(len(seeds)) if candidates is None else candidates
    rounds = [round_of(past)] if past else []
    return Evidence(
        seeds, [], some, past=rounds, embedding_N_D=embedding_N_D.astype(np.float32)
    )


def draws(seed: int) -> Draws:
    return lambda id: draw(seed, 0, "select", id, 0)


LINE = np.array([[0.0], [1], [2], [4], [8], [9]])


def test_kcenter_starts_from_what_was_selected() -> None:
    assert kcenter(evidence(LINE, past=["s00"]), 2, draws(0)) == [5, 3]
    assert kcenter(evidence(LINE, past=["s05", "s00"]), 2, draws(0)) == [3, 2]
    # not of the seeds that are looked at this round
    assert kcenter(evidence(LINE, past=["s00", "gone"]), 1, draws(0)) == [5]


def test_kcenter_picks_candidates_only_and_what_was_selected_last() -> None:
    assert kcenter(evidence(LINE, [1, 2, 4], past=["s00"]), 3, draws(0)) == [4, 2, 1]
    assert kcenter(evidence(LINE, [4, 2, 1], past=["s00"]), 2, draws(0)) == [4, 2]
    assert kcenter(evidence(LINE, [0, 1, 5], past=["s00"]), 3, draws(0)) == [5, 1, 0]


def test_kcenter_draws_the_first_seed_and_among_equals() -> None:
    first = Counter(kcenter(evidence(LINE), 1, draws(seed))[0] for seed in range(600))
    assert chisquare([first[i] for i in range(6)]).pvalue > 0.01
    square = np.array([[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1.0]])
    second = Counter(
        kcenter(evidence(square, past=["s00"]), 1, draws(seed))[0]
        for seed in range(600)
    )
    assert set(second) == {1, 2, 3, 4}
    assert chisquare([*second.values()]).pvalue > 0.01


def test_kcenter_refuses_embeddings_that_are_no_numbers() -> None:
    with pytest.raises(CriterionError, match="s02"):
        kcenter(evidence(np.array([[0.0], [1], [np.inf]])), 1, draws(0))
