"""Eight runs of a tiny student: as many at a time as there are cores, against one by one.

`teachback compare` of two criteria, four repeats, both ways in fresh processes with a
thread each. Starting the processes is part of the time. The gate: the same curves and
files. `ratio` is the seconds one by one over those side by side.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.outcome import Outcome
from bench.process import spread
from teachback.compare.scheduler import count_cores
from teachback.testing import tiny_student

TARGET = 1.6
REPEATS = 3
SCRIPT = """
import json, sys
from teachback.config.reading import make_config
from teachback.compare.comparison import run_comparison

settings = make_config(json.loads(sys.argv[1]))
repeats, jobs = int(sys.argv[2]), int(sys.argv[3])
run_comparison(
    settings, ["random", "loss"], repeats, jobs=jobs, listen=lambda event: None
)
"""

Files = dict[str, bytes]  # by path


def bench(quick: bool) -> Outcome:
    repeats, times = (2, 1) if quick else (4, REPEATS)
    jobs_of = {"one after the other": 1, "side by side": count_cores()}
    seconds: dict[str, list[float]] = {name: [] for name in jobs_of}
    files: dict[str, Files] = {}
    with tempfile.TemporaryDirectory() as folder:
        student = tiny_student(Path(folder) / "tiny")
        run_dir = Path(folder) / "run"
        settings = comparison_settings(run_dir, student, quick)
        for _ in range(times):
            for name, jobs in jobs_of.items():
                seconds[name].append(time_comparison(settings, repeats, jobs))
                files[name] = read_files(run_dir)
                shutil.rmtree(run_dir)

    spreads = {name: spread(some) for name, some in seconds.items()}
    one_by_one, side_by_side = (spreads[name]["median"] for name in jobs_of)
    facts = {
        "work": {
            "runs": 2 * repeats,
            "jobs": count_cores(),
            "task": settings["task"],
        },
        "seconds": spreads,
    }
    ratio = round(one_by_one / side_by_side, 2)
    same = files["side by side"] == files["one after the other"]
    return Outcome(ratio, TARGET, same, 0.0, facts)


def comparison_settings(run_dir: Path, student: Path, quick: bool) -> dict[str, Any]:
    sizes = {"seeds": 96, "dev": 32, "test": 128}
    if quick:
        sizes = {"seeds": 24, "dev": 8, "test": 16}
    return {
        "task": {"name": "prontoqa", "hops": [1, 3], **sizes},
        "student": {
            "model": str(student),
            "max_new_tokens": 48,
            "precision": "float32",
        },
        "per_round": sizes["seeds"] // 4,
        "rounds": 1 if quick else 3,
        "finetune": {"epochs": 2, "rows_per_step": 8, "lr": 1e-3},
        "machine": {"threads": 1},
        "run_dir": str(run_dir),
    }


def time_comparison(settings: dict[str, Any], repeats: int, jobs: int) -> float:
    """The seconds that the comparison took, in a process of its own."""
    started = time.perf_counter()
    arguments = json.dumps(settings), str(repeats), str(jobs)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        check=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return time.perf_counter() - started


def read_files(run_dir: Path) -> Files:
    paths = run_dir.glob("repeat-*/*/round-*/*.json")
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in paths}
