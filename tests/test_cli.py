"""The command line as a user meets it: a run, an error and Ctrl-C have their own processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import chdir, suppress
from pathlib import Path

import pytest
from rich.console import Console

from commands import command
from teachback.config.reading import read_config
from teachback.report.progress import Progress
from teachback.run.directory import Event

ENTRY = [sys.executable, "-c", "from teachback.cli import main; main()"]


def process(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ENTRY, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200"},
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    path = tmp_path_factory.mktemp("cli") / "task.yaml"
    path.write_text(
        f"task: {{name: prontoqa, hops: [1, 2], seeds: 12, dev: 6, test: 5}}\n"
        f"student: {{model: {tiny}, max_new_tokens: 8, precision: float32}}\n"
        "per_round: 4\nrounds: 2\nfinetune: {epochs: 1, rows_per_step: 4}\nmachine: {threads: 1}\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def finished(config: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = config.parent / "run"
    return folder, process("run", config, "--run-dir", folder)


def test_run_says_what_happened_and_how_to_use_the_student(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = finished
    assert done.returncode == 0, done.stderr
    assert "allowance: 12 seeds, 2 rounds of 4 rows" in done.stderr
    assert (
        "dev accuracy: 0% [0%, 39%] before, 0% [0%, 39%] after 2 rounds" in done.stdout
    )
    assert "8 rows generated, 8 accepted" in done.stdout
    assert "teacher: 8 calls" in done.stdout
    assert f"everything lies in {folder}" in done.stdout
    lines = [
        line.strip()
        for line in done.stdout.splitlines()
        if line.startswith("    ") and ("pipeline" in line or "student(" in line)
    ]
    assert len(lines) == 3
    code = "\n".join(lines).replace("max_new_tokens=256", "max_new_tokens=4")
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=120
        ).returncode
        == 0
    )


def test_the_same_command_again_says_that_it_is_finished(
    config: Path, finished: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    again = command("run", config, "--run-dir", finished[0], "--json")
    assert again.returncode == 0
    assert "nothing was left to do: this run is finished" in again.stderr
    facts = json.loads(again.stdout)
    assert [r["accepted"] for r in facts["rounds"]] == [4, 4]
    assert facts["baseline"]["n"] == 6


def test_status_reads_files_only(
    finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    copy = shutil.copytree(finished[0], tmp_path / "copy")
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*")}
    done = command("status", copy)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 rounds finished" in done.stdout
    assert "budget: 8 pairs of no limit" in done.stdout
    assert json.loads(command("status", copy, "--json").stdout)["spend"]["pairs"] == 8
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*")} == before


def test_evaluate_asks_the_test_set(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    done = command("evaluate", finished[0], "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["split"], facts["n"]) == ("test", 5)
    assert "right of 5" in command("evaluate", finished[0], "--base").stdout
    assert (finished[0] / "round-01/test.json").exists()


def test_select_ranks_the_seeds_and_stops(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "ranked.jsonl"
    done = command(
        "select", config, "-n", 5, "--out", out, "--run-dir", tmp_path / "run"
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["rank"] for row in rows] == list(range(5))
    assert [row["score"] for row in rows] == sorted(
        (row["score"] for row in rows), reverse=True
    )
    assert all(row["question"] for row in rows)
    assert (
        command("select", config, "-n", 13, "--run-dir", tmp_path / "run").returncode
        == 2
    )


def test_select_needs_no_teacher_and_notices_another_seed_file(
    config: Path, tmp_path: Path
) -> None:
    seeds = tmp_path / "seeds.jsonl"
    rows = [
        {"id": i, "question": f"What is {i} + 1?", "answer": str(i + 1)}
        for i in range(20)
    ]
    seeds.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = f"task={{name: jsonl, seeds: {seeds}, n_dev: 2, grader: number}}"
    args = ("select", config, "-n", 3, "--run-dir", tmp_path / "run", "--set", task)
    done = command(*args)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    seeds.write_text(
        seeds.read_text().replace("What is 7", "How much is 7"), encoding="utf-8"
    )
    again = command(*args)
    assert again.returncode == 2
    assert "the inputs of the run in" in again.stderr
    assert "seeds: " in again.stderr
    run = command("run", config, "--run-dir", tmp_path / "other", "--set", task)
    assert run.returncode == 2
    assert "can't set exercises of its own" in run.stderr


def test_compare_prints_a_table_with_paired_differences(
    config: Path, tmp_path: Path
) -> None:
    done = command(
        "compare", config, "--arms", "random,loss", "--repeats", 2,
        "--run-dir", tmp_path / "cmp", "--set", "rounds=1", "--jobs", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "loss − random" in done.stdout
    assert "2 repeats are too few to test" in done.stdout
    arms = sorted(
        p.parent.name for p in (tmp_path / "cmp/repeat-1").glob("*/config.json")
    )
    assert arms == ["base", "loss", "random"]
    assert "-- repeat 1, loss\n" in done.stderr
    baselines = {
        p.read_bytes()
        for p in (tmp_path / "cmp").glob("repeat-*/*/round-00/baseline.json")
    }
    assert len(baselines) == 1
    again = command(
        "compare",
        config,
        "--arms",
        "random,loss",
        "--repeats",
        2,
        "--run-dir",
        tmp_path / "cmp",
        "--set",
        "rounds=1",
        "--jobs",
        1,
        "--json",
    )
    assert len(json.loads(again.stdout)["curves"]) == 4
    lines = (tmp_path / "cmp/curves.csv").read_text().splitlines()
    assert lines[0] == "arm,repeat,rounds,accuracy,generated,accepted,tokens,usd"
    assert len(lines) == 1 + 4 * 2
    assert (
        "loss: not distinguishable from random"
        in (tmp_path / "cmp/findings.csv").read_text()
    )
    assert (
        command(
            "compare", config, "--arms", "random,lossy", "--run-dir", tmp_path / "cmp"
        ).returncode
        == 2
    )


def test_compare_takes_the_arms_of_the_config(config: Path, tmp_path: Path) -> None:
    arms = "arms={longest: {criterion: longest.py:longest}}"
    (config.parent / "longest.py").write_text(
        "def longest(evidence): return [a.n_tokens for a in evidence.attempts]\n"
    )
    args = (
        "--repeats",
        1,
        "--run-dir",
        tmp_path / "cmp",
        "--set",
        "rounds=1",
        "--set",
        arms,
        "--jobs",
        1,
    )
    done = command("compare", config, *args)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (tmp_path / "cmp/repeat-0").iterdir()) == [
        "base",
        "longest",
        "random",
    ]
    assert "teacher: charged to the arms " in done.stdout
    assert "curves.csv, findings.csv and comparison.html lie in" in done.stdout.replace(
        "\n", " "
    )


def test_exit_code_3_when_the_budget_closes_early(config: Path, tmp_path: Path) -> None:
    done = command("run", config, "--run-dir", tmp_path, "--set", "budget.generated=6")
    assert done.returncode == 3
    assert "the budget closed before the rounds that were asked for" in done.stderr
    assert "6 rows generated" in done.stdout


def test_a_raised_budget_ends_what_a_closed_one_began(
    config: Path, tmp_path: Path
) -> None:
    """The round that was cut stays as it is, and is no reason to raise the budget again."""
    args = ["run", config, "--run-dir", tmp_path / "run", "--set"]
    assert command(*args, "budget.generated=2").returncode == 3
    done = command(*args, "budget.generated=6")
    assert done.returncode == 0, done.stderr
    assert "6 rows generated" in done.stdout


def test_run_compare_and_select_take_folders_of_their_own(
    config: Path, tmp_path: Path
) -> None:
    """One config is for all of them; a comparison that was begun in the run's folder goes on."""
    mine = tmp_path / "mine.py"
    mine.write_text(
        "def longest(evidence): return [a.n_tokens for a in evidence.attempts]"
    )
    for criterion in ("random", "loss", f"{mine}:longest"):
        done = command(
            "select", config, "-n", 2, "--set", f"criterion={criterion}", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names == {f"task-select-2-{name}" for name in ("random", "loss", "longest")}
    assert read_config(config, is_comparison=True).run_dir.name == "task-compare"
    begun = tmp_path / "runs/task/comparison.json"
    begun.parent.mkdir()
    begun.touch()
    with chdir(tmp_path):
        assert read_config(config, is_comparison=True).run_dir == begun.parent


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "no.yaml"], "the config no.yaml can't be read"),
        (
            ["run", "CONFIG", "--set", "per_rund=4"],
            "unknown key per_rund; did you mean per_round?",
        ),
        (
            ["run", "CONFIG", "--set", "per_round=13"],
            "per_round is larger than the pool",
        ),
        (
            ["run", "CONFIG", "--set", "student.model=./nowhere"],
            "neither a folder nor a model of the Hub",
        ),
        (
            [
                "run",
                "CONFIG",
                "--set",
                "task={name: jsonl, seeds: nowhere.jsonl, n_dev: 2}",
            ],
            "nowhere.jsonl",
        ),
        (["status", "nowhere"], "no run in nowhere"),
        (["evaluate", "nowhere"], "no run in nowhere"),
        (["run"], "Missing argument"),
    ],
)
def test_wrong_input_is_exit_code_2_and_a_sentence(
    args: list[str], message: str, config: Path, tmp_path: Path
) -> None:
    done = command(
        *[str(config) if a == "CONFIG" else a for a in args],
        *(
            ["--run-dir", tmp_path / "run"]
            if args[-1] != "run" and args[0] == "run"
            else []
        ),
        cwd=tmp_path,
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_ends_a_process_with_its_exit_code() -> None:
    done = process("run", "no.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the config no.yaml can't be read")


@pytest.mark.parametrize(
    ("change", "message"),
    [("task.seed=1", "task.seed: 0 → 1"), ("rounds=1", "rounds is below the 2")],
    ids=["other seeds", "fewer rounds than are done"],
)
def test_what_may_not_change_under_a_run_is_refused(
    change: str,
    message: str,
    config: Path,
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    done = command("run", config, "--run-dir", finished[0], "--set", change)
    assert done.returncode == 2
    assert message in done.stderr


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(
    config: Path, tmp_path: Path
) -> None:
    running = subprocess.Popen(
        [*ENTRY, "run", str(config), "--run-dir", str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "run/round-00/baseline.json").exists():
        assert running.poll() is None
        time.sleep(0.001)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130, stderr
    assert "the same command goes on from here" in stderr
    assert "Traceback" not in stderr
    assert command("run", config, "--run-dir", tmp_path / "run").returncode == 0


def test_ctrl_c_that_a_library_swallowed_stops_at_the_next_event() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Progress(Console(stderr=True)) as progress:
        progress.show(Event("start", 0, "finetune"))
        with suppress(
            KeyboardInterrupt
        ):  # as some libraries do while they are imported
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            progress.show(Event("part", 0, "finetune", done=1, total=2))
    assert signal.getsignal(signal.SIGINT) is before
