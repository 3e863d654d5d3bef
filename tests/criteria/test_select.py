"""Criteria, the rule `top`, and METHOD's guards. One contract test runs over every criterion without naming it."""

from collections import Counter
from dataclasses import replace
from functools import partial
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.criteria import CRITERIA, Criterion, Scored
from teachback.criteria.select import select
from teachback.draws import draw
from teachback.errors import CriterionError
from teachback.types import Attempt, Curated, Example, Report, Round, Selection, Student, Transfer

DRAW = partial(draw, 0, 0)
NLLS = st.lists(st.floats(0, 20, allow_nan=False), min_size=2, max_size=40, unique=True)


def pool_of(nlls: list[float]) -> tuple[list[Example], list[Attempt]]:
    pool = [Example(f"s{i}", f"question {i}", "1", "1") for i in range(len(nlls))]
    return pool, [
        Attempt(e.id, "text", 5 + i % 7, False, nll, max_nll=nll, entropy=nll, gap=-nll, egl=nll)
        for i, (e, nll) in enumerate(zip(pool, nlls, strict=True))
    ]


def past_round(selection: Selection) -> Round:
    return Round(
        selection, Curated((), ()), Transfer((), None, None, None), Student(""), Report("dev", 1, 0, 0, 0, 1, 0, {}, ())
    )


def pick(
    criterion: Criterion | str,
    nlls: list[float],
    m: int,
    past: tuple[Round, ...] = (),
    reuse: bool = True,
    **kw: object,
) -> Selection:
    chosen = CRITERIA[criterion] if isinstance(criterion, str) else criterion
    pool, attempts = pool_of(nlls)
    return select(pool, attempts, past, m, name="it", criterion=chosen, reuse_seeds=reuse, draw=kw.get("draw", DRAW))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CRITERIA)
@given(nlls=NLLS, data=st.data())
def test_contract(name: str, nlls: list[float], data: st.DataObject) -> None:
    """m distinct seeds of the pool, the same for the same draws, whatever the pool's order."""
    m = data.draw(st.integers(1, len(nlls)))
    order = data.draw(st.permutations(range(len(nlls))))
    pool, attempts = pool_of(nlls)
    settings = {"name": name, "criterion": CRITERIA[name], "reuse_seeds": True, "draw": DRAW}
    chosen = select(pool, attempts, [], m, **settings)
    ids = [p.seed for p in chosen.picks]
    assert len(set(ids)) == m
    assert set(ids) <= {e.id for e in pool}
    assert [p.rank for p in chosen.picks] == list(range(m))
    shuffled = select([pool[i] for i in order], [attempts[i] for i in order], [], m, **settings)
    assert [p.seed for p in shuffled.picks] == ids


@given(nlls=NLLS)
def test_loss_takes_the_highest(nlls: list[float]) -> None:
    chosen = pick("loss", nlls, 2)
    assert [p.score for p in chosen.picks] == sorted(nlls, reverse=True)[:2]
    assert dict(chosen.scores) == {f"s{i}": nll for i, nll in enumerate(nlls)}


def test_random_is_uniform_in_every_round() -> None:
    """Also in later rounds: a seed that lost before has the same chance again."""
    counts: Counter[str] = Counter()
    again = 0
    for repeat in range(600):
        rounds: tuple[Round, ...] = ()
        for _ in range(3):
            selection = pick("random", [0.0] * 12, 3, rounds, draw=partial(draw, 0, repeat))
            rounds = (*rounds, past_round(selection))
        last = {p.seed for p in rounds[2].chosen.picks}
        counts.update(last)
        again += len(last & {p.seed for p in rounds[1].chosen.picks})
    assert max(abs(n - 150) for n in counts.values()) < 4.5 * 150**0.5
    assert len(counts) == 12
    assert abs(again / 600 - 9 / 12) < 0.12, "the overlap of two independent draws of 3 in 12"


