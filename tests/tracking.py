"""What the tests of trackers share: a finished fake run, and trackers that hear of it."""

import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from teachback.build.trackers import PROGRAM, describe_run
from teachback.ledger.queries import open_read_only
from teachback.run.directory import Run
from teachback.testing import fake_config
from teachback.trackers.run_tracking import RunTracking, TrackingPlan

# Each call adds a line to heard.jsonl beside the run.
HEARING = """\
import json, os, sys, time
from pathlib import Path

def hear(run, step, metrics):
    print("noise")
    print("noise", file=sys.stderr)
    heard = {"id": run.id, "name": run.name, "group": run.group, "step": step}
    with open(Path(run.folder).parent / "heard.jsonl", "a") as file:
        print(json.dumps({**heard, "metrics": metrics, "params": run.params}), file=file)

def fail(run, step, metrics):
    raise OSError(28, "No space left on device\\n  in two lines")

def die(run, step, metrics):
    os._exit(3)

def hang(run, step, metrics):
    time.sleep(600)
"""


def track_run(
    folder: Path, *trackers: str, end_s: float = 60.0, group: str | None = None
) -> None:
    """Trackers hear of a fake run that is finished, as they do when it is started again."""
    config = fake_config(track=list(trackers))
    with (
        Run(folder) as run,
        open_read_only(folder / "ledger.sqlite") as ledger,
    ):
        plan = TrackingPlan(
            trackers=config.track,
            program=PROGRAM,
            describe_run=partial(describe_run, config, folder, folder.name, group),
            read_spend=lambda before: ledger.spend(before_round=before),
            last_step="evaluate",
            report=folder / "report.html",
            end_s=end_s,
        )
        with RunTracking(run, plan):
            pass


def read_heard(folder: Path) -> list[dict[str, Any]]:
    """What `hear` was called with, of all runs in the folder."""
    lines = (folder / "heard.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def read_step_files(run: Path) -> dict[str, bytes]:
    """The bytes of everything that must not depend on trackers."""
    paths = [*run.glob("round-*/**/*"), run / "config.json"]
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in paths
        if path.is_file()
    }


def expected_metrics(run: Path, step: int) -> dict[str, float]:
    """Some of a step's metrics, from the run's files and its ledger, read without teachback."""
    at = run / f"round-{max(step - 1, 0):02d}"
    report = read_json(at / ("evaluate.json" if step else "baseline.json"))
    metrics = {
        "rounds": step,
        "accuracy": report["right"] / report["n"],
        "accuracy_low": report["low"],
        "accuracy_high": report["high"],
        "spent_tokens": sum_tokens(run / "ledger.sqlite", step),
    }
    if not step:
        return {**metrics, "rows": 0, "pairs": 0}
    curated = read_json(at / "curate.json")
    picks = read_json(at / "select.json")["picks"]
    n_rows = len(curated["rows"])
    row_rho = read_json(at / "transfer.json")["row_rho"]
    return {
        **metrics,
        **({} if row_rho is None else {"carry_over/row_rho": row_rho}),
        "accepted": n_rows,
        "accepted_share": n_rows / (n_rows + len(curated["rejected"])),
        "selected/seeds": len(picks),
        "selected/mean_score": sum(pick["score"] for pick in picks) / len(picks),
    }


def sum_tokens(ledger: Path, rounds: int) -> int:
    db = sqlite3.connect(ledger)
    try:
        query = "SELECT coalesce(sum(tokens), 0) FROM costs WHERE round < ?"
        (total,) = db.execute(query, (rounds,)).fetchone()
    finally:
        db.close()
    return int(total)


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())
