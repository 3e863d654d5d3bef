"""A lost or damaged ledger is an error, never a fresh budget."""

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from crashing import child, ended
from ledgers import buy, cost, reserved, rows
from teachback.errors import LedgerError
from teachback.ledger.audit import Purchase
from teachback.ledger.ledger import Ledger
from teachback.ledger.log_check import check_log, count_lost_commits
from teachback.run.directory import Event
from teachback.run.history import read_history
from teachback.teachers.purchases import list_purchases
from teachback.testing import fake_run
from teachback.types import Draft, GatheredEvidence, Report, ReportItem

BUDGET = {"generated": 8}
COST = cost(10)


def run_until_bought(folder: Path) -> None:
    """Dies when the second round's pairs are bought, before the ledger is closed."""

    def listen(event: Event) -> None:
        if event.kind == "done" and (event.round, event.step) == (1, "generate"):
            os.kill(os.getpid(), signal.SIGKILL)

    fake_run(folder, rounds=2, budget=BUDGET, listen=listen)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed: 8 pairs of 8 are bought, all but a page of them in the log."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    assert ended(child(run_until_bought, folder)) == -signal.SIGKILL
    assert (folder / "ledger.sqlite-wal").stat().st_size > 10_000
    return folder


@pytest.fixture(scope="module")
def closed(killed: Path) -> Path:
    """The same with all of it in the file."""
    folder = killed.with_name("closed")
    shutil.copytree(killed, folder)
    db = sqlite3.connect(folder / "ledger.sqlite")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return folder


def copy_ledger(source: Path, target: Path) -> dict[str, Path]:
    """A copy of a run, and the files of its ledger by their endings."""
    shutil.copytree(source, target)
    return {
        ending: target / f"ledger.sqlite{ending}"
        for ending in ("", "-wal", "-shm")
        if (target / f"ledger.sqlite{ending}").exists()
    }


def count_bought(folder: Path) -> tuple[int, int]:
    """Pairs, as the run's rows and the ledger say."""
    rounds = read_history(folder).rounds
    in_run = sum(len(r.fresh.rows) + len(r.fresh.rejected) for r in rounds)
    ((in_ledger,),) = rows(folder / "ledger.sqlite", "SELECT pairs FROM arms")
    assert isinstance(in_ledger, int)
    return in_run, in_ledger


def test_a_killed_run_goes_on_and_buys_nothing_twice(
    tmp_path: Path, killed: Path
) -> None:
    copy_ledger(killed, tmp_path / "run")
    fake_run(tmp_path / "run", rounds=2, budget=BUDGET)
    assert count_bought(tmp_path / "run") == (8, 8)


LOSSES: dict[str, tuple[tuple[str, ...], str]] = {
    "all of it": (("", "-wal", "-shm"), r"ledger\.sqlite is gone"),
    "the file": (("",), r"(?s)ledger\.sqlite is gone\n.*got: ledger\.sqlite-wal"),
    "the log": (("-wal",), r"ledger\.sqlite is empty"),
    "the log and its index": (("-wal", "-shm"), r"ledger\.sqlite is empty"),
}


@pytest.mark.parametrize(("endings", "message"), LOSSES.values(), ids=LOSSES)
def test_a_lost_ledger_is_refused_and_what_is_left_stays(
    tmp_path: Path, killed: Path, endings: tuple[str, ...], message: str
) -> None:
    folder = tmp_path / "run"
    files = copy_ledger(killed, folder)
    for ending in endings:
        files.pop(ending).unlink()
    before = {path: path.read_bytes() for path in files.values()}
    before.pop(folder / "ledger.sqlite-shm", None)  # SQLite's index of the log
    with pytest.raises(LedgerError, match=message) as refused:
        fake_run(folder, rounds=2, budget=BUDGET)
    assert "fix: put" in str(refused.value)
    assert {path: path.read_bytes() for path in before} == before
    assert (folder / "ledger.sqlite").exists() == ("" not in endings)


def test_a_ledger_that_is_put_back_is_taken(tmp_path: Path, killed: Path) -> None:
    folder = tmp_path / "run"
    files = copy_ledger(killed, folder)
    for path in files.values():
        path.rename(tmp_path / path.name)
    with pytest.raises(LedgerError, match="is gone"):
        fake_run(folder, rounds=2, budget=BUDGET)
    for path in files.values():
        (tmp_path / path.name).rename(path)
    fake_run(folder, rounds=2, budget=BUDGET)
    assert count_bought(folder) == (8, 8)


