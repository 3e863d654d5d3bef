"""`teachback runs`: what the files of many runs tell, without opening more of them than needed."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import teachback
from commands import command
from comparing import settings
from crashing import child, ended, run_and_die
from teachback.report.run_table.progress_files import read_report_head
from teachback.report.run_table.values import ListedRun
from teachback.report.run_table.words import run_table_lines
from teachback.run.files import read_json
from teachback.run.locks import acquire_lock
from teachback.testing import fake_run
from teachback.types import Report


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table") / "runs/done"
    fake_run(folder, rounds=2)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A folder with a finished run in it."""
    shutil.copytree(finished, tmp_path / "runs/done")
    return tmp_path / "runs"


def list_facts(folder: Path, *options: str) -> dict[str, dict[str, Any]]:
    """By name."""
    done = command("runs", folder, "--json", *options)
    assert done.returncode == 0, done.stderr
    return {Path(line["folder"]).name: line for line in json.loads(done.stdout)}


def set_rounds(run: Path, rounds: int | None, **more: str) -> None:
    path = run / "settings.json"
    tree = {**json.loads(path.read_bytes()), "rounds": rounds, **more}
    path.write_text(json.dumps(tree), encoding="utf-8")


# -- what it shows -------------------------------------------------------------------------


def test_a_finished_run_is_one_line(folder: Path) -> None:
    done = command("runs", cwd=folder.parent)
    head, line = done.stdout.splitlines()
    assert head.split() == [
        *("run", "state", "task", "student", "criterion", "rounds", "rows"),
        *("accuracy", "pairs", "tokens", "USD", "changed"),
    ]
    last = read_json(folder / "done/round-01/evaluate.json", Report)
    assert re.split(r" {2,}", line.strip())[:8] == [
        *("runs/done", "finished", "prontoqa", "smollm2-135m", "loss", "2/2", "8"),
        f"dev 0% → {last.accuracy:.0%} [{last.low:.0%}, {last.high:.0%}]",
    ]
    facts = list_facts(folder)["done"]
    assert (facts["bill"]["pairs"], facts["accepted"]) == (8, 8)
    assert (facts["after"]["right"], facts["after"]["n"]) == (last.right, 10)


@pytest.mark.parametrize(
    ("rounds", "state"), [(2, "finished"), (None, "finished"), (3, "ended early")]
)
def test_the_rounds_that_were_asked_for_make_a_run_finished(
    folder: Path, rounds: int | None, state: str
) -> None:
    set_rounds(folder / "done", rounds)
    facts = list_facts(folder)["done"]
    assert (facts["state"], facts["rounds"]) == (state, 2)
    assert facts["next_step"] is None


def test_a_killed_run_is_stopped_where_it_was(folder: Path) -> None:
    assert ended(child(run_and_die, folder / "killed", 2, 25, False)) < 0
    facts = list_facts(folder)["killed"]
    assert (facts["state"], facts["rounds"]) == ("stopped", 1)
    assert facts["next_step"].startswith("round 1, ")
    assert f"stopped: {facts['next_step']}" in command("runs", folder).stdout


def test_a_held_lock_means_that_a_run_is_at_work(folder: Path) -> None:
    lock = acquire_lock(folder / "done/lock")
    assert lock is not None
    try:
        assert list_facts(folder)["done"]["state"] == "at work"
    finally:
        os.close(lock)
    assert list_facts(folder)["done"]["state"] == "finished"


def test_the_best_student_counts_where_it_is_handed_over(folder: Path) -> None:
    """Round 0's report is made the better one."""
    run = folder / "done"
    path = run / "round-00/evaluate.json"
    text = path.read_text(encoding="utf-8")
    changed = re.sub(r'"right": \d+', '"right": 9', text, count=1)
    changed = re.sub(r'"accuracy": [\d.]+', '"accuracy": 0.9', changed, count=1)
    path.write_text(changed, encoding="utf-8")
    last = read_report_head(run / "round-01/evaluate.json")
    assert list_facts(folder)["done"]["after"]["right"] == last.right != 9
    set_rounds(run, 2, keep="best")
    assert list_facts(folder)["done"]["after"]["right"] == 9


