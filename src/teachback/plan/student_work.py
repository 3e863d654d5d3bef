"""What the student reads and writes in each round, and the compute and disk it takes.

Answering takes 2 FLOPs for each parameter and token, training 6. Every bought pair
counts as an accepted row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..student.model_size import FLOAT_BYTES
from ..types import Example
from .simulation import ScenarioRuns
from .token_lengths import (
    MAX_TOKEN_BYTES,
    MIN_TOKEN_BYTES,
    estimate_low_lengths,
    average_question_bytes,
)
from .values import Range, ScenarioValues, StudentWork

CHAT_TEMPLATE_TOKENS = 64
LEDGER_CALL_BYTES = 3000


@dataclass(frozen=True)
class ItemTokens:
    """Tokens that the student processes for one item, its prompt included."""

    seed: Range  # answering a seed
    dev: Range  # answering a dev question
    new: Range  # answering the question of a new row
    row: Range  # training on a row once


@dataclass(frozen=True)
class StudentLoad:
    """What a round asks of the student."""

    tokens: ItemTokens
    seeds: int
    sampled: int  # answers that the criterion samples beside the attempts
    dev: int
    rows_at_start: int  # rows that the run starts with
    epochs: int
    restart: Literal["base", "continue"]
    replay: float
    parameters: int | None  # None: the model's size is unknown
    answering_per_s: float | None = None  # tokens a second; None: not measured
    finetuning_per_s: float | None = None


def estimate_item_tokens(
    seeds: Sequence[Example],
    dev: Sequence[Example],
    *,
    instruction_bytes: int,
    attempt_cap: int,
    question_cap: int,
    answer_cap: int,
    row_cap: int,
) -> ItemTokens:
    """Estimates from bytes.

    instruction_bytes: around each question. The caps are tokens: of the student's
    answer, of the teacher's new question and its answer, and of a whole row from a
    program or a pool (0: the teacher is an endpoint).
    """
    low = estimate_low_lengths(seeds)
    low_attempt = min(low.solution, attempt_cap)

    def answering(examples: Sequence[Example]) -> Range:
        sent: float = instruction_bytes
        if examples:
            sent += average_question_bytes(examples)
        return Range(
            sent / MAX_TOKEN_BYTES + low_attempt,
            sent / MIN_TOKEN_BYTES + CHAT_TEMPLATE_TOKENS + attempt_cap,
        )

    around = Range(
        instruction_bytes / MAX_TOKEN_BYTES,
        instruction_bytes / MIN_TOKEN_BYTES + CHAT_TEMPLATE_TOKENS,
    )
    new = Range(
        low.question + low_attempt, max(low.question, question_cap) + attempt_cap
    )
    low_row = low.question + low.solution
    row = Range(low_row, max(low_row, row_cap or question_cap + answer_cap))
    return ItemTokens(answering(seeds), answering(dev), around + new, around + row)


def estimate_work_before_rounds(load: StudentLoad, rounds_done: int) -> StudentWork:
    """What comes before the first round: nothing, if the run has begun."""
    dev, rows = load.dev, load.rows_at_start
    if rounds_done > 0:
        dev, rows = 0, 0
    probed = load.tokens.row.expected is not None
    return make_student_work(
        load,
        rounds_done,
        rows=Range(rows, rows, rows if probed else None),
        answering=load.tokens.dev * dev,
        finetuning=load.tokens.row * (rows * load.epochs),
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
    n_rounds = max(len(run.selected) for run in runs.values())
    return tuple(
        _round_work(load, runs, index, rounds_done, rows_done)
        for index in range(n_rounds)
    )


def _round_work(
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
        if index >= len(run.selected):
            rows[scenario] = answering[scenario] = finetuning[scenario] = 0
            continue

        fresh = run.selected[index]
        earlier = load.rows_at_start + rows_done + sum(run.selected[:index])
        replay = 1.0 if load.restart == "base" else load.replay
        rows[scenario] = fresh + round(replay * earlier)

        answers = (
            load.tokens.seed * (load.seeds + load.sampled)
            + load.tokens.dev * load.dev
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
        flops = (answering * 2 + finetuning * 6) * load.parameters

    seconds = None
    if load.answering_per_s and load.finetuning_per_s:
        answering_s = answering * (1 / load.answering_per_s)
        seconds = answering_s + finetuning * (1 / load.finetuning_per_s)
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

    These are the kept students, the student in training, the trainer's checkpoint and
    the ledger. The checkpoint lies there twice while a new one replaces the last.
    """
    if parameters is None:
        return None
    kept = {"last": 1, "best": 2, "all": max(rounds, 1)}[keep]
    # In full finetuning a checkpoint holds the weights and two moments
    in_training = 2 * 3 if method == "full" else 1
    students = parameters * FLOAT_BYTES * (kept + in_training)
    return students + calls * LEDGER_CALL_BYTES