def test_the_nth_selection_of_a_seed_asks_for_its_nth_row() -> None:
    first = pick("loss", [3.0, 2.0, 1.0], 2)
    second = pick("loss", [3.0, 2.0, 1.0], 2, (past_round(first),))
    assert [(p.seed, p.n) for p in second.picks] == [("s0", 1), ("s1", 1)]
    other = pick("loss", [1.0, 2.0, 3.0], 2, (past_round(first),))
    assert [(p.seed, p.n) for p in other.picks] == [("s2", 0), ("s1", 1)]


def test_without_reuse_a_seed_is_selected_once() -> None:
    first = pick("loss", [3.0, 2.0, 1.0], 2, reuse=False)
    second = pick("loss", [3.0, 2.0, 1.0], 1, (past_round(first),), reuse=False)
    assert [p.seed for p in second.picks] == ["s2"]
    with pytest.raises(CriterionError, match="can't select 2 seeds of 1"):
        pick("loss", [3.0, 2.0, 1.0], 2, (past_round(first),), reuse=False)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_stops_the_run_and_names_the_rows(bad: float) -> None:
    with pytest.raises(CriterionError, match=rf"1 scores that are no numbers\n.*s1: {bad}"):
        pick("loss", [1.0, bad, 2.0], 1)


def test_a_missing_score_stops_the_run() -> None:
    with pytest.raises(ValueError, match="shorter"):
        pick(Scored(lambda pool, attempts: [1.0], "score", frozenset()), [1.0, 2.0], 1)


def test_a_continuous_score_equal_for_all_is_a_bug() -> None:
    with pytest.raises(CriterionError, match="gave all 3 seeds the same score"):
        pick("loss", [1.0, 1.0, 1.0], 1)


def test_a_graded_score_may_tie_and_the_report_says_so() -> None:
    graded = Scored(lambda pool, attempts: [a.nll for a in attempts], "graded", frozenset())
    assert pick(graded, [1.0, 1.0, 1.0, 1.0], 2).notes[0] == "no signal this round: selected at random"
    some = pick(graded, [2.0, 1.0, 1.0, 1.0], 2)
    assert some.by_chance == 0.5
    assert some.picks[0].seed == "s0"
    seconds = {pick(graded, [2.0, 1.0, 1.0, 1.0], 2, draw=partial(draw, 0, r)).picks[1].seed for r in range(30)}
    assert seconds == {"s1", "s2", "s3"}, "ties are broken by the generator"
    assert pick(graded, [2.0, 1.0, 0.0, 0.0], 2).by_chance == 0.0


def test_length_truncation_and_stuck_seeds_are_noted() -> None:
    pool, attempts = pool_of([1.0, 2.0, 3.0, 4.0])
    settings = {"name": "loss", "criterion": CRITERIA["loss"], "reuse_seeds": True, "draw": DRAW}
    chosen = select(pool, attempts, [], 2, **settings)
    assert chosen.length_rho == pytest.approx(1.0)
    assert any("follows the answers' length: rank correlation +1.00" in note for note in chosen.notes)
    cut = [replace(a, truncated=True, n_tokens=9) for a in attempts]
    quiet = select(pool, cut, [], 2, **settings)
    assert quiet.length_rho is None
    assert any("100% of the picks are truncated" in note for note in quiet.notes)
    past = [past_round(chosen), past_round(chosen)]
    assert any("perhaps unlearnable: s3, s2" in note for note in select(pool, attempts, past, 2, **settings).notes)
    learnt = [replace(a, nll=a.nll / 10) for a in attempts]
    assert not any("unlearnable" in note for note in select(pool, learnt, past, 2, **settings).notes)


def test_the_mean_score_of_a_random_choice_is_the_pools() -> None:
    nlls = [float(i) for i in range(20)]
    means = [
        fmean(nlls[int(p.seed[1:])] for p in pick("random", nlls, 5, draw=partial(draw, 0, r)).picks)
        for r in range(300)
    ]
    assert abs(fmean(means) - fmean(nlls)) < 0.6