def test_a_finished_run_without_its_ledger_has_no_budget(tmp_path: Path) -> None:
    fake_run(tmp_path, rounds=None, budget=BUDGET)
    (tmp_path / "ledger.sqlite").unlink()
    with pytest.raises(LedgerError, match="its budget would be spent again"):
        fake_run(tmp_path, rounds=None, budget=BUDGET)
    (tmp_path / "ledger.sqlite").touch()
    with pytest.raises(LedgerError, match="no file, or an empty one"):
        fake_run(tmp_path, rounds=None, budget=BUDGET)


def test_a_round_that_has_opened_has_a_ledger(tmp_path: Path) -> None:
    """Before anything is bought: a kill between the two would lose what was."""
    fake_run(tmp_path, rounds=1, budget=BUDGET)
    for path in (tmp_path / "round-00").glob("*.json"):
        if path.stem not in ("given", "baseline", "open"):
            path.unlink()
    (tmp_path / "ledger.sqlite").unlink()
    with pytest.raises(LedgerError, match="is gone"):
        fake_run(tmp_path, rounds=1, budget=BUDGET)


def test_another_run_s_ledger_is_refused(tmp_path: Path) -> None:
    fake_run(tmp_path / "a", rounds=2)
    fake_run(tmp_path / "b", rounds=1, seed=1)
    shutil.copy(tmp_path / "b/ledger.sqlite", tmp_path / "a/ledger.sqlite")
    with pytest.raises(
        LedgerError,
        match=r"lacks what the run's steps say.*\n.*round-01/generate\.json",
    ):
        fake_run(tmp_path / "a", rounds=3)


DamageFile = Callable[[bytearray, random.Random], bytearray]


def cut(content: bytearray, dice: random.Random) -> bytearray:
    return content[: dice.randrange(len(content))]


