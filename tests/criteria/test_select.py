"""Criteria and METHOD's guards.

One contract test runs over every criterion and every rule without naming them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from choices import FIELD_OF_NEED, evidence_of, past_round
from teachback.criteria import CRITERIA
from teachback.criteria.bandit import bandit
from teachback.criteria.criterion import ATTEMPT_SIGNALS, Criterion
from teachback.criteria.evidence import Evidence
from teachback.criteria.mixture import mixture
from teachback.criteria.rules import (
    pick_balanced,
    pick_softmax,
    pick_stratified,
    pick_top,
)
from teachback.criteria.select import select_seeds
from teachback.errors import CriterionError
from teachback.rng import draw
from teachback.types import Round, Selection

DRAW = partial(draw, 0, 0)
NLLS = st.lists(st.floats(0, 20, allow_nan=False), min_size=2, max_size=40, unique=True)
MEMBERS = {name: CRITERIA[name] for name in ("loss", "random", "wrong")}
BLENDS = {
    "mixture": Criterion(
        partial(
            mixture,
            members=MEMBERS,
            shares={"loss": 2, "random": 1, "wrong": 1},
        ),
        "blend",
    ),
    "bandit": Criterion(partial(bandit, members=MEMBERS, explore=0.3), "blend"),
}
ALL = {
    **{
        name: criterion
        for name, criterion in CRITERIA.items()
        if criterion.kind != "blend" and name != "function"
    },
    **{
        name: replace(blend, needs=frozenset({"right"}))
        for name, blend in BLENDS.items()
    },
}
RULES = {
    "top": pick_top,
    "softmax": partial(pick_softmax, temperature=0.5),
    "balanced": pick_balanced,
    "stratified": partial(pick_stratified, by="hops"),
}


def pick(
    criterion: Criterion | str,
    nlls: Sequence[float],
    m: int,
    past: tuple[Round, ...] = (),
    draw: Callable[..., Any] = DRAW,
    candidates: Sequence[int] | None = None,
) -> Selection:
    chosen = ALL[criterion] if isinstance(criterion, str) else criterion
    evidence = replace(evidence_of(nlls), past=past)
    if candidates is not None:
        evidence = replace(evidence, candidates=candidates)
    return select_seeds(evidence, m, name="it", criterion=chosen, draw=draw)


def keep_needs(evidence: Evidence, needs: frozenset[str]) -> Evidence:
    """The evidence without what the criterion doesn't declare."""
    kept_fields = {FIELD_OF_NEED.get(need) for need in needs}
    if "gold_gradients" in needs:
        kept_fields.add("dev_gradient_M")
    defaults = {field.name: field.default for field in fields(Evidence)}
    empty = {
        name: defaults[name]
        for name in FIELD_OF_NEED.values()
        if name not in kept_fields
    }
    no_signals = dict.fromkeys(ATTEMPT_SIGNALS - needs)
    attempts = [replace(attempt, **no_signals) for attempt in evidence.attempts]
    return replace(evidence, attempts=attempts, **empty)


@pytest.mark.parametrize(
    ("name", "rule"),
    [*((name, "top") for name in ALL), *(("loss", rule) for rule in RULES)],
)
@settings(max_examples=20)
@given(nlls=NLLS, data=st.data())
def test_contract(name: str, rule: str, nlls: list[float], data: st.DataObject) -> None:
    """m distinct candidates, the same for the same draws, from what the criterion says it needs."""
    criterion = ALL[name]
    candidates = sorted(data.draw(st.sets(st.integers(0, len(nlls) - 1), min_size=2)))
    m = data.draw(st.integers(1, len(candidates)))
    evidence = keep_needs(
        replace(evidence_of(nlls), candidates=candidates), criterion.needs
    )
    arguments = {
        "name": name,
        "criterion": criterion,
        "draw": DRAW,
        "rule": RULES[rule],
    }
    chosen = select_seeds(evidence, m, **arguments)
    ids = [p.seed for p in chosen.picks]
    assert len(set(ids)) == m
    assert set(ids) <= {evidence.seeds[i].id for i in candidates}
    assert [p.rank for p in chosen.picks] == list(range(m))
    assert select_seeds(evidence, m, **arguments) == chosen


@given(nlls=NLLS)
def test_loss_takes_the_highest(nlls: list[float]) -> None:
    chosen = pick("loss", nlls, 2)
    assert [p.score for p in chosen.picks] == sorted(nlls, reverse=True)[:2]
    assert dict(chosen.scores) == {f"s{i:02}": nll for i, nll in enumerate(nlls)}


def test_random_is_uniform_in_every_round() -> None:
    """Also in later rounds: a seed that lost before has the same chance again."""
    counts: Counter[str] = Counter()
    again = 0
    for repeat in range(600):
        rounds: tuple[Round, ...] = ()
        for _ in range(3):
            selection = pick(
                "random",
                [float(i) for i in range(12)],
                3,
                rounds,
                draw=partial(draw, 0, repeat),
            )
            rounds = (*rounds, past_round(selection))
        last = {p.seed for p in rounds[2].chosen.picks}
        counts.update(last)
        again += len(last & {p.seed for p in rounds[1].chosen.picks})
    assert max(abs(n - 150) for n in counts.values()) < 4.5 * 150**0.5
    assert len(counts) == 12
    assert abs(again / 600 - 9 / 12) < 0.12, (
        "the overlap of two independent draws of 3 in 12"
    )


