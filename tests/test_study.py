"""The study's tasks, references and measures. Its runs are teachback's own comparisons."""

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
import yaml
from bench.study import criteria, forms, measures, tasks
from bench.study.report import minus_loss_table, variants_table
from bench.study.splits import compare_splits, read_random_runs
from bench.study.study import plan_experiments

from teachback.build.task import make_task
from teachback.compare.arm_results import ArmResult, Curve
from teachback.config.reading import make_arm_config
from teachback.criteria.evidence import Evidence
from teachback.rng import draw
from teachback.tasks import prontoqa
from teachback.types import Attempt, Example, Selection

OPTIONS = {
    "levels": [1, 2, 3],
    "pool": {"0": 0.1, "1": 0.6, "3": 0.3},
    "seeds": 41,
    "dev": 4,
    "test": 12,
    "seed": 0,
}
PLANS = sorted(Path(tasks.__file__).parent.glob("*.yaml"))


def test_a_pool_has_its_shares_and_test_each_level_as_often() -> None:
    zero, one = tasks.proofs(OPTIONS, 0), tasks.proofs(OPTIONS, 1)
    assert Counter(e.meta["hops"] for e in zero.seeds) == {0: 4, 1: 25, 3: 12}
    assert Counter(e.meta["hops"] for e in zero.test) == {1: 4, 2: 4, 3: 4}
    rows = [e for task in (zero, one) for e in (*task.seeds, *task.dev, *task.test)]
    assert (
        len({e.id for e in rows})
        == len({zero.key(e.question) for e in rows})
        == len(rows)
    )


def test_what_its_program_writes_is_right_and_follows_the_seed() -> None:
    task, same = tasks.proofs(OPTIONS, 0), 0
    assert task.write is not None
    for seed in task.seeds:
        assert task.grade(seed, str(task.target(seed))).outcome == "right"
        assert task.grade(seed, "True").outcome != "right"
        for n in range(5):
            written = task.write(seed, draw(0, 0, "teacher", seed.id, n))
            assert task.verify(written.question, written.text).outcome == "right"
            assert tasks.is_hashed(written.question) == (
                seed.meta["hops"] == tasks.HASHED
            )
            if not tasks.is_hashed(written.question):
                hops = prontoqa.seed_hops(Example("", written.question))
                assert 1 <= hops <= 3, "not among the levels"
                same += hops == seed.meta["hops"]
    chains = [seed for seed in task.seeds if seed.meta["hops"] != tasks.HASHED]
    assert 0.6 < same / (5 * len(chains)) < 0.95, "0.6, and 0.8 at either end"


def test_a_form_is_of_the_proof_and_its_program_follows_the_seed() -> None:
    plain = forms.make_exercise(0, Random(7))
    fact, *steps = forms.split_sentences(str(plain.solution).partition("\n")[0])
    assert len(steps) == 2 * forms.HOPS
    without_last = forms.make_exercise(4, Random(7)).solution
    assert str(without_last).partition("\n")[0] == " ".join([fact, *steps[:-1]])
    task, same = (
        forms.forms(
            {
                "pool": {"0": 0.5, "7": 0.5},
                "seeds": 40,
                "dev": 10,
                "test": 20,
                "seed": 0,
            },
            0,
        ),
        0,
    )
    assert task.write is not None
    assert Counter(e.meta["form"] for e in task.test) == dict.fromkeys(range(10), 2)
    for seed in task.seeds:
        assert task.grade(seed, str(seed.solution)).outcome == "right"
        asked = {
            form: f"The number is {form}.{seed.question[16:]}" for form in range(10)
        }
        right = [
            form
            for form in asked
            if forms.verify_form(asked[form], str(seed.solution)).outcome == "right"
        ]
        assert right == [seed.meta["form"]], "two forms are the same"
        for n in range(5):
            written = task.write(seed, draw(0, 0, "teacher", seed.id, n))
            assert task.verify(written.question, written.text).outcome == "right"
            same += forms.split_question(written.question)[0] == seed.meta["form"]
    assert 0.7 < same / 200 < 0.9


def test_equal_forms_takes_turns() -> None:
    seeds = [
        Example(f"s{i:03d}", "", meta={"form": form})
        for i, form in enumerate([0] * 10 + [1] * 30 + [9] * 3)
    ]
    given = Evidence(
        seeds, [Attempt(e.id, "", 1, False, 0.0) for e in seeds], range(43)
    )
    picked = forms.equal_forms(given, 13, lambda id: Random(id))
    assert Counter(seeds[i].meta["form"] for i in picked) == {0: 5, 1: 5, 9: 3}


def evidence(hops: list[int], right: list[bool]) -> Evidence:
    seeds = [Example(f"s{i:03d}", "", meta={"hops": h}) for i, h in enumerate(hops)]
    attempts = [Attempt(e.id, "", 1, False, 0.01 * i) for i, e in enumerate(seeds)]
    return Evidence(seeds, attempts, range(len(seeds)), right=right)


def test_the_oracle_takes_as_many_of_each_level_as_there_are() -> None:
    given = evidence([0] * 10 + [1] * 30 + [2] * 3 + [3] * 20, [True] * 63)
    picked = criteria.equal_hops(given, 23, lambda id: Random(id))
    assert len(set(picked)) == 23
    assert Counter(given.seeds[i].meta["hops"] for i in picked) == {1: 10, 2: 3, 3: 10}


