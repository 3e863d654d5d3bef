"""Rules: each picks as it says, by chances that are checked."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from choices import evidence_of, past_round
from teachback.criteria.candidates import selectable_seeds
from teachback.criteria.rules import (
    apportion,
    pick_balanced,
    pick_softmax,
    pick_stratified,
    pick_top,
)
from teachback.errors import CriterionError
from teachback.rng import draw
from teachback.types import Pick, Selection


def draws(repeat: int):
    return lambda key: draw(0, repeat, "tie", key, 0)


def test_softmax_draws_with_chances_of_exp_score() -> None:
    scores = [0.0, 1.0, 2.0]
    n = 6000
    evidence = evidence_of(scores)
    first_counts = Counter(
        pick_softmax(evidence, scores, 1, draws(r), temperature=0.5)[0]
        for r in range(n)
    )
    weights = [exp(score / 0.5) for score in scores]
    for i, weight in enumerate(weights):
        p = weight / sum(weights)
        assert abs(first_counts[i] - n * p) < 4 * (n * p * (1 - p)) ** 0.5
    assert pick_softmax(evidence, scores, 3, draws(0), temperature=1e-9) == [2, 1, 0], (
        "cold, it is top"
    )


def test_balanced_takes_half_from_each_half_uniformly() -> None:
    scores = [float(i) for i in range(8)]
    evidence = evidence_of(scores)
    counts = Counter[int]()
    for r in range(800):
        picks = pick_balanced(evidence, scores, 4, draws(r))
        assert [i >= 4 for i in picks] == [True, True, False, False]
        counts.update(picks)
    assert max(abs(n - 400) for n in counts.values()) < 4.5 * (800 * 0.25) ** 0.5
    assert sum(i >= 4 for i in pick_balanced(evidence, scores, 3, draws(0))) == 2, (
        "of an odd number one more is from above"
    )
    assert (
        len(pick_balanced(replace(evidence, candidates=[0, 1, 2]), scores, 3, draws(0)))
        == 3
    )


def test_stratified_takes_the_top_of_each_in_proportion() -> None:
    scores = [float(i) for i in range(12)]
    evidence = evidence_of(scores)  # hops: 0, 1, 2, 0, 1, 2, …
    assert pick_stratified(evidence, scores, 6, draws(0), by="hops") == [
        11,
        10,
        9,
        8,
        7,
        6,
    ]
    skewed = replace(
        evidence, candidates=[0, 3, 6, 9, 1, 11]
    )  # four of 0 hops, one of 1, one of 2
    picks = pick_stratified(skewed, scores, 3, draws(0), by="hops")
    assert Counter(evidence.seeds[i].meta["hops"] for i in picks)[0] == 2
    with pytest.raises(CriterionError, match=r"seed s00 has no depth\n.*hops"):
        pick_stratified(evidence, scores, 3, draws(0), by="depth")


def test_top_draws_among_equals() -> None:
    evidence = evidence_of([1.0, 2.0, 3.0])
    assert {
        tuple(pick_top(evidence, [1.0, 1.0, 0.0], 1, draws(r))) for r in range(20)
    } == {
        (0,),
        (1,),
    }


@given(
    st.dictionaries(st.text(max_size=3), st.integers(1, 40), min_size=1, max_size=8),
    st.data(),
)
def test_parts_add_up_and_are_near(sizes: dict[str, int], data: st.DataObject) -> None:
    total = sum(sizes.values())
    m = data.draw(st.integers(0, total))
    counts = apportion(m, sizes)
    assert sum(counts.values()) == m
    for name, n in counts.items():
        assert abs(n - m * sizes[name] / total) < 1
        assert n <= sizes[name]


def make_selection(order: Iterable[str]) -> Selection:
    return Selection(
        tuple(Pick(id, 0, rank, None, "x") for rank, id in enumerate(order))
    )


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_evenly_a_seed_waits_while_enough_were_selected_less_often(
    n, m, rounds, random
) -> None:
    seeds = [f"s{i}" for i in range(n)]
    m = min(m, n)
    past = []
    times_selected = Counter[str]()
    for _ in range(rounds):
        unselected = selectable_seeds(seeds, False, m, past)
        assert unselected == {id for id in seeds if not times_selected[id]}
        selectable = selectable_seeds(seeds, "evenly", m, past)
        assert m <= len(selectable)
        for id in seeds:
            less_often = sum(
                times_selected[other] < times_selected[id] for other in seeds
            )
            assert (id in selectable) == (less_often < m)
        assert selectable_seeds(seeds, True, m, past) == set(seeds)
        chosen = random.sample(sorted(selectable), m)
        times_selected.update(chosen)
        past.append(past_round(make_selection(chosen)))
