"""SIGKILL at every commit and at random moments, then the same call again: the same run (R8).

On the public fakes: the real loop, ledger, selection, teacher and curation, without torch.
"""

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from crashing import child, ended, run, run_and_die
from teachback.errors import DataError, LedgerError
from teachback.run.directory import Event
from teachback.run.steps import ROUND_STEPS
from teachback.testing import fake_run

NOT_COMPARED = {
    "timings.jsonl",
    "report.html",
    "lock",
    "ledger.sqlite",
    "ledger.sqlite-wal",
    "ledger.sqlite-shm",
}


def snapshot(folder: Path) -> dict[str, object]:
    """Every file of a run but those with times in them, and the ledger without its latencies."""
    files = {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in NOT_COMPARED
    }
    with sqlite3.connect(folder / "ledger.sqlite") as db:
        columns = "role, request, repeat, seed, n, try, state, input_tokens, output_tokens, body"
        calls = f"SELECT {columns} FROM calls ORDER BY id"
        ledger = {
            "calls": db.execute(calls).fetchall(),
            "pairs": db.execute("SELECT * FROM pairs ORDER BY id").fetchall(),
        }
    return {**files, **ledger}


@pytest.fixture(scope="module")
def unbroken(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, object], float]:
    """An unbroken run, and the seconds that a child takes for one, its start included."""
    folder = tmp_path_factory.mktemp("unbroken")
    fake_run(folder / "here", rounds=2)
    started = time.monotonic()
    assert ended(child(run, folder / "child", 2)) == 0
    return snapshot(folder / "here"), time.monotonic() - started


def test_the_table_of_steps_is_the_order_of_the_loop(tmp_path: Path) -> None:
    done: list[tuple[int, str]] = []

    def listen(event: Event) -> None:
        if event.kind == "done":
            done.append((event.round, event.step))

    fake_run(tmp_path, rounds=2, listen=listen)
    before = [(0, "given"), (0, "baseline")]
    assert done == before + [(r, name) for r in range(2) for name in ROUND_STEPS]


def test_two_runs_are_the_same_run(
    tmp_path: Path, unbroken: tuple[dict[str, object], float]
) -> None:
    assert ended(child(run, tmp_path, 2)) == 0
    assert snapshot(tmp_path) == unbroken[0]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_commit(
    tmp_path: Path, unbroken: tuple[dict[str, object], float], before: bool
) -> None:
    for k in range(200):
        folder = tmp_path / str(k)
        how = ended(child(run_and_die, folder, 2, k, before))
        if how == 0:
            break
        assert how == -signal.SIGKILL
        assert ended(child(run, folder, 2)) == 0
        assert snapshot(folder) == unbroken[0], (
            f"killed {'before' if before else 'after'} commit {k}"
        )
    assert k > 20, "every step commits, and so does every shard"


def test_killed_at_a_hundred_random_moments(
    tmp_path: Path, unbroken: tuple[dict[str, object], float]
) -> None:
    dice = random.Random(0)
    whole, seconds = unbroken
    kills = runs = 0
    while kills < 100:
        folder, runs = tmp_path / str(runs), runs + 1
        while True:
            pid = child(run, folder, 2)
            time.sleep(dice.uniform(0.1, 0.9) * seconds)
            os.kill(pid, signal.SIGKILL)
            if ended(pid) == 0:  # it was faster
                break
            kills += 1
        assert snapshot(folder) == whole, f"run {runs}, after {kills} kills"


def test_growth_rounds_may_be_raised_and_the_rest_is_read_back(tmp_path: Path) -> None:
    first = fake_run(tmp_path / "a", rounds=1)
    longer = fake_run(tmp_path / "a", rounds=3)
    assert longer.rounds[0] == first.rounds[0]
    fake_run(tmp_path / "b", rounds=3)
    ours, theirs = snapshot(tmp_path / "a"), snapshot(tmp_path / "b")
    assert ours == theirs


