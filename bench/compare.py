"""Eight runs of a tiny student, as many at a time as there are cores, against one after the other.

`teachback compare` of two criteria, four repeats, both ways in fresh processes with a thread each; starting the
processes is part of the time. The gate: the same curves and files. ratio: seconds one after the other / side by side.
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

from bench.against import Outcome, spread
from teachback.compare.side_by_side import available_cores
from teachback.testing import tiny_student

TARGET, REPEATS = 1.6, 3
CODE = """
import json, sys
from teachback import config
from teachback.compare.comparison import compare
compare(config.make(json.loads(sys.argv[1])), ["random", "loss"], int(sys.argv[2]), jobs=int(sys.argv[3]),
        listen=lambda event: None)
"""


def bench(quick: bool) -> Outcome:
    repeats, times = (2, 1) if quick else (4, REPEATS)
    with tempfile.TemporaryDirectory() as folder:
        student = tiny_student(Path(folder) / "tiny")
        ways = {"one after the other": 1, "side by side": available_cores()}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        kept: dict[str, dict[str, bytes]] = {}
        for _ in range(times):
            for way, jobs in ways.items():
                seconds[way].append(
                    compared(Path(folder) / "run", student, repeats, jobs, quick)
                )
                kept[way] = files(Path(folder) / "run")
                shutil.rmtree(Path(folder) / "run")
    found = {way: spread(some) for way, some in seconds.items()}
    ratio = found["one after the other"]["median"] / found["side by side"]["median"]
    facts = {
        "work": {
            "runs": 2 * repeats,
            "jobs": available_cores(),
            "task": settings(Path(), student, quick)["task"],
        },
        "seconds": found,
    }
    return Outcome(
        round(ratio, 2),
        TARGET,
        kept["side by side"] == kept["one after the other"],
        0.0,
        facts,
    )


def settings(folder: Path, student: Path, quick: bool) -> dict[str, Any]:
    size = (
        {"seeds": 24, "dev": 8, "test": 16}
        if quick
        else {"seeds": 96, "dev": 32, "test": 128}
    )
    return {
        "task": {"name": "prontoqa", "hops": [1, 3], **size},
        "student": {
            "model": str(student),
            "max_new_tokens": 48,
            "precision": "float32",
        },
        "per_round": size["seeds"] // 4,
        "rounds": 1 if quick else 3,
        "finetune": {"epochs": 2, "rows_per_step": 8, "lr": 1e-3},
        "machine": {"threads": 1},
        "run_dir": str(folder),
    }


def compared(
    folder: Path, student: Path, repeats: int, jobs: int, quick: bool
) -> float:
    started = time.perf_counter()
    tree = json.dumps(settings(folder, student, quick))
    command = [sys.executable, "-c", CODE, tree, str(repeats), str(jobs)]
    subprocess.run(
        command,
        check=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return time.perf_counter() - started


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.glob("repeat-*/*/round-*/*.json")
    }
