"""The task of a reasoning-gym dataset: its splits, and what the program teacher writes."""

import random
import re
import sys
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from teachback.curate.verify import verify_draft
from teachback.errors import ConfigError, DataError
from teachback.rng import draw
from teachback.tasks import reasoning_gym
from teachback.teachers.program import ProgramTeacher
from teachback.types import Draft, Example, Exercise, Task

pytest.importorskip("reasoning_gym")


def load(dataset: str, **given: Any) -> Task:
    settings: dict[str, Any] = {
        "options": {},
        "levels": None,
        "seeds": 6,
        "dev": 5,
        "test": 4,
        "seed": 0,
    }
    return reasoning_gym.load_reasoning_gym(dataset=dataset, **{**settings, **given})


@cache
def loaded(dataset: str) -> Task:
    return load(dataset)


def write(task: Task, seed: Example, k: int) -> Exercise:
    assert task.write is not None
    written = task.write(seed, draw(0, 0, "teacher", seed.id, k))
    assert isinstance(written, Exercise)
    return written


def draft(written: Exercise) -> Draft:
    return Draft(
        "s", 0, "", question=written.question, text=written.text, answer=written.answer
    )


@pytest.mark.parametrize(
    "dataset", ["chain_sum", "leg_counting", "gsm_symbolic", "survo"]
)
def test_splits_share_nothing_and_are_the_same_again(dataset: str) -> None:
    task = loaded(dataset)
    assert (len(task.seeds), len(task.dev), len(task.test)) == (6, 5, 4)
    rows = (*task.seeds, *task.dev, *task.test)
    assert len({task.key(e.question) for e in rows}) == len({e.id for e in rows}) == 15
    again = load(dataset)
    assert (again.seeds, again.dev, again.test) == (task.seeds, task.dev, task.test)
    other = load(dataset, seed=1)
    assert not {e.question for e in other.seeds} & {e.question for e in task.seeds}


def test_each_repeat_of_a_comparison_has_a_test_set_of_its_own() -> None:
    zero, one, again = (
        load("chain_sum"),
        load("chain_sum", repeat=1),
        load("chain_sum", repeat=1),
    )
    assert (one.seeds, one.dev) == (zero.seeds, zero.dev)
    assert one.test == again.test
    rows = (*zero.test, *one.seeds, *one.dev, *one.test)
    assert (
        len({one.key(e.question) for e in rows})
        == len({e.id for e in rows})
        == len(rows)
    )
    assert all(one.grade(e, str(one.target(e))).outcome == "right" for e in one.test)


def test_a_larger_split_only_adds() -> None:
    task, larger = load("chain_sum", dev=0), load("chain_sum", dev=0, seeds=9)
    assert larger.seeds[:6] == task.seeds
    assert larger.test == task.test


def test_levels_are_taken_in_turn_and_are_what_the_curriculum_says() -> None:
    task = load("chain_sum", levels=(1, 3), seeds=30)
    assert Counter(e.meta["level"] for e in task.seeds) == {1: 10, 2: 10, 3: 10}
    assert task.by == ("level",)
    for e in task.seeds:
        assert (
            e.meta["num_terms"] == int(str(e.meta["level"])) + 2
        )  # that level alone, not all up to it
    assert {e.meta["level"] for e in load("chain_sum").seeds} == {0, 1, 2}


def test_options_go_before_levels() -> None:
    task = load("chain_sum", options={"min_digits": 5, "max_digits": 5})
    assert {e.meta["num_digits"] for e in task.seeds} == {5}
    assert {e.meta["num_terms"] for e in task.seeds} == {2, 3, 4}
    listed = load(
        "basic_arithmetic", options={"operators": ["+"], "allow_negation": False}
    )
    assert not any(set("*/") & set(e.question) for e in listed.seeds)


def test_write_follows_the_level_of_its_seed() -> None:
    task = load("chain_sum", levels=(0, 4))
    seed = next(e for e in task.seeds if e.meta["level"] == 2)
    levels = Counter(terms(write(task, seed, k)) - 2 for k in range(400))
    assert set(levels) == {1, 2, 3}
    assert levels[2] / 400 == pytest.approx(0.6, abs=0.07)
    assert levels[1] / 400 == pytest.approx(0.2, abs=0.06)
    easiest = next(e for e in task.seeds if e.meta["level"] == 0)
    assert {terms(write(task, easiest, k)) - 2 for k in range(60)} == {0, 1}


def terms(written: Exercise) -> int:
    return len(re.findall(r"\d+", written.question))