def test_growth_a_budget_may_be_raised_but_not_lowered_below_what_is_spent(
    tmp_path: Path,
) -> None:
    short = fake_run(tmp_path, rounds=4, budget={"generated": 6})
    assert [len(r.fresh.rows) + len(r.fresh.rejected) for r in short.rounds] == [
        4,
        2,
    ], "trained and reported as it is"
    longer = fake_run(tmp_path, rounds=4, budget={"generated": 13})
    assert longer.rounds[:2] == short.rounds
    assert [len(r.fresh.rows) + len(r.fresh.rejected) for r in longer.rounds] == [
        4,
        2,
        4,
        3,
    ]
    with pytest.raises(LedgerError, match="13"):
        fake_run(tmp_path, rounds=4, budget={"generated": 12})


def test_a_budget_of_tokens_is_never_passed(tmp_path: Path) -> None:
    with_limit = fake_run(tmp_path / "a", rounds=None, budget={"teacher_tokens": 2000})
    with sqlite3.connect(tmp_path / "a/ledger.sqlite") as db:
        spent = db.execute("SELECT sum(tokens) FROM charges").fetchone()[0]
    assert 1500 < spent <= 2000
    assert with_limit.rounds


def test_weights_of_finished_rounds_go_and_are_not_missed(tmp_path: Path) -> None:
    def weights(folder: Path) -> list[str]:
        return sorted(p.parts[-3] for p in folder.glob("round-*/finetune/student"))

    last = fake_run(tmp_path / "last")
    assert weights(tmp_path / "last") == ["round-02"]
    assert fake_run(tmp_path / "last") == last, "a finished round is never retrained"
    fake_run(tmp_path / "all", keep="all")
    assert weights(tmp_path / "all") == ["round-00", "round-01", "round-02"]
    best = fake_run(tmp_path / "best", keep="best")
    top = max(r.report.accuracy for r in best.rounds)
    first = next(r for r in best.rounds if r.report.accuracy == top)
    assert best.student == first.student
    assert (tmp_path / "best" / best.student.folder).is_dir()


def test_the_loop_on_fakes_takes_under_two_seconds(tmp_path: Path) -> None:
    started = time.process_time()
    fake_run(tmp_path)
    assert time.process_time() - started < 2


def test_rows_one_already_has_come_first(tmp_path: Path) -> None:
    given = tmp_path / "rows.jsonl"
    given.write_text(
        '{"question": "Q?", "answer": "5", "solution": "2 + 3 = 5"}\n', encoding="utf-8"
    )
    history = fake_run(tmp_path / "run", rows=str(given), rounds=1)
    assert [row.id for row in history.rows[:1]] == ["given-rows-47b6df96723c"]
    assert history.rows[0].text == "2 + 3 = 5\nAnswer: 5"
    assert (tmp_path / "run/round-00/start.json").exists(), (
        "the first attempt is by the student that has seen them"
    )
    assert not (tmp_path / "run/round-00/start/student").exists(), (
        "its weights went when the next were there"
    )
    given.write_text('{"question": "Q?", "answer": "6"}\n', encoding="utf-8")
    with pytest.raises(Exception, match="rows: "):
        fake_run(tmp_path / "run", rows=str(given), rounds=1)
    given.write_text("{\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.jsonl, line 1"):
        fake_run(tmp_path / "other", rows=str(given), rounds=1)


def test_seeds_with_solutions_can_be_rows_too(tmp_path: Path) -> None:
    history = fake_run(tmp_path, include_seeds=True, rounds=1)
    assert [row.id for row in history.rows[:2]] == [
        "seed-prontoqa-seed-0000",
        "seed-prontoqa-seed-0001",
    ]
    assert len(history.rows) == 16 + 4
    assert all("Answer: " in row.text for row in history.rows)


def test_continue_trains_on_the_fresh_rows_and_a_share_of_the_earlier_ones(
    tmp_path: Path,
) -> None:
    """The fake student's skill is the number of rows it has ever been trained on."""

    def skill(folder: str, **finetune: object) -> int:
        history = fake_run(
            tmp_path / folder, rounds=2, finetune={"restart": "continue", **finetune}
        )
        assert len(history.rows) == 8
        return int(
            (tmp_path / folder / history.student.folder / "skill.json").read_text()
        )

    assert skill("replay all") == 4 + 8
    assert skill("replay half", replay=0.5) == 4 + 4 + 2
    assert skill("replay none", replay=0.0) == 4 + 4
