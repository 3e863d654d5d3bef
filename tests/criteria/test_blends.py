"""`mixture` and `bandit`: whose picks they are, and what the bandit learns from dev."""

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from choices import evidence_of, past_round
from teachback.criteria import CRITERIA
from teachback.criteria.bandit import bandit, member_probabilities, round_payoffs
from teachback.criteria.criterion import Criterion
from teachback.criteria.mixture import mixture
from teachback.criteria.select import select_seeds
from teachback.rng import draw
from teachback.types import Pick, Round, Selection

NLLS = [float(i) for i in range(20)]
MEMBERS = {name: CRITERIA[name] for name in ("loss", "random", "kcenter")}


def make_selection(name: str) -> Selection:
    return Selection((Pick("s00", 0, 0, None, name),))


def test_each_member_of_a_mixture_has_its_share_of_what_is_left() -> None:
    evidence = evidence_of(NLLS)
    shares = {"loss": 0.5, "random": 0.3, "kcenter": 0.2}
    criterion = Criterion(partial(mixture, members=MEMBERS, shares=shares), "blend")
    selection = select_seeds(
        evidence, 10, name="mixture", criterion=criterion, draw=partial(draw, 0, 0)
    )
    assert Counter(pick.by for pick in selection.picks) == {
        "loss": 5,
        "random": 3,
        "kcenter": 2,
    }
    assert [pick.seed for pick in selection.picks if pick.by == "loss"] == [
        "s19",
        "s18",
        "s17",
        "s16",
        "s15",
    ]
    assert len({pick.seed for pick in selection.picks}) == 10
    assert selection.scores == (), "no score stands for all of them"


def test_the_bandits_picks_are_one_members() -> None:
    evidence = evidence_of(NLLS)
    counts = Counter[str]()
    for repeat in range(60):
        picks = bandit(
            evidence,
            4,
            lambda key, r=repeat: draw(0, r, "select", key, 0),
            members=MEMBERS,
            explore=0.5,
        )
        (name,) = {choice.member for choice in picks}
        counts[name] += 1
        if name == "loss":
            assert [choice.position for choice in picks] == [19, 18, 17, 16]
    assert min(counts[name] for name in MEMBERS) >= 10, (
        "without a past all are as likely"
    )


def test_pay_is_the_gain_a_row_relative_to_the_largest() -> None:
    past = [
        past_round(make_selection("loss"), 0.3, 10),
        past_round(make_selection("random"), 0.2, 10),
    ]
    assert round_payoffs(past, 0.1) == [1.0, pytest.approx(0.25)]
    assert round_payoffs(past, None) == [None, 0.0]
    past = [
        past_round(make_selection("loss"), 0.3, 0),
        past_round(make_selection("loss"), 0.3, 5),
    ]
    assert round_payoffs(past, 0.1) == [None, 0.5]


def test_the_bandit_comes_to_what_pays_and_goes_on_exploring() -> None:
    past: list[Round] = []
    accuracy = 0.0
    for r in range(40):
        name = ("loss", "random")[r % 2]
        accuracy += 0.02 if name == "loss" else -0.01
        past.append(past_round(make_selection(name), accuracy, 10))
    chances = member_probabilities(["loss", "random"], past, 0.0, 0.2)
    assert sum(chances.values()) == pytest.approx(1)
    assert chances["loss"] > 0.7
    assert chances["random"] >= 0.1
    assert member_probabilities(["loss", "random"], [], 0.0, 0.2) == {
        "loss": 0.5,
        "random": 0.5,
    }
    next_round = member_probabilities(["loss", "random"], past[:1], 0.0, 0.2)
    # Exp3: exp(γ · pay / chance / K), pay 1 for the first gain
    grown = 2.718281828459045 ** (0.2 * 1.0 / 0.5 / 2)
    assert next_round["loss"] == pytest.approx(0.8 * grown / (grown + 1) + 0.1)


def test_a_bandit_needs_no_baseline() -> None:
    evidence = replace(
        evidence_of(NLLS),
        baseline=None,
        past=[past_round(make_selection("loss"), 0.3, 10)],
    )
    assert (
        len(
            bandit(
                evidence,
                2,
                lambda key: draw(0, 0, "select", key, 1),
                members=MEMBERS,
                explore=0.5,
            )
        )
        == 2
    )