@pytest.mark.parametrize(
    ("judge", "rho"),
    [(criteria.judge_30, 0.3), (criteria.judge_60, 0.6), (criteria.judge_100, 1)],
)
def test_a_scripted_judge_is_as_good_as_it_says(judge: object, rho: float) -> None:
    right = [Random(i).random() < 0.6 for i in range(4000)]
    marks = [-x for x in judge(evidence([1] * 4000, right))]  # type: ignore[operator]
    assert set(marks) <= set(range(1, 11))
    assert np.corrcoef(marks, right)[0, 1] == pytest.approx(rho, abs=0.04)


def test_a_tie_break_never_moves_a_right_attempt_above_a_wrong_one() -> None:
    given = evidence([1] * 6, [True, False, True, False, True, False])
    scores = criteria.wrong_then_loss(given)
    assert sorted(range(6), key=lambda i: -scores[i]) == [5, 3, 1, 4, 2, 0]


def test_auroc_is_counted_over_pairs_and_within_levels() -> None:
    level = {f"s{i}": i % 2 for i in range(8)}
    fails = {
        f"s{i}": i % 2 == 1 or i == 0 for i in range(8)
    }  # all of level 1, and one of level 0
    scores = tuple((f"s{i}", float(i % 2) + 0.1 * i) for i in range(8))
    found = measures.failure_auroc(Selection((), scores), fails, level)
    assert found == {"auroc": pytest.approx(12 / 15), "auroc_within": 0.0}


def test_a_question_weighs_as_much_as_its_level_in_the_pool() -> None:
    weight = measures.level_weights(tasks.proofs(OPTIONS, 0))
    assert weight[1] == pytest.approx(25 / 37 * 3)
    assert sum(weight.values()) == pytest.approx(3)


def random_run(i: int) -> ArmResult:
    rng = np.random.default_rng(i)
    score_P_I = (
        rng.random((4, 100))
        < (0.3 + 0.1 * np.arange(4) + np.array([0, *rng.normal(0, 0.05, 3)]))[:, None]
    )
    spent = (0, 10, 20, 30)
    curve = Curve("random", i, tuple(score_P_I.mean(1)), spent, spent, spent, None)
    return ArmResult(curve, "test", (f"{i}",), score_P_I, ())


def test_splits_of_equal_runs_are_rarely_told_apart() -> None:
    found = compare_splits([random_run(i) for i in range(24)], n=200)
    assert found["repeats"] == 12
    assert found["rejected_by_sign_flips"] <= 0.08
    assert found["interval_without_0"] <= 0.09


def test_recorded_random_runs_are_split_and_no_others() -> None:
    """As `recorded` keeps them: the runs, and apart from them the accuracies in the same order."""
    runs = [random_run(i) for i in range(24)]
    arms = ["random", "loss", "again"]
    listed = [(arm, one) for one in runs for arm in arms]
    spent = {name: [0, 10, 20, 30] for name in ("generated", "accepted", "tokens")}
    facts = {
        "runs": [
            {"arm": arm, "repeat": one.curve.repeat, **spent} for arm, one in listed
        ],
        "scores": {"uniform": {"accuracy": [one.curve.accuracy for _, one in listed]}},
    }
    found = read_random_runs(facts)
    assert [one.curve.arm for one in found] == ["random", "again"] * 24
    once = [one for one in found if one.curve.arm == "random"]
    assert compare_splits(once, n=100) == compare_splits(runs, n=100), (
        "its curve is all that a run's split looks at"
    )


def test_arms_are_held_against_loss_within_each_repeat() -> None:
    """Repeats differ far more than arms. Curves count up to what the thriftiest arm spent."""
    arms, starts = ["random", "loss", "badge"], [0.2, 0.5, 0.8]
    gains, spent = (
        {"random": 0.0, "loss": 0.1, "badge": 0.12},
        {"random": 50, "loss": 100, "badge": 100},
    )
    listed = [(arm, r) for r in range(3) for arm in arms]
    facts = {
        "arms": arms,
        "repeats": 3,
        "runs": [
            {"arm": arm, "repeat": r, "generated": [0, 10], "tokens": [0, spent[arm]]}
            for arm, r in listed
        ],
        "scores": {
            "uniform": {
                "accuracy": [[starts[r], starts[r] + gains[arm]] for arm, r in listed]
            }
        },
    }
    longer = {"random": "random_on", "loss": "badge", "badge": "badge_on"}
    others = {
        **facts,
        "arms": [*longer.values()],
        "runs": [{**r, "arm": longer[r["arm"]]} for r in facts["runs"]],
    }
    rows = [line.split(" |")[0] for line in variants_table(others)]
    assert rows[2:-1] == ["| badge_on − badge", "| badge_on − random_on"]
    table = list(minus_loss_table(facts))
    assert table[2] == "| random − loss | -5.0 [-5.0, -5.0] | -2.5 [-2.5, -2.5] |"
    assert table[3] == "| badge − loss | +1.0 [+1.0, +1.0] | +0.5 [+0.5, +0.5] |"
    assert not list(minus_loss_table({**facts, "arms": ["random", "wrong"]}))
    assert not list(variants_table(facts))


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.stem)
def test_a_plan_can_be_carried_out(plan: Path) -> None:
    for one in plan_experiments(yaml.safe_load(plan.read_bytes())):
        task = make_task(one.config.task, 1)
        ours = one.plan in ("proofs", "forms")
        assert len(task.test) >= (600 if ours else 300 if one.repeats >= 8 else 100)
        assert one.config.primary in one.arms or one.config.primary == "loss"
        for arm in one.arms:
            assert make_arm_config(one.config, arm).per_round <= len(task.seeds)
