"""What a command says on stderr: what a run may use, where it goes on, why it ended."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..run.history import RunHistory
from ..types import Round
from .values import RunSummary, is_round_open


def allowance_line(config: Mapping[str, Any]) -> str:
    """What a run may use. config: as plain data."""
    task = config["task"]
    if "n_seeds" in task:  # a task made of rows, whose `seeds` is a file
        seeds = task["n_seeds"] or "all"
        dev = task["n_dev"] or "all"
    else:  # a function of the user's own has neither key
        seeds = task.get("seeds", "the task's")
        dev = task.get("dev", "the task's")
    duration = "rounds until the budget is spent"
    if config["rounds"]:
        duration = f"{config['rounds']} rounds"
    # `total` limits a comparison, and this is one run. The last two limit nothing.
    bounds = [
        f"{limit:,} {kind.replace('_', ' ')}"
        for kind, limit in config["budget"].items()
        if limit is not None and kind not in ("total", "min_yield", "trial_drafts")
    ]
    return (
        f"allowance: {seeds} seeds, {duration} of {config['per_round']} rows, "
        f"at most {' and '.join(bounds) or 'rounds × rows'}, {dev} dev questions, "
        f"answers of at most {config['student']['max_new_tokens']} tokens; "
        f"criterion {config['criterion']['name']}"
    )


def probe_line(n_pairs: int) -> str:
    return (
        f"probing: {n_pairs} real pairs and student steps; what is bought is paid for, and "
        "kept for the run"
    )


def resume_lines(run_dir: Path, before: RunHistory | None) -> list[str]:
    """Where a run goes on. before: its history, or None for a new run."""
    if before is None or not (before.rounds or is_round_open(before)):
        return []
    return [f"resuming {run_dir}: {len(before.rounds)} rounds finished"]


def no_work_lines(before: RunHistory | None, rounds: Sequence[Round]) -> list[str]:
    """Says that a run was finished before it was called. rounds: those it has now."""
    if before is None or is_round_open(before) or len(before.rounds) != len(rounds):
        return []
    return [
        "nothing was left to do: this run is finished (raise rounds or the budget to go on)"
    ]


def early_end_lines(summary: RunSummary) -> list[str]:
    """Why a run ended before its rounds were done; empty if it did not."""
    lines = []
    if summary.overrun_reason:
        lines.append(
            "nothing more was sent, because the teacher ignores its token limit: "
            f"{summary.overrun_reason}"
        )
    if summary.closed_early:
        lines += [
            "the budget closed before the rounds that were asked for: raise it, and rounds if "
            "the last one was cut, and run the same command to go on",
            "(`teachback plan` says how much is needed)",
        ]
    return lines
