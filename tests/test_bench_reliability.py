"""The fuzzers' own eyes: what a damage changes is seen, and money that is missing is missed."""

import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from teachback.testing import fake_run


@pytest.fixture(autouse=True)
def bench_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1])


def test_two_runs_are_equal_and_every_damage_is_a_difference(tmp_path: Path) -> None:
    from bench.reliability import damage_any_file
    from bench.run_snapshots import take_snapshot

    fake_run(tmp_path / "one", rounds=1)
    fake_run(tmp_path / "two", rounds=1)
    unbroken = take_snapshot(tmp_path / "one")
    assert not unbroken.differences(take_snapshot(tmp_path / "two"))
    dice = random.Random(0)
    for number in range(30):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "one", folder)
        what = damage_any_file(folder, dice)
        # In a ledger a bit may lie in a page that no row uses.
        if "ledger.sqlite" not in what:
            assert unbroken.differences(take_snapshot(folder)), what


def test_an_answer_that_is_gone_is_lost(tmp_path: Path) -> None:
    from bench.run_snapshots import take_snapshot

    fake_run(tmp_path, rounds=1)
    before = take_snapshot(tmp_path)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute("UPDATE calls SET state = 'refused' WHERE id = 1")
    assert before.count_lost(take_snapshot(tmp_path)) == 1


def test_money_that_only_the_server_counted_is_overspent(tmp_path: Path) -> None:
    from bench.run_snapshots import count_money

    fake_run(tmp_path, rounds=1)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        ((tokens,),) = db.execute("SELECT sum(tokens) FROM charges").fetchall()
    usage = {"prompt_tokens": tokens - 5, "completion_tokens": 5}
    log = tmp_path / "log"
    lines = [json.dumps({"usage": used}) for used in ({}, usage, None, None)]
    log.write_text("\n".join(lines) + "\n")
    assert not count_money(tmp_path, log, 0).is_short()
    usage["completion_tokens"] += 1
    log.write_text("\n".join([lines[0], json.dumps({"usage": usage})]) + "\n")
    assert count_money(tmp_path, log, 0).is_short()
    assert not count_money(tmp_path, log, 2).is_short()