def test_the_last_that_changed_comes_first(folder: Path) -> None:
    names = ["old", "new", "middle"]
    for name in names:
        shutil.copytree(folder / "done", folder / name)
    shutil.rmtree(folder / "done")
    for name, day in zip(names, (1, 3, 2), strict=True):
        paths = [folder / name, *(folder / name).rglob("*")]
        for path in paths:
            os.utime(path, (1e9 + 86400 * day,) * 2)
    assert [*list_facts(folder)] == ["new", "middle", "old"]
    assert list_facts(folder)["new"]["changed"] == "2001-09-12T01:46:40Z"


def test_looking_changes_nothing(folder: Path) -> None:
    # A killed run leaves the ledger's log, which SQLite may not touch either.
    assert ended(child(run_and_die, folder / "killed", 2, 25, False)) < 0
    before = [list_facts(folder)[name]["changed"] for name in ("done", "killed")]
    os.utime(folder / "done/timings.jsonl", (2e9, 2e9))
    after = [list_facts(folder)[name]["changed"] for name in ("done", "killed")]
    assert after == ["2033-05-18T03:33:20Z", before[1]]


def test_only_the_head_of_a_report_is_read(finished: Path, tmp_path: Path) -> None:
    path = finished / "round-01/evaluate.json"
    whole = read_json(path, Report)
    cut = tmp_path / "evaluate.json"
    cut.write_bytes(path.read_bytes()[:700])
    compact = tmp_path / "compact.json"
    compact.write_text(json.dumps(json.loads(path.read_bytes())), encoding="utf-8")
    for file in (path, cut, compact):
        head = read_report_head(file)
        assert (head.split, head.n, head.right) == ("dev", whole.n, whole.right)
        assert (head.low, head.high) == (whole.low, whole.high)


# -- what is not read ----------------------------------------------------------------------


def damage(run: Path, file: str, content: str) -> None:
    (run / file).write_text(content, encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("config.json", '{"task": {"name": 3}}', "config.json can't be read back"),
        ("settings.json", "[", "settings.json can't be read back"),
        ("settings.json", '{"rounds": -1}', "settings.json can't be read back"),
        ("round-01/evaluate.json", '{"n": NaN}', "evaluate.json can't be read back"),
        ("round-01/curate.json", "{}", "curate.json can't be read back"),
        ("run.json", '{"format": 1}', "is in a format that this version can't read"),
        ("ledger.sqlite", "no ledger", "can't read"),
    ],
)
def test_a_damaged_run_is_listed_with_the_reason(
    folder: Path, file: str, content: str, problem: str
) -> None:
    shutil.copytree(folder / "done", folder / "bad")
    for log in (folder / "bad").glob("ledger.sqlite-*"):
        log.unlink()
    damage(folder / "bad", file, content)
    facts = list_facts(folder)
    assert problem in facts["bad"]["problem"]
    assert facts["done"]["problem"] is None
    printed = command("runs", folder).stdout.splitlines()
    assert printed[1].split()[0] == str(folder / "done")
    assert printed[2] == "not read:"
    assert printed[3].startswith(f"  {folder / 'bad'}: ")


def test_a_foreign_folder_is_named_and_a_nested_run_is_found(folder: Path) -> None:
    (folder / "notes").mkdir()
    (folder / "notes/a.txt").write_text("…", encoding="utf-8")
    (folder / "group/deep").mkdir(parents=True)
    shutil.move(folder / "done", folder / "group/deep/done")
    (folder / "group/loop").symlink_to(folder)
    (folder / "group/empty").mkdir()
    facts = list_facts(folder)
    assert {name: line["kind"] for name, line in facts.items()} == {
        "done": "run",
        "notes": "foreign",
    }
    assert facts["notes"]["problem"] == "no run is in it"


def test_a_run_itself_is_a_table_of_one_line(folder: Path) -> None:
    assert [*list_facts(folder / "done")] == ["done"]


