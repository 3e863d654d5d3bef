"""Buys a few real pairs, and times a few real steps of the student.

The run's own teacher buys the pairs through the run's ledger, as round −1. They count
against its budget, and a run that selects one of their seeds reuses the answers.
If the prompt shows the student's attempt, no answer can be reused, because the attempt
changes as the student learns. Then the probe's pairs have a number of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError
from ..student.attempt import AttemptRequest, answer_questions
from ..student.chat import Chat, prompt_ids, row_ids
from ..student.training.finetune import finetune
from ..student.training.recipe import Recipe, RuntimeOptions
from ..types import Attempt, Draft, Example, Pick
from .probe_usage import ProbeCall, estimate_mean

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger
    from ..run.directory import Run
    from ..student.inference import InferenceModel
    from ..teachers.registered import Teacher
    from .values import Range

PROBE_ROUND = -1
# The number of a pair whose request shows an attempt: no round selects a seed so often, so
# the run's own pairs of the seed stay free
ATTEMPT_PAIR_NUMBER = 999_999
NO_CHECKPOINTS_S = 1e9  # a checkpoint would be timed with the steps


@dataclass(frozen=True)
class ProbePurchase:
    pairs: int  # those that count as generated
    calls: tuple[ProbeCall, ...]
    tokens: int
    usd: int  # picodollars
    drafts: tuple[Draft, ...]


class StudentTiming(NamedTuple):
    tokens: Range  # of one item: an answer with its prompt, or a row
    tokens_per_s: float


@dataclass(frozen=True)
class ProbeMeasurements:
    purchase: ProbePurchase
    answering: StudentTiming
    finetuning: StudentTiming | None  # None: too few pairs could be trained on


def draw_probe_seeds(
    seeds: Sequence[Example], n: int, make_random: Callable[[str, str, int], Random]
) -> tuple[Example, ...]:
    """Draws n seeds by their ids: their order in the pool doesn't matter.

    make_random(purpose, seed_id, n). Raises ConfigError unless n is 2 or more.
    """
    if not 2 <= n <= len(seeds):
        raise ConfigError(
            "--probe",
            got=n,
            allowed=f"2 to {len(seeds)}, the number of seeds",
            fix="a mean needs 2 pairs for its standard error",
        )
    shuffled = sorted(
        seeds, key=lambda seed: (make_random("probe", seed.id, 0).random(), seed.id)
    )
    return tuple(shuffled[:n])


def buy_probe_pairs(
    run: Run,
    ledger: Ledger,
    teacher: Teacher,
    seeds: Sequence[Example],
    attempts: Sequence[Attempt],
) -> ProbePurchase:
    """Buys one pair for each seed.

    attempts: at these seeds, if the prompt shows them. Raises ConfigError if the run has
    begun to buy, or if fewer than two pairs were bought.
    """
    if ledger.spend().pairs > ledger.spend(round=PROBE_ROUND).pairs:
        raise ConfigError(
            f"the run in {run.folder} has begun to buy: there is nothing to probe",
            fix="plan it without --probe; `teachback status` says what it has used",
        )
    n = ATTEMPT_PAIR_NUMBER if attempts else 0
    picks = [Pick(seed.id, n, rank, None) for rank, seed in enumerate(seeds)]
    drafts = list[Draft]()

    def generate() -> None:
        """Returns None, so that the run's directory doesn't keep it as a step."""
        drafts.extend(teacher.generate(PROBE_ROUND, picks, attempts))

    run.step(PROBE_ROUND, "generate", generate)
    spend = ledger.spend(round=PROBE_ROUND)
    if spend.pairs < 2:
        reasons = [draft.reason for draft in drafts if draft.reason]
        reason = reasons[0] if reasons else "the budget does not pay for more"
        raise ConfigError(
            "a probe needs two bought pairs",
            got=f"{spend.pairs}: {reason}",
            fix="see to that, and again",
        )
    return ProbePurchase(
        spend.pairs,
        tuple(ledger.usages(PROBE_ROUND)),
        spend.tokens,
        spend.usd + spend.in_doubt_usd,
        tuple(drafts),
    )


def time_answers(
    student: InferenceModel, chat: Chat, questions: Sequence[AttemptRequest], cap: int
) -> tuple[list[Attempt], StudentTiming]:
    """The student's answers of at most `cap` tokens, and how long they took."""
    answer_questions(student, chat, questions[:1], 2)  # warms up
    start_s = time.perf_counter()
    attempts = answer_questions(student, chat, questions, cap).attempts
    seconds = time.perf_counter() - start_s

    n_tokens = list[float]()
    for question, attempt in zip(questions, attempts, strict=True):
        n_prompt = len(prompt_ids(student, chat, question.message))
        n_tokens.append(n_prompt + attempt.n_tokens)
    return attempts, StudentTiming(estimate_mean(n_tokens), sum(n_tokens) / seconds)


def time_finetuning(
    start: Path,
    student: InferenceModel,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    run: Run,
    recipe: Recipe,
    options: RuntimeOptions,
) -> StudentTiming:
    """Trains on (message, answer) rows, and throws the result away.

    The first step warms up and is not timed. The run removes the folder if this process
    is killed.
    """
    n_tokens = [float(sum(map(len, row_ids(student, chat, *row)))) for row in rows]
    # Two steps at least: one that warms up, and one to time
    rows_per_step = min(recipe.rows_per_step, max(1, len(rows) // 2))
    step_ends_s = list[float]()
    with TemporaryDirectory(dir=run.folder, prefix="probe-", suffix=".tmp") as folder:
        finetune(
            start,
            rows,
            Path(folder),
            chat=chat,
            recipe=recipe.model_copy(
                update={"epochs": 1, "rows_per_step": rows_per_step}
            ),
            seed=0,
            options=replace(options, checkpoint_every_s=NO_CHECKPOINTS_S),
            on_progress=lambda done, total: step_ends_s.append(time.perf_counter()),
        )
    timed_tokens = (len(rows) - rows_per_step) * fmean(n_tokens)
    seconds = step_ends_s[-1] - step_ends_s[0]
    return StudentTiming(estimate_mean(n_tokens), timed_tokens / seconds)
