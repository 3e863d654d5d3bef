"""A teacher whose replies can't be used is stopped before the budget is spent on it, and
`teachback show` says what it wrote.

On a real server and the public fake student; the command line on a tiny student.
"""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import command
from loopback import Fault, RehearsalTeacher, loopback
from teachback.build.task import make_task
from teachback.curate.draft_yield import YieldRule, YieldWatch, make_yield_rule
from teachback.endpoints.endpoint import Messages
from teachback.errors import LowYield
from teachback.testing import fake_config, fake_run
from teachback.types import Curation, Draft, Pick, Rejection, Verdict

LOGIC = "Every wumpus is a tumpus. Sam is a wumpus. True or false: Sam is a tumpus."


def teacher_settings(base_url: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "openai",
        "base_url": base_url,
        "model": "m",
        "key_env": None,
        "in_flight": 4,
        "deadline_s": 5.0,
        **changes,
    }


def calls_in(folder: Path) -> int:
    with sqlite3.connect(folder / "ledger.sqlite") as db:
        return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])


def run_against(folder: Path, base_url: str, **changes: Any) -> Any:
    """Three rounds of 12 pairs, so the trial is 8 drafts."""
    return fake_run(
        folder,
        **{
            "teacher": teacher_settings(base_url),
            "per_round": 12,
            "criterion": "random",
            "budget": {"generated": 36},
            **changes,
        },
    )


CUT_OFF = Fault("length")


def test_the_run_stops_and_says_why_with_three_replies(tmp_path: Path) -> None:
    with loopback(faults=lambda request: CUT_OFF) as server:
        with pytest.raises(LowYield) as stopped:
            run_against(tmp_path, server.base_url)
        assert server.calls == 8
        text = str(stopped.value)
        assert "0 of the teacher's 8 drafts can be used" in text
        assert "got: 8 cut off by the token limit" in text
        assert text.count("cut off by the token limit:\n") == 3
        assert "allowed: 10% or more (budget.min_yield) after 8 drafts" in text
        assert "fix: raise teacher.max_tokens_question" in text
        assert stopped.value.exit_code == 4

        with pytest.raises(LowYield) as again:
            run_against(tmp_path, server.base_url)
        assert str(again.value) == text, "a resumed run comes to the same decision"
        assert server.calls == 8, "and buys nothing for it"


def test_a_cause_that_is_mended_and_a_raised_setting_let_the_run_go_on(
    tmp_path: Path,
) -> None:
    with loopback(faults=lambda request: CUT_OFF) as server, pytest.raises(LowYield):
        run_against(tmp_path, server.base_url)
    with loopback() as server:
        budget = {"generated": 36, "trial_drafts": 12}
        with pytest.raises(LowYield, match="0 of the teacher's 12 drafts"):
            run_against(tmp_path, server.base_url, budget=budget)
        budget = {"generated": 36, "min_yield": 0}
        history = run_against(tmp_path, server.base_url, budget=budget)
    assert len(history.rounds) == 3


def test_a_round_of_repetitions_counts_as_not_usable(tmp_path: Path) -> None:
    """Each reply alone can be used. Curation sees that they are all alike."""
    task = make_task(fake_config().task)
    assert task.write
    exercise = task.write(task.seeds[0], Random(0))
    with (
        loopback(always(exercise.question, exercise.text)) as server,
        pytest.raises(LowYield, match="the teacher repeats itself") as stopped,
    ):
        run_against(tmp_path, server.base_url, per_round=16, rounds=1)
    assert "1 of the teacher's 16 drafts" in str(stopped.value)


def always(question: str, answer: str) -> RehearsalTeacher:
    """A teacher that writes one question and one answer."""

    def teacher(messages: Messages) -> str:
        if "<question>" in messages[-1]["content"]:
            return f"<question>{question}</question>"
        return answer

    return teacher


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("cut off while thinking", "raise teacher.max_tokens_question"),
        ("unparsed", "say in the prompt how an answer ends"),
        ("no question in the teacher's answer", "another prompt (teacher.prompts)"),
        ("wrong", "a stronger model"),
        ("refused", "the model declines"),
        ("refused: HTTP 400", "the model declines"),
        ("no answer in 3 tries", "doesn't answer these requests"),
        ("near duplicate", "raise teacher.options.temperature"),
        ("the teacher's answer is not a chat completion", "is it a chat model?"),
    ],
)
def test_the_fix_is_that_of_the_most_common_reason(reason: str, fix: str) -> None:
    refused = [Rejection(f"s{i}", 0, f"{reason}: detail {i}") for i in range(8)]
    watch = YieldWatch(make_yield_rule(None, 0.1, 20), no_verdicts, lambda s, n: s)
    with pytest.raises(LowYield) as stopped:
        watch.check_round([], Curation((), tuple(refused)))
    assert fix in str(stopped.value)


def no_verdicts(drafts: Sequence[Draft]) -> tuple[Verdict, ...]:
    return ()


def test_the_trial_is_five_percent_of_the_pairs_and_at_least_eight() -> None:
    trials = {pairs: make_yield_rule(None, 0.1, pairs).trial for pairs in (8, 160, 161)}
    assert trials == {8: 8, 160: 8, 161: 9}
    assert make_yield_rule(None, 0.1, None).trial == 8
    assert make_yield_rule(3, 0.1, 1000).trial == 3