def test_a_folder_that_is_empty_or_not_there(tmp_path: Path) -> None:
    assert command("runs", tmp_path).stdout == f"no run in {tmp_path}\n"
    done = command("runs", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: no folder runs" in done.stderr


def test_hostile_names_stay_in_their_line(folder: Path) -> None:
    run = folder / "evil\x1b[2J\nname"
    shutil.move(folder / "done", run)
    path = run / "config.json"
    tree = json.loads(path.read_bytes())
    tree["student"]["model"] = "x\u202e\n" + "y" * 200
    path.write_text(json.dumps(tree), encoding="utf-8")
    printed = command("runs", ".", cwd=folder).stdout
    assert len(printed.splitlines()) == 2
    assert "evil\\x1b[2J\\nname" in printed
    assert "x\\u202e\\ny" in printed
    assert not {"\x1b", "\u202e"} & {*printed}


def test_a_narrow_terminal_gets_a_block_for_each_run(folder: Path) -> None:
    runs = teachback.runs(folder).runs
    wide = run_table_lines(runs, folder, width=None)
    narrow = run_table_lines(runs, folder, width=60)
    assert len(wide) == 2
    assert narrow[0].endswith("done  finished")
    assert narrow[1] == "  prontoqa · smollm2-135m · loss"
    assert narrow[3].startswith("  2/2 rounds, 8 rows, 8 pairs, ")


# -- other folders -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    tree = settings(folder / "arms", tiny, rounds=1)
    teachback.compare(tree, arms="random,loss", repeats=1, jobs=1, progress=False)
    arm = folder / "arms/repeat-0/loss"
    teachback.evaluate(arm, split="dev", n=2, progress=False)
    shutil.move(
        next((folder / "arms/repeat-0").glob("*-evaluate-*")), folder / "measured"
    )
    teachback.select(tree, 3, run_dir=folder / "ranked", progress=False)
    return folder


def test_a_comparison_is_one_line_and_its_runs_are_there_with_all(
    compared: Path,
) -> None:
    facts = list_facts(compared)
    line = facts["arms"]
    assert (line["kind"], line["state"]) == ("comparison", "finished")
    assert (line["runs_done"], line["runs_begun"]) == (2, 2)
    assert line["criterion"] == "loss, random"
    assert line["bill"]["pairs"] == 8
    assert not {"loss", "random", "base"} & {*facts}
    every = list_facts(compared, "--all")
    assert {*every} == {*facts, "loss", "random"}
    assert every["loss"]["bill"]["pairs"] == 4


def test_evaluations_and_rankings_say_what_they_are(compared: Path) -> None:
    facts = list_facts(compared)
    measured = facts["measured"]
    assert (measured["kind"], measured["state"]) == ("evaluation", "finished")
    assert (measured["split"], measured["after"]["n"]) == ("dev", 2)
    (ranked,) = [line for line in facts.values() if line["kind"] == "ranking"]
    assert ranked["state"] == "finished"
    assert "ranking, finished" in command("runs", compared).stdout
    narrow = run_table_lines(teachback.runs(compared).runs, compared, width=20)
    assert "  2/2 runs, 8 pairs, " in "\n".join(narrow)


def test_a_comparison_in_the_middle_is_stopped_or_at_work(
    compared: Path, tmp_path: Path
) -> None:
    shutil.copytree(compared / "arms", tmp_path / "arms")
    arm = tmp_path / "arms/repeat-0/loss"
    (arm / "round-00/evaluate.json").unlink()
    line = list_facts(tmp_path)["arms"]
    assert (line["state"], line["runs_done"], line["runs_begun"]) == ("stopped", 1, 2)
    lock = acquire_lock(arm / "lock")
    assert lock is not None
    try:
        assert list_facts(tmp_path)["arms"]["state"] == "at work"
    finally:
        os.close(lock)


# -- in Python -----------------------------------------------------------------------------


def test_the_result_is_a_data_frame_too(folder: Path) -> None:
    table = teachback.runs(folder)
    assert repr(table) == f"<RunTable: {folder}: 1 folders, 1 finished>"
    frame = table.to_pandas()
    assert frame["after"][0] == pytest.approx(
        read_json(folder / "done/round-01/evaluate.json", Report).accuracy
    )
    assert {"state", "accepted", "usd", "changed"} <= {*frame.columns}
    assert "<th>state</th>" in table._repr_html_()
    assert "finished" in str(table)


def test_of_the_large_files_none_is_read(folder: Path) -> None:
    """So that hundreds of runs take a moment. Of the steps, only reports and rows are read."""
    for name in ("attempt", "generate", "verify", "select", "gather", "transfer"):
        for path in folder.glob(f"done/round-*/{name}.json"):
            path.write_bytes(b"not even JSON")
    assert list_facts(folder)["done"]["problem"] is None


def test_a_line_without_anything_known_can_be_shown() -> None:
    run = ListedRun("x", "run", "stopped", next_step="round 0, baseline")
    lines = run_table_lines([run], Path(), width=10)
    assert lines == ["x  stopped: round 0, baseline"]
