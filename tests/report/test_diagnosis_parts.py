"""What a diagnosis is made of: the numbers, the words; nothing is claimed without a reason."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback import testing
from teachback.metrics.accuracy import make_report
from teachback.metrics.statistics import paired_change, questions_to_show
from teachback.report.diagnosis.causes import CAUSES, reason_kind
from teachback.report.diagnosis.diagnose import diagnose_run, read_diagnosis
from teachback.report.diagnosis.diagnosis import Diagnosis
from teachback.report.diagnosis.evidence import RunEvidence
from teachback.report.diagnosis.loops import ends_in_loop
from teachback.report.diagnosis.values import CauseKind
from teachback.report.diagnosis.words import MAX_TEXT_CHARS, shorten_text
from teachback.report.replies import lay_out_exercise
from teachback.run.history import read_history
from teachback.types import (
    Attempt,
    CarryOver,
    Curation,
    Example,
    Grade,
    Outcome,
    Rejection,
    Report,
    Round,
    Row,
    Selection,
    Student,
    Task,
)

SETTINGS: dict[str, Any] = {
    "finetune.epochs": 3,
    "finetune.rows_per_step": 2,
    "finetune.lr": 1e-4,
    "rounds": 1,
    "per_round": 64,
    "task.dev": 80,
}


def a_report(
    outcomes: Sequence[Outcome],
    nll: Sequence[float] | None = None,
    texts: Sequence[str] | None = None,
) -> Report:
    """A report of the real kind, whose answers are what `texts` says, or all different."""
    n = len(outcomes)
    examples = [Example(f"d{i}", f"question {i}", f"gold {i}") for i in range(n)]
    task = Task("t", (), (), (), str, lambda item: None, grade, grade_row, True, str)
    attempts = [
        Attempt(
            f"d{i}",
            texts[i] if texts else f"{outcome} {i} {n}",
            3,
            outcome == "truncated",
            1.0,
        )
        for i, outcome in enumerate(outcomes)
    ]
    grades = {
        item.text: outcome for item, outcome in zip(attempts, outcomes, strict=True)
    }
    task = replace(
        task, grade=lambda item, text: Grade(grades[text], reason="so: it is")
    )
    return make_report(task, "dev", examples, attempts, nll, with_questions=True)


def grade(item: Example, text: str) -> Grade:
    return Grade("wrong")


def grade_row(question: str, text: str) -> Grade:
    return Grade("right")


def a_round(report: Report, accepted: int = 64, rejected: int = 0) -> Round:
    rows = tuple(Row(f"r{i}", "s", i, "q", "t", None, True) for i in range(accepted))
    refused = tuple(Rejection("s", i, "duplicate: of r0") for i in range(rejected))
    return Round(
        Selection(()),
        Curation(rows, refused),
        CarryOver((), None, None, None),
        Student(f"weights {id(report)}"),
        report,
    )


def diagnose(
    before: Report,
    *after: Report,
    accepted: int = 64,
    rejected: int = 0,
    **changes: Any,
) -> Diagnosis | None:
    settings = {
        key: changes.get(key.split(".")[-1], value) for key, value in SETTINGS.items()
    }
    settings |= {"keep": changes.get("keep", "last")}
    rounds = [a_round(report, accepted, rejected) for report in after]
    return diagnose_run(RunEvidence(before, rounds, settings))


def kinds(diagnosis: Diagnosis | None) -> list[str]:
    assert diagnosis is not None
    return [cause.kind for cause in diagnosis.causes]


def different(n: int, outcome: Outcome = "wrong") -> list[Outcome]:
    return [outcome] * n


def moved(report: Report) -> Report:
    """The same outcomes with other texts: the student has changed."""
    items = tuple(replace(item, text=f"{item.text} now") for item in report.items)
    return replace(report, items=items)


# -- what counts as a gain ---------------------------------------------------------------


def test_a_gain_beyond_noise_has_no_diagnosis() -> None:
    before = a_report(different(80))
    assert diagnose(before, a_report([*different(20, "right"), *different(60)])) is None
    assert (
        diagnose(before, a_report([*different(3, "right"), *different(77)])) is not None
    )


def test_a_rise_that_may_be_noise_names_the_questions_that_it_takes() -> None:
    before = a_report([*different(8, "right"), *different(32)])
    after = a_report([*different(10, "right"), *different(30)])
    diagnosis = diagnose(before, moved(after))
    assert kinds(diagnosis)[0] == "too few questions to tell"
    assert diagnosis is not None
    assert str(diagnosis).startswith(
        "no gain: dev accuracy changed by +5 points [−3, +13] on 40 questions, which is within "
    )
    assert "a gain of 5 points takes about 160 to show" in str(diagnosis)
    first = diagnosis.next_steps[0]
    assert (first.key, first.value) == ("task.dev", 160)


def test_the_student_that_counts_is_the_one_that_the_run_hands_over() -> None:
    before = a_report(different(80))
    good = a_report([*different(60, "right"), *different(20)])
    bad = moved(before)
    assert kinds(diagnose(before, good, bad))[0] == "a later round undid it"
    text = str(diagnose(before, good, bad))
    assert "round 0's student had 75% right, the last one 0%" in text
    assert "--set keep=best" in text
    assert diagnose(before, good, bad, keep="best") is None


@given(
    n=st.integers(1, 500),
    gained=st.floats(0, 1),
    lost=st.floats(0, 1),
)
def test_the_interval_holds_the_change_and_has_a_width(
    n: int, gained: float, lost: float
) -> None:
    more = round(gained * n)
    less = round(lost * (n - more))
    paired = paired_change(n, more, less)
    change, low, high = paired.change, paired.low, paired.high
    assert -1 <= low < high <= 1
    assert change == (more - less) / n
    # Half a question in each cell draws the middle towards 0, never past it.
    assert low <= change or change < 0
    assert change <= high or change > 0
    mirrored = paired_change(n, less, more)
    assert math.isclose(mirrored.low, -high)


def test_the_questions_for_a_gain_show_it_in_four_of_five_trials() -> None:
    """Simulated: 5 points more become right, of 20 % that change."""
    n = questions_to_show(0.05, 0.2)
    assert n == 626
    chance = Random(0)
    shown = 0
    for _ in range(300):
        rolls = [chance.random() for _ in range(n)]
        gained = sum(roll < 0.125 for roll in rolls)
        lost = sum(0.125 <= roll < 0.2 for roll in rolls)
        shown += paired_change(n, gained, lost).low > 0
    assert 0.74 < shown / 300 < 0.86


# -- causes ------------------------------------------------------------------------------


def test_where_the_files_tell_nothing_nothing_is_claimed() -> None:
    """Readable, wrong, changed, with rows and questions enough, and a gold nll that stood still."""
    flat = [1.0 + i % 7 for i in range(1000)]
    before = a_report(different(1000), flat)
    risen = [
        nll * 0.96 for nll in flat
    ]  # moved, and not far enough to be called learning
    diagnosis = diagnose(before, moved(a_report(different(1000), risen)))
    assert kinds(diagnosis) == []
    assert diagnosis is not None
    assert "the run's files don't tell which link failed" in str(diagnosis)
    assert repr(diagnosis) == "<Diagnosis: no gain; the files do not tell why>"
    assert "read the failed answers" in str(diagnosis)
    assert len(diagnosis.failed) == 2


def test_gold_nll_that_rose_by_noise_is_no_divergence() -> None:
    chance = Random(1)
    before = [chance.gauss(2, 1) for _ in range(80)]
    after = [nll + chance.gauss(0.15, 2) for nll in before]
    diagnosis = diagnose(
        a_report(different(80), before), moved(a_report(different(80), after))
    )
    assert "training diverged" not in kinds(diagnosis)


def test_answers_that_loop_while_the_student_learns_are_no_divergence() -> None:
    loop = ["so " * 30 + str(i) * 0 for i in range(80)]
    texts = [f"{i} {text}" for i, text in enumerate(loop)]
    before, after = [3.0 + i % 3 for i in range(80)], [1.0 + i % 3 for i in range(80)]
    cut = a_report(different(80, "truncated"), after, texts)
    diagnosis = diagnose(a_report(different(80), before), cut)
    assert kinds(diagnosis) == ["answers cut off"]
    assert "80 of them repeat themselves, so more room would not help" in str(diagnosis)
    assert kinds(diagnose(a_report(different(80)), replace(cut, items=tuple(
        replace(item, gold_nll=None) for item in cut.items
    ))))[0] == "training diverged"  # fmt: skip


def test_one_answer_to_everything() -> None:
    before = a_report(different(80))
    mute = a_report(different(80, "unparsed"), texts=["hello"] * 80)
    assert kinds(diagnose(before, mute))[0] == "student collapsed"
    same = a_report(different(80), texts=["The answer is 7."] * 80)
    diagnosis = diagnose(before, same)
    assert kinds(diagnosis) == ["right form, wrong content"]
    assert "80 of 80 questions get one and the same answer" in str(diagnosis)


def test_answers_without_a_grade() -> None:
    outcomes = [*different(30, "unjudged"), *different(10, "timed_out"), *different(40)]
    diagnosis = diagnose(a_report(different(80)), moved(a_report(outcomes)))
    assert "not graded" in kinds(diagnosis)
    assert "40 of 80 dev answers have no grade: 100% so" in str(diagnosis)


def test_few_steps_alone_are_a_hint_that_something_stronger_silences() -> None:
    before = a_report(different(400))
    after = moved(before)
    few = {"accepted": 16}
    assert kinds(diagnose(before, after, **few)) == [
        "right form, wrong content",
        "too few rows",
    ]
    cut = moved(a_report(different(400, "truncated")))
    assert kinds(diagnose(before, cut, **few)) == ["answers cut off"]


def test_rejections_explain_less_where_enough_rows_remained() -> None:
    before = a_report(different(400))
    many = diagnose(before, moved(before), accepted=400, rejected=400)
    few = diagnose(before, moved(before), accepted=4, rejected=8)
    assert kinds(many) == ["right form, wrong content", "rows rejected"]
    assert kinds(few)[0] == "rows rejected"
    assert "8 of 12 drafts did not become rows: 100% duplicate" in str(few)
    assert "raise teacher.options.temperature" in str(few)


def test_a_run_without_any_row() -> None:
    before = a_report(different(400))
    diagnosis = diagnose(before, before, accepted=0, rejected=9)
    assert kinds(diagnosis)[:2] == ["rows rejected", "too few rows"]
    assert "0 rows made 0 optimiser steps" in str(diagnosis)


@given(
    before=st.lists(st.sampled_from(get_args(Outcome)), min_size=1, max_size=30),
    nll=st.booleans(),
    accepted=st.integers(0, 40),
    rejected=st.integers(0, 40),
    settings=st.sampled_from(
        [{}, {"lr": "auto", "epochs": "auto"}, {"dev": "rows.csv"}]
    ),
    chance=st.randoms(use_true_random=False),
)
def test_any_run_has_at_most_three_causes_each_with_numbers(
    before: list[Outcome],
    nll: bool,
    accepted: int,
    rejected: int,
    settings: dict[str, Any],
    chance: Random,
) -> None:
    after = [chance.choice(get_args(Outcome)) for _ in before]
    nll_N = [chance.random() * 5 for _ in before] if nll else None
    diagnosis = diagnose(
        a_report(before, nll_N),
        a_report(after, nll_N and nll_N[::-1]),
        accepted=accepted,
        rejected=rejected,
        **settings,
    )
    if diagnosis is None:
        return
    assert len(diagnosis.causes) <= 3
    strengths = [cause.strength for cause in diagnosis.causes]
    assert strengths == sorted(strengths, reverse=True)
    assert all(0 < strength <= 1 for strength in strengths)
    assert all(any(map(str.isdigit, cause.finding)) for cause in diagnosis.causes)
    assert {cause.kind for cause in diagnosis.causes} <= {*get_args(CauseKind)}
    assert len(diagnosis.failed) == min(2, sum(outcome != "right" for outcome in after))
    keys = [step.key for step in diagnosis.next_steps if step.key]
    assert len(keys) == len({*keys})
    assert str(diagnosis)


def test_every_kind_of_cause_has_a_function() -> None:
    assert len(CAUSES) == len(get_args(CauseKind))


# -- from files of a run without a model -------------------------------------------------


def test_a_folder_made_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        testing, "known_share", lambda skill: 1.0 if skill == 4 else 0.0
    )
    testing.fake_run(tmp_path, rounds=2)
    diagnosis = read_diagnosis(tmp_path)
    assert kinds(diagnosis)[0] == "a later round undid it"
    assert diagnosis is not None
    baseline = read_history(tmp_path).baseline
    assert baseline is not None
    shown = {item.id: (item.question, item.gold) for item in baseline.items}
    assert all(
        (item.question, item.gold) == shown[item.id] for item in diagnosis.failed
    )
    later = read_history(tmp_path).rounds[0].report
    assert {item.question for item in later.items} == {None}, "kept once"


def test_a_run_that_did_not_keep_its_questions() -> None:
    before = a_report(different(80))
    bare = replace(
        before,
        items=tuple(replace(item, question=None, gold=None) for item in before.items),
    )
    assert "asked   (question d0)" in str(diagnose(bare, moved(bare)))


# -- texts -------------------------------------------------------------------------------


@given(
    head=st.text(max_size=10),
    unit=st.text(min_size=3, max_size=20).filter(lambda unit: unit.strip() == unit),
    repeats=st.integers(8, 12),
    cut=st.integers(0, 3),
)
def test_a_loop_is_seen_behind_a_beginning_and_where_it_is_cut(
    head: str, unit: str, repeats: int, cut: int
) -> None:
    text = head + unit * repeats
    assert ends_in_loop(text[: len(text) - cut].rstrip())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1000000",
        "The sum is 0.3333333333",
        "Sam is a tumpus. Every tumpus is an impus. Sam is an impus.\nAnswer: True",
        "no no no",
        "step 1: 2 + 2 = 4\nstep 2: 4 + 4 = 8\nstep 3: 8 + 8 = 16\nstep 4: 16 + 16 = 32",
    ],
)
def test_what_is_no_loop(text: str) -> None:
    assert not ends_in_loop(text)


def test_a_long_text_is_looked_at_in_linear_time() -> None:
    assert not ends_in_loop("".join(Random(0).choices("ab", k=100_000)))
    assert ends_in_loop("a" * 100_000)


@given(st.text(max_size=1000))
def test_a_text_is_cut_in_its_middle(text: str) -> None:
    short = shorten_text(text)
    if len(text) <= MAX_TEXT_CHARS:
        assert short == text
        return
    assert len(short) <= MAX_TEXT_CHARS + 30
    assert text.startswith(short.split(" … (")[0].rstrip())


def test_what_is_shown_can_not_steer_a_terminal() -> None:
    before = a_report(different(80), texts=[f"\x1b[2J{i}" for i in range(80)])
    text = str(diagnose(before, moved(before)))
    assert "\x1b" not in text
    assert "\\x1b[2J0" in text


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("wrong: 3 is not 4", "wrong"),
        ("duplicate", "duplicate"),
        ('no last line "Answer: True"', 'no last line "Answer: True"'),
    ],
)
def test_the_kind_of_a_reason(reason: str, kind: str) -> None:
    assert reason_kind(reason) == kind


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ('{"question": "Why?", "text": "So.\\nAnswer: 1", "answer": "1"}',
         "Why?\n\nSo.\nAnswer: 1"),
        ('{"row": "r1", "question": "Why?", "text": "So."}', "Why?\n\nSo."),
        ('{"question": 1, "text": "So."}', None),
        ('["question", "text"]', None),
        ("a plain reply", None),
        ("[" * 100_000, None),
    ],
)  # fmt: skip
def test_an_exercise_of_a_program_is_shown_as_text(
    reply: str, shown: str | None
) -> None:
    assert lay_out_exercise(reply) == shown