def test_write_follows_the_generator_and_the_steps_of_gsm_symbolic() -> None:
    task = loaded("gsm_symbolic")
    writer = task.write
    assert isinstance(writer, reasoning_gym.GymWriter)
    assert len(writer.kinds) == 85
    assert task.by == ("steps",)
    seed = next(e for e in task.seeds if e.meta["steps"] in (3, 4, 5))
    same = nearby = 0
    for k in range(200):
        solution = write(task, seed, k).text.split("\nAnswer: ")[0]
        steps = sum(1 for line in solution.split("\n") if line.strip())
        nearby += abs(steps - int(str(seed.meta["steps"]))) <= 1
        same += steps == seed.meta["steps"]
    assert nearby == 200
    assert same / 200 == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize(
    "dataset",
    ["leg_counting", "gsm_symbolic", "list_functions", "mini_sudoku", "graph_color"],
)
def test_what_is_written_is_new_each_time_repeatable_and_verified(dataset: str) -> None:
    task = loaded(dataset)
    seed = task.seeds[0]
    made = [write(task, seed, k) for k in range(6)]
    assert made == [write(task, seed, k) for k in range(6)]
    assert len({task.key(w.question) for w in made}) == 6
    for w in made:
        verdict = verify_draft(draft(w), task)
        assert (verdict.verified, verdict.reason) == (True, None)
    for w, other in pairwise(made):
        if w.answer != other.answer:
            refused = verify_draft(draft(w._replace(answer=other.answer)), task)
            assert refused.reason is not None
            assert refused.reason.startswith("wrong:")


def test_the_program_teacher_can_set_it() -> None:
    task = loaded("leg_counting")
    program = ProgramTeacher(
        task, lambda purpose, seed, k: draw(0, 0, purpose, seed, k), len
    )
    exercises = [program.write_exercise(task.seeds[0], n) for n in range(3)]
    assert len({w.question for w in exercises}) == 3


def test_only_gsm_symbolic_has_worked_solutions() -> None:
    for e in loaded("gsm_symbolic").seeds:
        text = str(loaded("gsm_symbolic").target(e))
        assert text.endswith(f"\nAnswer: {e.answer}")
        assert "####" not in text
        assert text.count("\n") >= int(str(e.meta["steps"]))
    e = loaded("leg_counting").seeds[0]
    assert loaded("leg_counting").target(e) == f"Answer: {e.answer}"


def test_where_the_library_has_no_answer_nothing_is_written() -> None:
    task = loaded("rush_hour")
    assert task.write is None
    assert task.target(task.seeds[0]) is None


@pytest.mark.parametrize("dataset", ["list_functions", "pool_matrix", "chain_sum"])
def test_global_generators_are_neither_used_nor_moved(dataset: str) -> None:
    made = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        before, arrays = random.getstate(), np.random.get_state()[1].tolist()
        task = load(dataset, seeds=40)
        made.append((task.seeds, [write(task, task.seeds[0], k) for k in range(5)]))
        assert random.getstate() == before
        assert np.random.get_state()[1].tolist() == arrays
    assert made[0] == made[1]


def test_a_seed_from_elsewhere_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"seed mine .*level"):
        write(loaded("chain_sum"), Example("mine", "1 + 1 ="), 0)


@pytest.mark.parametrize(
    ("dataset", "given", "said"),
    [
        ("chain_sums", {}, "such as chain_sum"),
        (
            "chain_sum",
            {"options": {"terms": 3}},
            r"got: terms\n.*min_terms \(2\), max_terms \(6\)",
        ),
        ("chain_sum", {"options": {"size": 3}}, "no such option"),
        ("chain_sum", {"options": {"max_terms": 1}}, "max_terms must be >= min_terms"),
        ("chain_sum", {"options": {"min_terms": "many"}}, "TypeError"),
        ("chain_sum", {"levels": (2, 1)}, r"within \[0, 10\]"),
        ("chain_sum", {"levels": (0, 11)}, r"within \[0, 10\]"),
        ("gsm_symbolic", {"levels": (0, 1)}, "no levels"),
        ("letter_jumble", {"levels": (2, 2)}, "no exercise could be made at level 2"),
        ("count_primes", {"options": {"min_n": 2, "max_n": 3}}, "different items"),
        ("composite", {}, "mixes other datasets"),
        ("simple_integration", {}, "evaluates it"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    dataset: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load(dataset, **given)


def test_items_that_depend_on_the_hash_seed_need_a_fixed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pytest.raises(ConfigError, match="PYTHONHASHSEED=0"):
        load("ransom_note")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    assert len(load("ransom_note").seeds) == 6


def test_without_the_library_the_fix_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ConfigError, match=r"pip install 'teachback\[gym\]'"):
        load("chain_sum")
