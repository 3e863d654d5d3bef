"""What a report says: kinds of failure apart, shares by meta field, gold nll, pass@k."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.build.task import make_task
from teachback.metrics.accuracy import make_report, pass_at_k
from teachback.metrics.statistics import wilson_interval
from teachback.report.evaluation import change_lines, evaluation_lines
from teachback.run.files import read_json, to_json_bytes
from teachback.testing import fake_config
from teachback.types import Attempt, Example, Grade, Outcome, Report, Task

META = [
    {"hops": 10, "kind": "a"},
    {"hops": 9, "kind": "b"},
    {"hops": 10},
    {"hops": 9, "kind": "a"},
    {"kind": None},
]
EXAMPLES = tuple(
    Example(f"e{k}", f"Q{k}", "4", meta=meta) for k, meta in enumerate(META)
)


def by_word(example: Example, text: str) -> Grade:
    """The answer is a word that names its outcome; "half" has only the final answer right."""
    outcome = "wrong" if text == "half" else text
    return Grade(
        outcome, text, text in ("right", "half"), None if text == "right" else "why"
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def task() -> Task:
    return replace(
        make_task(fake_config().task), grade=by_word, by=("hops", "kind", "nowhere")
    )


def attempts(*texts: str, truncated: tuple[int, ...] = ()) -> list[Attempt]:
    return [
        Attempt(f"e{k}", text, 3, k in truncated, 1.0) for k, text in enumerate(texts)
    ]


FIVE = ("right", "wrong", "right", "timed_out", "unparsed")


def test_each_kind_of_failure_is_counted_apart(task: Task) -> None:
    got = make_report(task, "dev", EXAMPLES, attempts(*FIVE, truncated=(2,)))
    assert {outcome: n for outcome, n in got.outcomes.items() if n} == dict.fromkeys(
        [*FIVE, "truncated"], 1
    )
    assert list(got.outcomes) == list(get_args(Outcome)), (
        "also those that did not occur"
    )
    assert [item.outcome for item in got.items] == [
        "right",
        "wrong",
        "truncated",
        "timed_out",
        "unparsed",
    ]
    assert (got.n, got.right, got.accuracy) == (5, 1, 0.2)
    assert (got.low, got.high) == wilson_interval(1, 5)
    assert got.items[2].reason == "cut off by student.max_new_tokens"
    assert not got.items[2].answer_right, (
        "what a truncated answer says up to there counts for nothing"
    )


def test_shares_by_meta_field_numbers_in_order_and_gaps_left_out(task: Task) -> None:
    got = make_report(task, "dev", EXAMPLES, attempts(*FIVE))
    assert list(got.by) == ["hops", "kind"], "a field that nobody has is no table"
    assert list(got.by["hops"]) == ["9", "10"]
    assert {value: (s.n, s.right) for value, s in got.by["hops"].items()} == {
        "9": (2, 0),
        "10": (2, 2),
    }
    assert {value: (s.n, s.right) for value, s in got.by["kind"].items()} == {
        "a": (2, 1),
        "b": (1, 0),
    }
    ten = got.by["hops"]["10"]
    assert (ten.low, ten.high) == wilson_interval(2, 2)


def test_gold_nll_is_the_mean_over_those_that_have_one(task: Task) -> None:
    got = make_report(
        task, "dev", EXAMPLES, attempts(*FIVE), [0.5, None, 1.5, None, None]
    )
    assert got.gold_nll == 1.0
    assert [item.gold_nll for item in got.items] == [0.5, None, 1.5, None, None]
    assert (
        make_report(task, "dev", EXAMPLES, attempts(*FIVE), [None] * 5).gold_nll is None
    )
    assert make_report(task, "dev", EXAMPLES, attempts(*FIVE)).gold_nll is None


def test_samples_are_graded_as_attempts_are_and_kept_by_item(task: Task) -> None:
    sampled = [
        attempts(*texts)
        for texts in (
            ["right"] * 4,
            ["wrong"] * 4,
            ["right", "wrong"] * 2,
            FIVE[:4],
            FIVE[:4],
        )
    ]
    sampled[4] = attempts(*FIVE[:4], truncated=(0, 2))
    got = make_report(task, "dev", EXAMPLES, attempts(*FIVE), None, sampled)
    assert [item.samples_right for item in got.items] == [4, 0, 2, 2, 0]
    assert got.samples == 4
    assert got.pass_at == pytest.approx(
        {"1": 8 / 20, "2": (1 + 2 * 5 / 6) / 5, "4": 3 / 5}
    )
    assert make_report(task, "dev", EXAMPLES, attempts(*FIVE)).pass_at == {}
    with pytest.raises(ValueError, match="shorter"):
        make_report(task, "dev", EXAMPLES, attempts(*FIVE), None, sampled[:4])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_pass_at_k_is_the_share_of_all_choices_of_k_that_hold_a_right_one(
    right_of: list[int],
) -> None:
    got = pass_at_k(right_of, 6)
    assert list(got) == ["1", "2", "4"]
    for k in (1, 2, 4):
        found = [
            any(i < c for i in some)
            for c in right_of
            for some in combinations(range(6), k)
        ]
        assert got[str(k)] == pytest.approx(sum(found) / len(found))


@pytest.mark.parametrize(
    ("samples", "ks"), [(0, []), (1, ["1"]), (2, ["1", "2"]), (8, ["1", "2", "4", "8"])]
)
def test_k_goes_in_powers_of_two_up_to_the_samples(samples: int, ks: list[str]) -> None:
    assert list(pass_at_k([0], samples)) == ks


def test_a_report_survives_the_disk(task: Task, tmp_path: Path) -> None:
    got = make_report(
        task,
        "dev",
        EXAMPLES,
        attempts(*FIVE),
        [0.5] * 5,
        [attempts("right", "wrong")] * 5,
    )
    path = tmp_path / "report.json"
    path.write_bytes(to_json_bytes(got))
    assert read_json(path, Report) == got


def test_a_report_in_words(task: Task) -> None:
    got = make_report(
        task,
        "test",
        EXAMPLES,
        attempts(*FIVE),
        [0.4123] * 5,
        [attempts("right", "wrong")] * 5,
    )
    assert evaluation_lines(got) == [
        "test 40% [12%, 77%] right of 5; gold nll 0.412",
        "2 right, 1 wrong, 1 unparsed, 1 timed out",
        "",
        "  hops 9   0% [0%, 66%]      of 2",
        "  hops 10  100% [34%, 100%]  of 2",
        "  kind a   50% [9%, 91%]     of 2",
        "  kind b   0% [0%, 79%]      of 1",
        "",
        "of 2 sampled answers: pass@1 50%, pass@2 100%",
    ]
    bare = make_report(
        replace(task, by=()), "test", EXAMPLES, attempts("right", "half", *FIVE[2:])
    )
    assert (
        evaluation_lines(bare)[0]
        == "test 40% [12%, 77%] right of 5; the final answer alone 60%"
    )
    assert len(evaluation_lines(bare)) == 2
    assert "final answer alone" not in evaluation_lines(got)[0], (
        "said where it is another number"
    )


def test_a_change_in_words(task: Task) -> None:
    before = make_report(task, "dev", EXAMPLES, attempts(*["wrong"] * 5), [1.5] * 5)
    after = make_report(task, "dev", EXAMPLES, attempts(*FIVE), [0.25] * 5)
    assert change_lines(before, after) == [
        "gold nll: 1.500 before, 0.250 after",
        "  hops 9   0% before  0% after    of 2",
        "  hops 10  0% before  100% after  of 2",
        "  kind a   0% before  50% after   of 2",
        "  kind b   0% before  0% after    of 1",
    ]
    assert change_lines(replace(before, by={}, gold_nll=None), after) == []
