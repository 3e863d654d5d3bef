"""What the student reads and writes in each round, and the compute and disk it takes.

Every bought pair counts as an accepted row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..student.model_size import FLOAT_BYTES
from .values import Range, ScenarioValues, StudentWork

if TYPE_CHECKING:
    from .simulation import ScenarioRuns
    from .student_load import StudentLoad

# For each parameter and token: one pass forward, or forward and backward
ANSWERING_FLOPS = 2
FINETUNING_FLOPS = 6
LEDGER_CALL_BYTES = 3000  # of one call's request and answer in the ledger


def estimate_work_before_rounds(load: StudentLoad, rounds_done: int) -> StudentWork:
    """What comes before the first round: nothing, if the run has begun."""
    n_dev = 0 if rounds_done else load.n_dev
    n_rows = 0 if rounds_done else load.n_start_rows
    has_probe = load.tokens.row.expected is not None
    return make_student_work(
        load,
        rounds_done,
        rows=Range(n_rows, n_rows, n_rows if has_probe else None),
        answering=load.tokens.dev * n_dev,
        finetuning=load.tokens.row * (n_rows * load.epochs),
    )


def estimate_work_by_round(
    load: StudentLoad,
    runs: ScenarioRuns,
    rounds_done: int,
    rows_done: int,
) -> tuple[StudentWork, ...]:
    """The work of every round that any scenario comes to.

    rows_done: accepted before the first of these rounds.
    """
    n_rounds = max(len(run.selected_pairs) for run in runs.values())
    return tuple(
        _estimate_round_work(load, runs, index, rounds_done, rows_done)
        for index in range(n_rounds)
    )


def _estimate_round_work(
    load: StudentLoad,
    runs: ScenarioRuns,
    index: int,
    rounds_done: int,
    rows_done: int,
) -> StudentWork:
    """index: the round's place among those that are still to come."""
    rows = ScenarioValues()
    answering = ScenarioValues()
    finetuning = ScenarioValues()
    for scenario, run in runs.items():
        if index >= len(run.selected_pairs):
            rows[scenario] = 0
            answering[scenario] = 0
            finetuning[scenario] = 0
            continue

        fresh = run.selected_pairs[index]
        simulated_rows = sum(run.selected_pairs[:index])
        earlier = load.n_start_rows + rows_done + simulated_rows
        # A student that restarts from the base is trained on all rows again
        replay = 1.0 if load.restart == "base" else load.replay
        rows[scenario] = fresh + round(replay * earlier)

        answers = (
            load.tokens.seed * (load.n_seeds + load.n_samples)
            + load.tokens.dev * load.n_dev
            + load.tokens.new * fresh
        )
        answering[scenario] = answers.at(scenario)
        row_tokens = load.tokens.row.at(scenario)
        finetuning[scenario] = row_tokens * rows[scenario] * load.epochs
    return make_student_work(
        load,
        rounds_done + index,
        rows=Range.of(rows),
        answering=Range.of(answering),
        finetuning=Range.of(finetuning),
    )


def make_student_work(
    load: StudentLoad, round: int, *, rows: Range, answering: Range, finetuning: Range
) -> StudentWork:
    """Adds the FLOPs and the seconds to the tokens."""
    flops = None
    if load.parameters is not None:
        flops_per_parameter = (
            answering * ANSWERING_FLOPS + finetuning * FINETUNING_FLOPS
        )
        flops = flops_per_parameter * load.parameters

    seconds = None
    if load.answering_per_s and load.finetuning_per_s:
        answering_s = answering * (1 / load.answering_per_s)
        finetuning_s = finetuning * (1 / load.finetuning_per_s)
        seconds = answering_s + finetuning_s
    return StudentWork(round, rows, answering, finetuning, flops, seconds)


def sum_student_work(parts: Sequence[StudentWork]) -> StudentWork:
    total, *others = parts
    for part in others:
        flops = seconds = None
        if total.flops is not None and part.flops is not None:
            flops = total.flops + part.flops
        if total.seconds is not None and part.seconds is not None:
            seconds = total.seconds + part.seconds
        total = StudentWork(
            part.round,
            total.rows + part.rows,
            total.answering + part.answering,
            total.finetuning + part.finetuning,
            flops,
            seconds,
        )
    return total


def estimate_peak_disk(
    parameters: int | None, method: str, keep: str, rounds: int, calls: float
) -> float | None:
    """What the run's directory takes at its peak; None if the model's size is unknown.

    It holds the kept students, the trainer's checkpoint and the ledger. calls: in the
    ledger.
    """
    if parameters is None:
        return None
    n_kept = {"last": 1, "best": 2, "all": max(rounds, 1)}[keep]
    # In full finetuning a checkpoint holds the weights and two moments, and lies there
    # twice while a new one replaces the last. With the other methods the checkpoint is
    # small: what counts is the whole student that is saved at the end
    n_in_training = 2 * 3 if method == "full" else 1
    students_bytes = parameters * FLOAT_BYTES * (n_kept + n_in_training)
    return students_bytes + calls * LEDGER_CALL_BYTES
