"""`teachback diff`: where two runs part, and what is only rounding. Real runs on the fakes, and of
a tiny student.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import teachback
from commands import command
from comparing import settings
from crashing import child, ended, run_and_die
from teachback.errors import ConfigError, DataError
from teachback.run.digests import commit_with_digest
from teachback.run.files import to_json_bytes
from teachback.testing import fake_run

OTHER_HOPS = {"name": "prontoqa", "hops": [1, 3], "seeds": 16, "dev": 10, "test": 10}
RUNS: Mapping[str, dict[str, Any]] = {
    "first": {},
    "again": {},
    "seed 1": {"seed": 1},
    "random": {"criterion": "random"},
    "short": {"rounds": 1},
    "other task": {"task": OTHER_HOPS},
}
# What a changed copy holds for its step.
Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff")
    for name, changes in RUNS.items():
        fake_run(folder / name, **{"rounds": 2, **changes})
    return folder


def change_copy(run: Path, copy: Path, file: str, change: Change) -> Path:
    """A copy of the run in which a step has returned something else."""
    shutil.copytree(run, copy)
    path = copy / file
    value = json.loads(path.read_bytes())
    change(value)
    commit_with_digest(path, to_json_bytes(value))
    return copy


def test_the_same_run_twice_is_the_same_run(folder: Path) -> None:
    done = command("diff", folder / "first", folder / "again")
    assert done.stdout.splitlines() == [
        "the same run: every file but times is equal",
        f"  left   {folder / 'first'}",
        f"  right  {folder / 'again'}",
    ]
    assert (done.returncode, done.stderr) == (0, "")
    # Times are no difference.
    assert (folder / "first/timings.jsonl").read_bytes() != (
        folder / "again/timings.jsonl"
    ).read_bytes()


@pytest.mark.parametrize(
    ("other", "place", "what", "keys"),
    [
        ("seed 1", (0, "generate"), "4 only on the left, 4 only on", ["seed"]),
        ("random", (0, "select"), "the seeds differ: ", ["criterion.name"]),
    ],
)
def test_two_runs_part_at_the_first_step_that_differs(
    folder: Path, other: str, place: tuple[int, str], what: str, keys: list[str]
) -> None:
    done = command("diff", folder / "first", folder / other, "--json")
    facts = json.loads(done.stdout)
    assert (facts["same"], done.returncode) == (False, 0)
    assert (facts["parting"]["round"], facts["parting"]["step"]) == place
    assert what in facts["parting"]["what"]
    assert facts["headline"].startswith(
        f"the runs part at round {place[0]}, {place[1]}"
    )
    assert {change["key"] for change in facts["identity"]} >= {*keys}
    assert facts["rounding"] == facts["settings"] == []


def test_picks_are_compared_rank_by_rank(folder: Path) -> None:
    diff = teachback.diff(folder / "first", folder / "random")
    picks = [
        json.loads((folder / name / "round-00/select.json").read_bytes())["picks"]
        for name in ("first", "random")
    ]
    seeds = [[pick["seed"] for pick in side] for side in picks]
    changes = diff.parting.changes  # type: ignore[union-attr]
    assert changes.n_common == len({*seeds[0]} & {*seeds[1]})  # type: ignore[union-attr]
    rank = next(i for i in range(4) if seeds[0][i] != seeds[1][i])
    assert f"rank {rank}: {seeds[0][rank]} (score" in str(diff)
    assert f"{seeds[1][rank]} on the right" in str(diff)


def test_a_run_that_has_not_come_so_far_is_equal_up_to_there(folder: Path) -> None:
    diff = teachback.diff(folder / "short", folder / "first")
    assert diff.headline == (
        "the runs are equal up to round 0, evaluate; the right one has 10 more steps"
    )
    assert diff.parting is None
    assert not diff.same
    assert [change.key for change in diff.settings] == ["rounds"]
    assert diff.steps_only_right[0] == "round 1, open"
    assert [point.left is None for point in diff.points] == [False, False, True]


def test_a_run_that_was_killed_in_round_1_is_compared_as_far_as_it_came(
    folder: Path, tmp_path: Path
) -> None:
    assert ended(child(run_and_die, tmp_path, 2, 25, False)) < 0
    assert not (tmp_path / "round-01/evaluate.json").exists()
    diff = teachback.diff(folder / "first", tmp_path)
    assert diff.headline.startswith("the runs are equal up to round ")
    assert diff.steps_only_left[-1] == "round 1, evaluate"
    assert diff.steps_only_right == ()


def test_after_another_task_only_the_results_stand_side_by_side(folder: Path) -> None:
    diff = teachback.diff(folder / "first", folder / "other task")
    assert diff.headline == "nothing to compare step by step: the seeds differ"
    assert diff.parting is None
    assert {change.key for change in diff.inputs} >= {"seeds", "dev", "test"}
    # The ids of their dev questions are the same, and the questions are not.
    assert diff.last_reports is None
    assert len(diff.points) == 3


# -- what differs in a step ----------------------------------------------------------------


def flip_row(curation: Any) -> None:
    curation["rows"][1]["text"] = "It is\x1b[2J\nfalse."


def lose_row(curation: Any) -> None:
    row = curation["rows"].pop(0)
    curation["rejected"].append(
        {"seed": row["seed"], "n": row["n"], "reason": "wrong: 3"}
    )


def change_answers(attempts: Any) -> None:
    for attempt in attempts["rows"][2:5]:
        attempt["text"] = "Perhaps."
        attempt["nll"] += 0.5


def flip_outcomes(report: Any) -> None:
    for item in report["items"]:
        is_right = item["outcome"] == "right"
        item["outcome"] = "wrong" if is_right else "right"


def allow_more(allowance: Any) -> None:
    allowance["pairs"] += 2


@pytest.mark.parametrize(
    ("file", "change", "what", "lines"),
    [
        (
            "round-01/curate.json",
            flip_row,
            "of 4 and 4: 1 with another answer",
            ["    right  It is\\x1b[2J\\nfalse."],
        ),
        (
            "round-00/curate.json",
            lose_row,
            "of 4 and 4: 1 only on the left, 1 only on the right",
            ["    right  refused: wrong: 3"],
        ),
        (
            "round-01/attempt.json",
            change_answers,
            "3 of 16 answers differ, |Δnll| 0.094 in the mean",
            ["  |Δnll| 0.5 at most", "    right  Perhaps."],
        ),
        ("round-01/open.json", allow_more, "pairs is 4 and 6", []),
    ],
)
def test_a_step_differs_in_its_own_terms(
    folder: Path, tmp_path: Path, file: str, change: Change, what: str, lines: list[str]
) -> None:
    copy = change_copy(folder / "first", tmp_path / "copy", file, change)
    done = command("diff", folder / "first", copy)
    r, step = int(file[6:8]), Path(file).stem
    printed = done.stdout.splitlines()
    assert printed[0] == f"the runs part at round {r}, {step}: {what}"
    assert {*lines} <= {*printed}
    assert "\x1b" not in done.stdout


def test_flipped_questions_are_counted_both_ways(folder: Path, tmp_path: Path) -> None:
    file = "round-01/evaluate.json"
    copy = change_copy(folder / "first", tmp_path / "copy", file, flip_outcomes)
    items = json.loads((folder / "first" / file).read_bytes())["items"]
    right = [item["id"] for item in items if item["outcome"] == "right"]
    diff = teachback.diff(folder / "first", copy)
    assert diff.last_reports is not None
    assert [*diff.last_reports.right_to_wrong] == right
    assert len(diff.last_reports.wrong_to_right) == 10 - len(right)
    assert diff.last_reports.change.change == pytest.approx((10 - 2 * len(right)) / 10)
    assert f"{len(right)} right → wrong" in str(diff)


def shift(step: float) -> Change:
    def change(attempts: Any) -> None:
        for attempt in attempts["rows"]:
            attempt["nll"] += step

    return change


def test_rounding_is_told_from_real_differences(folder: Path, tmp_path: Path) -> None:
    first, file = folder / "first", "round-01/attempt.json"
    little = change_copy(first, tmp_path / "little", file, shift(3e-6))
    much = change_copy(first, tmp_path / "much", file, shift(0.1))
    diff = teachback.diff(first, little)
    assert diff.headline == (
        "all texts, picks and rows are equal, and numbers differ by at most 3e-06: that is rounding"
    )
    assert not diff.same
    assert [(step.round, step.step) for step in diff.rounding] == [(1, "attempt")]
    assert teachback.diff(first, much).headline == (
        "the runs part at round 1, attempt: 0 of 16 answers differ, |Δnll| 0.1 in the mean"
    )


def test_what_was_paid_is_part_of_the_same_run(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder / "first", copy)
    assert teachback.diff(folder / "first", copy).same
    for path in copy.glob("ledger.sqlite*"):
        path.unlink()
    diff = teachback.diff(folder / "first", copy)
    assert not diff.same
    assert diff.headline == "nothing differs but the ledger"
    assert diff.spend["right"] is None


# -- real students -------------------------------------------------------------------------


def test_a_student_in_another_precision(tiny: Path, tmp_path: Path) -> None:
    tree = settings(tmp_path / "float32", tiny, rounds=1)
    other = {**tree["student"], "precision": "bf16"}
    teachback.run(tree, progress=False)
    teachback.run(
        tree, changes={"student": other}, run_dir=tmp_path / "bf16", progress=False
    )
    diff = teachback.diff(tmp_path / "float32", tmp_path / "bf16")
    assert [change.key for change in diff.identity] == ["student.precision"]
    assert [change.key for change in diff.inputs] == ["precision"]
    assert diff.parting is not None
    # Seeds are read, and the untuned student is the first that computes.
    assert (diff.n_equal_steps, diff.parting.step) == (1, "baseline")
    assert "gold nll 7." in str(diff)


def test_other_weights_after_the_same_rows_are_rounding(
    tiny: Path, tmp_path: Path
) -> None:
    run, copy = tmp_path / "run", tmp_path / "copy"
    teachback.run(settings(run, tiny, rounds=1), progress=False)
    shutil.copytree(run, copy)
    weights = copy / "round-00/finetune/student/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    path = copy / "round-00/finetune.json"
    files = [file for file in weights.parent.iterdir() if file.is_file()]
    commit_with_digest(path, path.read_bytes(), sorted(files))
    diff = teachback.diff(run, copy)
    assert [step.step for step in diff.rounding] == ["finetune"]
    assert "numbers differ in weights or arrays" in diff.headline
    assert "finetune/student/model.safetensors" in str(diff)


def test_arms_of_a_comparison_are_runs(tiny: Path, tmp_path: Path) -> None:
    tree = settings(tmp_path, tiny, rounds=1)
    teachback.compare(tree, arms="random,loss", repeats=1, jobs=1, progress=False)
    arms = [tmp_path / "repeat-0" / arm for arm in ("random", "loss")]
    diff = teachback.diff(*arms)
    assert diff.parting is not None
    assert diff.parting.step == "select"
    assert [side.pairs for side in diff.spend.values() if side] == [4, 4]
    with pytest.raises(ConfigError, match="is a comparison"):
        teachback.diff(tmp_path, arms[0])


# -- what can't be compared ----------------------------------------------------------------


def test_a_folder_without_a_run_is_refused(folder: Path, tmp_path: Path) -> None:
    done = command("diff", folder / "first", tmp_path)
    assert done.returncode == 2
    assert f"error: no run in {tmp_path}" in done.stderr


def test_a_damaged_file_is_named(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder / "first", copy)
    with open(copy / "round-00/curate.json", "ab") as file:
        file.write(b" ")
    with pytest.raises(DataError, match=r"curate\.json can't be read back"):
        teachback.diff(folder / "first", copy)


def test_nothing_is_written(folder: Path) -> None:
    def list_times() -> dict[str, int]:
        return {str(path): os.stat(path).st_mtime_ns for path in folder.rglob("*")}

    before = list_times()
    teachback.diff(folder / "first", folder / "random")
    assert list_times() == before


def test_the_result_shows_itself(folder: Path) -> None:
    diff = teachback.diff(folder / "first", folder / "seed 1")
    assert repr(diff).startswith("<RunDifferences: the runs part at round 0, generate")
    assert [*diff.to_pandas()["point"]] == ["untuned", "round 0", "round 1"]
    assert [*diff.to_pandas("keys")["key"]] == ["seed"]