@given(
    usable=st.lists(st.booleans(), min_size=1, max_size=60),
    trial=st.integers(1, 20),
    min_yield=st.sampled_from([0, 0.05, 0.1, 0.3, 0.5, 1]),
)
def test_it_stops_at_the_first_draft_at_which_the_yield_is_too_low(
    usable: list[bool], trial: int, min_yield: float
) -> None:
    """Whatever came back, and neither later nor earlier, unless the round ends there."""
    rule = YieldRule(trial, min_yield)
    bought: list[str] = []

    def buy(picks: Sequence[Pick]) -> list[Draft]:
        bought.extend(pick.seed for pick in picks)
        return [Draft(pick.seed, pick.n, "") for pick in picks]

    def verify(drafts: Sequence[Draft]) -> tuple[Verdict, ...]:
        reasons = {True: None, False: "wrong: 3"}
        return tuple(
            Verdict(draft.seed, 0, reason=reasons[usable[int(draft.seed)]])
            for draft in drafts
        )

    picks = [Pick(str(i), 0, i, None) for i in range(len(usable))]
    stops = [n for n in range(trial, len(usable)) if sum(usable[:n]) / n < min_yield]
    watch = YieldWatch(rule, verify, lambda seed, n: "")
    try:
        assert len(watch.generate(buy, picks, [])) == len(usable)
        assert not stops
    except LowYield:
        assert len(bought) == stops[0]


def test_a_good_teacher_is_waited_for_twice_in_a_thousand_pairs() -> None:
    slices: list[int] = []

    def buy(picks: Sequence[Pick]) -> list[Draft]:
        slices.append(len(picks))
        return [Draft(pick.seed, pick.n, "") for pick in picks]

    def verify(drafts: Sequence[Draft]) -> tuple[Verdict, ...]:
        return tuple(Verdict(draft.seed, draft.n) for draft in drafts)

    watch = YieldWatch(make_yield_rule(None, 0.1, 1000), verify, lambda seed, n: "")
    picks = [Pick(str(i), 0, i, None) for i in range(1000)]
    assert len(watch.generate(buy, picks, [])) == 1000
    assert slices == [50, 451, 499]


# -- the command line --------------------------------------------------------------------


def write_config(folder: Path, tiny: Path, base_url: str) -> Path:
    path = folder / "task.yaml"
    path.write_text(
        "task: {name: prontoqa, hops: [1, 2], seeds: 24, dev: 6, test: 5}\n"
        f"student: {{model: {tiny}, max_new_tokens: 8, precision: float32}}\n"
        f"teacher: {{name: openai, base_url: '{base_url}', model: m, key_env: null}}\n"
        "criterion: random\nper_round: 10\nrounds: 1\n"
        "finetune: {epochs: 1, rows_per_step: 4}\nmachine: {threads: 1}\n",
        encoding="utf-8",
    )
    return path


def test_run_exits_with_4_and_show_shows_the_replies(
    tmp_path: Path, tiny: Path
) -> None:
    run_dir = tmp_path / "run"
    refusal = always(LOGIC, "I would rather not say.\x1b[2J")
    with loopback(refusal) as server:
        config = write_config(tmp_path, tiny, server.base_url)
        run = command("run", config, "--run-dir", run_dir, "--yes")
    assert run.returncode == 4, run.stderr
    assert "0 of the teacher's 8 drafts can be used" in run.stderr
    assert run.stderr.count("I would rather not say.\\x1b[2J") == 3
    assert "`teachback show RUN --rejected`" in run.stderr
    assert "Traceback" not in run.stderr

    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    shown = command("show", run_dir)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("not checked yet, because its round is not finished") == 8
    assert shown.stdout.count(f"question  <question>{LOGIC}</question>") == 8
    assert "\x1b" not in shown.stdout
    assert {p: p.stat().st_mtime_ns for p in run_dir.rglob("*")} == before

    sets = ["--set", "budget.min_yield=0"]
    with loopback(refusal) as server:
        changes = [*sets, "--set", f"teacher.base_url={server.base_url}"]
        on = command("run", config, "--run-dir", run_dir, "--yes", *changes)
    assert on.returncode == 0, on.stderr
    rejected = json.loads(command("show", run_dir, "--rejected", "--json").stdout)
    assert len(rejected) == 10
    assert {pair["fate"] for pair in rejected} == {"rejected"}
    assert all("control character" in pair["reason"] for pair in rejected)
    last = rejected[0]["calls"][-1]
    assert (last["role"], last["reply"]) == ("answer", "I would rather not say.\x1b[2J")
    assert json.loads(last["body"])["choices"]

    seed = rejected[3]["seed"]
    (one,) = json.loads(command("show", run_dir, "--seed", seed, "--json").stdout)
    assert one == rejected[3]
    text = command("show", run_dir, "--seed", seed).stdout
    assert f"round 0 · seed {seed}, selection 0: rejected: a control char" in text
    missing = command("show", run_dir, "--seed", "nobody")
    assert missing.returncode == 2
    assert "nothing was bought for the seed 'nobody'" in missing.stderr


def test_show_of_a_program_teacher(tmp_path: Path) -> None:
    fake_run(tmp_path, rounds=1)
    pairs = json.loads(command("show", tmp_path, "--json").stdout)
    assert [pair["fate"] for pair in pairs] == ["row"] * 4
    assert all("question" in json.loads(pair["calls"][0]["reply"]) for pair in pairs)
    exercise = json.loads(pairs[0]["calls"][0]["reply"])
    lines = command("show", tmp_path).stdout.split("\n")
    first = exercise["question"].split("\n")[0]
    assert lines[1] == f"  teacher   {first}"
    last = exercise["text"].split("\n")[-1]
    assert f"{' ' * 12}{last}" in lines
    assert not [line for line in lines if line != line.rstrip()]