def end_in_zeros(content: bytearray, dice: random.Random) -> bytearray:
    kept = dice.randrange(len(content) // 2)
    return content[:kept] + bytes(len(content) - kept)


def flip(content: bytearray, dice: random.Random) -> bytearray:
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return content


@pytest.mark.parametrize("way", [cut, end_in_zeros, flip])
@pytest.mark.parametrize("ending", ["", "-wal"])
def test_a_damaged_ledger_is_refused_or_all_there(
    tmp_path: Path, killed: Path, closed: Path, ending: str, way: DamageFile
) -> None:
    dice = random.Random(f"{ending} {way.__name__}")
    for k in range(12):
        folder = tmp_path / str(k)
        file = copy_ledger(killed if ending else closed, folder)[ending]
        file.write_bytes(way(bytearray(file.read_bytes()), dice))
        if k % 2:
            (folder / "ledger.sqlite-shm").unlink(missing_ok=True)
        try:
            fake_run(folder, rounds=2, budget=BUDGET)
        except LedgerError:
            continue
        assert way is flip, "what is missing can't be all there"
        assert count_bought(folder) == (8, 8)


# -- a log that is damaged before any step tells of it -----------------------------------

N_BOUGHT = 12


def buy_and_die(path: Path) -> None:
    ledger = Ledger(path)
    for k in range(N_BOUGHT):
        buy(ledger, reserved(ledger, str(k)), request=str(k).encode())
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A ledger's file, and its log: a process was killed when it had bought 12 pairs."""
    path = tmp_path_factory.mktemp("log") / "ledger.sqlite"
    assert ended(child(buy_and_die, path)) == -signal.SIGKILL
    return path.read_bytes(), path.with_name("ledger.sqlite-wal").read_bytes()


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_in_the_log_loses_nothing_silently(
    path: Path, log: tuple[bytes, bytes], bit: int
) -> None:
    dice = random.Random(bit)
    content = bytearray(log[1])
    # Of the last transaction, damage can't be told from a crash.
    content[dice.randrange(len(content) - 12 * (24 + 4096))] ^= 1 << bit
    path.write_bytes(log[0])
    path.with_name("ledger.sqlite-wal").write_bytes(content)
    with pytest.raises(LedgerError, match="behind a damaged page"):
        Ledger(path)
    assert path.read_bytes() == log[0]
    assert path.with_name("ledger.sqlite-wal").read_bytes() == content


@pytest.mark.parametrize("cut_bytes", [0, 1, 4000, 4120, 9000])
def test_a_log_that_a_crash_has_cut_is_taken(
    path: Path, log: tuple[bytes, bytes], cut_bytes: int
) -> None:
    path.write_bytes(log[0])
    content = log[1][: len(log[1]) - cut_bytes]
    path.with_name("ledger.sqlite-wal").write_bytes(content)
    with Ledger(path) as ledger:
        assert N_BOUGHT - 2 <= ledger.spend().pairs <= N_BOUGHT


def test_frames_of_an_earlier_log_are_no_damage(path: Path) -> None:
    """After a checkpoint SQLite writes over the old log from its beginning."""
    ledger = Ledger(path)
    log = path.with_name("ledger.sqlite-wal")
    for k in range(N_BOUGHT):
        buy(ledger, reserved(ledger, str(k)), request=str(k).encode())
    other = sqlite3.connect(path)
    other.execute("PRAGMA wal_checkpoint(RESTART)")
    other.close()
    size = log.stat().st_size
    buy(ledger, reserved(ledger, "last"))
    assert log.stat().st_size == size
    check_log(path)
    assert count_lost_commits(log.read_bytes()) == 0
    ledger.close()


# -- pages that are right in form --------------------------------------------------------

CHANGES = {
    "an arm's sum": ("UPDATE arms SET tokens = tokens - 10", "sums of arm main"),
    "a charge": ("UPDATE calls SET input_tokens = 1", "charged for call 1"),
    "an answer": ("UPDATE calls SET body = 'no'", "answer of call 1 is not as it came"),
    "a trigger": ("DROP TRIGGER pair_made", "tables and triggers"),
    "a table": ("ALTER TABLE calls ADD COLUMN theirs", "tables and triggers"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_rows_that_contradict_each_other_are_refused(
    path: Path, change: str, message: str
) -> None:
    with Ledger(path) as ledger:
        buy(ledger, reserved(ledger, "a"))
    Ledger(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(change)
    other.close()
    with pytest.raises(LedgerError, match=rf"(?s)is damaged\n.*{message}"):
        Ledger(path)


# -- what steps tell ---------------------------------------------------------------------


def test_what_steps_say_was_bought() -> None:
    items = [
        ReportItem(id, outcome, False, "text", None)  # type: ignore[arg-type]
        for id, outcome in (("a", "right"), ("b", "wrong"), ("c", "unjudged"))
    ]
    items.append(ReportItem("d", "truncated", False, "text", None))
    report = Report("dev", 4, 1, 0.25, 0.0, 1.0, 0.25, {}, tuple(items))
    values = {
        "round-00/gather.json": GatheredEvidence(seeds=("s", "t"), marks=(3.0, None)),
        "round-00/generate.json": (
            Draft("s", 0, "prompt", ("r1", "r2"), "Q?", "A"),
            Draft("t", 1, "prompt", reason="no answer"),
        ),
        "round-01/gather.json": GatheredEvidence(
            seeds=("s", "t", "u"), gaps=(2.0, 0.0, None)
        ),
        "round-01/evaluate.json": report,
    }
    assert list_purchases(values) == [
        Purchase("round-00/gather.json", "marker", "s"),
        Purchase("round-00/gather.json", "marker", "t"),
        Purchase("round-00/generate.json", "pair", "s", 0, ("r1", "r2")),
        Purchase("round-00/generate.json", "pair", "t", 1),
        Purchase("round-01/gather.json", "teacher-answer", "s"),
        Purchase("round-01/gather.json", "referee", "s"),
        Purchase("round-01/gather.json", "teacher-answer", "t"),
        Purchase("round-01/gather.json", "teacher-answer", "u"),
        Purchase("round-01/evaluate.json", "judge", "b"),
        Purchase("round-01/evaluate.json", "judge", "c"),
    ]


def test_each_purchase_is_looked_for(path: Path) -> None:
    request = "2b53c0de0e8cd0c6bb2b0b1c5c9fc7ae8c5d0ff7f6dcba4cd1a3a8cf93d0a1b1"
    with Ledger(path) as ledger:
        pair = reserved(ledger, "a")
        buy(ledger, pair)
        ledger.settle(pair)
        ledger.fail(reserved(ledger, "b"), "no answer")
        other = ledger.reserve("a", 7, 0, COST, kind="judge")
        assert other
    ((bought,),) = rows(path, "SELECT request FROM calls")
    kept = [
        Purchase("round-00/generate.json", "pair", "a", 0, (str(bought),)),
        Purchase("round-00/generate.json", "pair", "b", 0),
        Purchase("round-00/evaluate.json", "judge", "a"),
    ]
    Ledger(path, purchases=kept).close()
    Ledger(path, purchases=[]).close()
    before = path.read_bytes()
    for lost, message in (
        (
            Purchase("round-01/generate.json", "pair", "a", 1),
            "pair 1 of a, in round-01",
        ),
        (Purchase("round-00/generate.json", "pair", "b", 0, (request,)), "pair 0 of b"),
        (
            Purchase("round-00/generate.json", "pair", "a", 0, (str(bought),) * 2),
            "pair 0 of a",
        ),
        (Purchase("round-00/baseline.json", "judge", "b"), "judge of b, in round-00/b"),
    ):
        with pytest.raises(LedgerError, match=f"1 are missing; the first: {message}"):
            Ledger(path, purchases=[*kept, lost])
    with pytest.raises(LedgerError, match="all that this run has bought"):
        Ledger(path, arm="loss", purchases=[])
    assert path.read_bytes() == before