def test_the_nth_selection_of_a_seed_asks_for_its_nth_row() -> None:
    first = pick("loss", [3.0, 2.0, 1.0], 2)
    second = pick("loss", [3.0, 2.0, 1.0], 2, (past_round(first),))
    assert [(p.seed, p.n) for p in second.picks] == [("s00", 1), ("s01", 1)]
    other = pick("loss", [1.0, 2.0, 3.0], 2, (past_round(first),))
    assert [(p.seed, p.n) for p in other.picks] == [("s02", 0), ("s01", 1)]


def test_only_candidates_are_selected() -> None:
    assert [
        p.seed for p in pick("loss", [3.0, 2.0, 1.0], 1, candidates=[1, 2]).picks
    ] == ["s01"]
    for m, candidates in ((2, [2]), (1, []), (0, [1])):
        with pytest.raises(
            CriterionError, match=rf"can't select {m} seeds of {len(candidates)}"
        ):
            pick("loss", [3.0, 2.0, 1.0], m, candidates=candidates)


def test_ids_are_distinct_and_in_order() -> None:
    evidence = evidence_of([1.0, 2.0])
    settings = {"name": "loss", "criterion": CRITERIA["loss"], "draw": DRAW}
    with pytest.raises(CriterionError, match=r"same id\n.*s00"):
        select_seeds(replace(evidence, seeds=[evidence.seeds[0]] * 2), 1, **settings)
    with pytest.raises(CriterionError, match="not sorted by id"):
        select_seeds(replace(evidence, seeds=evidence.seeds[::-1]), 1, **settings)


@pytest.mark.parametrize("chosen", [[0, 0], [0], [0, 2], [0, 7]])
def test_a_chooser_that_breaks_the_contract_is_stopped(chosen: list[int]) -> None:
    own = Criterion(lambda evidence, m, draws: chosen, "chooser")
    with pytest.raises(
        CriterionError,
        match=r"it chose [\s\S]*2 different positions among the candidates",
    ):
        pick(own, [1.0, 2.0, 3.0], 2, candidates=[0, 1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_stops_the_run_and_names_the_rows(bad: float) -> None:
    with pytest.raises(
        CriterionError, match=rf"1 scores that are no numbers\n.*s01: {bad}"
    ):
        pick("loss", [1.0, bad, 2.0], 1)


def test_a_missing_score_stops_the_run() -> None:
    with pytest.raises(CriterionError, match="gave 1 scores for 2 seeds"):
        pick(Criterion(lambda evidence: [1.0], "score"), [1.0, 2.0], 1)


def test_a_seed_that_is_no_candidate_needs_no_score() -> None:
    chosen = pick("loss", [1.0, float("nan"), 2.0], 1, candidates=[0, 2])
    assert [p.seed for p in chosen.picks] == ["s02"]
    assert dict(chosen.scores) == {"s00": 1.0, "s02": 2.0}


def test_a_continuous_score_equal_for_all_is_a_bug() -> None:
    with pytest.raises(CriterionError, match="gave all 3 seeds the same score"):
        pick("loss", [1.0, 1.0, 1.0], 1)


def test_a_graded_score_may_tie_and_the_report_says_so() -> None:
    graded = Criterion(lambda evidence: [a.nll for a in evidence.attempts], "graded")
    assert (
        pick(graded, [1.0, 1.0, 1.0, 1.0], 2).notes[0]
        == "no signal this round: selected at random"
    )
    selection = pick(graded, [2.0, 1.0, 1.0, 1.0], 2)
    assert selection.by_chance == 0.5
    assert selection.picks[0].seed == "s00"
    seconds = {
        pick(graded, [2.0, 1.0, 1.0, 1.0], 2, draw=partial(draw, 0, r)).picks[1].seed
        for r in range(30)
    }
    assert seconds == {"s01", "s02", "s03"}, "ties are broken by the generator"
    assert pick(graded, [2.0, 1.0, 0.0, 0.0], 2).by_chance == 0.0


def test_length_truncation_and_stuck_seeds_are_noted() -> None:
    evidence = evidence_of([1.0, 2.0, 3.0, 4.0])
    settings = {"name": "loss", "criterion": CRITERIA["loss"], "draw": DRAW}
    chosen = select_seeds(evidence, 2, **settings)
    assert chosen.length_rho == pytest.approx(1.0)
    assert any(
        "follows the answers' length: rank correlation +1.00" in note
        for note in chosen.notes
    )
    cut = [replace(a, truncated=True, n_tokens=9) for a in evidence.attempts]
    selection = select_seeds(replace(evidence, attempts=cut), 2, **settings)
    assert selection.length_rho is None
    assert any("100% of the picks are truncated" in note for note in selection.notes)
    assert (
        any("truncated" in note for note in pick("random", [1.0, 2.0], 1).notes)
        is False
    )
    past = replace(evidence, past=[past_round(chosen), past_round(chosen)])
    assert any(
        "perhaps unlearnable: s03, s02" in note
        for note in select_seeds(past, 2, **settings).notes
    )
    learnt = [replace(a, nll=a.nll / 10) for a in evidence.attempts]
    assert not any(
        "unlearnable" in note
        for note in select_seeds(replace(past, attempts=learnt), 2, **settings).notes
    )


def test_the_mean_score_of_a_random_choice_is_the_pools() -> None:
    nlls = [float(i) for i in range(20)]
    means = [
        fmean(
            nlls[int(p.seed[1:])]
            for p in pick("random", nlls, 5, draw=partial(draw, 0, r)).picks
        )
        for r in range(300)
    ]
    assert abs(fmean(means) - fmean(nlls)) < 0.6
