"""Buys a few real pairs, and times a few real steps of the student.

The pairs are bought through the run's own teacher and ledger, as round −1. They count
against its budget, and a run that selects one of their seeds finds the answers there.
Where the prompt shows the student's attempt, no answer can be found again, because the
attempt changes as the student learns. Then the probe's pairs have a number of their own.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean
from tempfile import TemporaryDirectory

from ..errors import ConfigError
from ..ledger.ledger import Ledger
from ..run.directory import Run
from ..student.attempt import AttemptRequest, answer_questions
from ..student.chat import Chat, prompt_ids, row_ids
from ..student.inference import InferenceModel
from ..student.training.finetune import Recipe, RuntimeOptions, finetune
from ..teachers.registered import Teacher
from ..types import Attempt, Draft, Example, Pick
from .probe_usage import ProbeCall, estimate_mean
from .values import Range

PROBE_ROUND = -1
ATTEMPT_PAIR_NUMBER = 999_999  # of a pair whose request shows an attempt


@dataclass(frozen=True)
class ProbePurchase:
    pairs: int  # those that count as generated
    calls: tuple[ProbeCall, ...]
    tokens: int
    usd: int  # picodollars
    drafts: tuple[Draft, ...]


@dataclass(frozen=True)
class ProbeMeasurements:
    purchase: ProbePurchase
    answer: Range  # tokens of one answer and its prompt
    answering_per_s: float  # tokens a second
    row: Range | None  # tokens of one row; None: nothing bought could be trained on
    finetuning_per_s: float | None


def draw_probe_seeds(
    seeds: Sequence[Example], n: int, make_random: Callable[[str, str, int], Random]
) -> tuple[Example, ...]:
    """Draws by the seeds' ids, wherever they stand in the pool."""
    if not 2 <= n <= len(seeds):
        raise ConfigError(
            "--probe",
            got=n,
            allowed=f"2 to {len(seeds)}, the number of seeds",
            fix="a mean needs 2 pairs for its standard error",
        )
    in_order = sorted(
        seeds, key=lambda seed: (make_random("probe", seed.id, 0).random(), seed.id)
    )
    return tuple(in_order[:n])


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
        """Returns None, so that the run's directory keeps no step of it."""
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
) -> tuple[list[Attempt], Range, float]:
    """The student's answers, the tokens of one with its prompt, and tokens a second."""
    answer_questions(student, chat, questions[:1], 2)  # warms up
    started = time.perf_counter()
    attempts = answer_questions(student, chat, questions, cap).attempts
    seconds = time.perf_counter() - started

    tokens = list[float]()
    for question, answer in zip(questions, attempts, strict=True):
        n_prompt = len(prompt_ids(student, chat, question.message))
        tokens.append(n_prompt + answer.n_tokens)
    return attempts, estimate_mean(tokens), sum(tokens) / seconds


def time_finetuning(
    start: Path,
    student: InferenceModel,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    run: Run,
    recipe: Recipe,
    options: RuntimeOptions,
) -> tuple[Range, float]:
    """Trains on (message, answer) rows, and throws the result away.

    Returns the tokens of a row, and tokens a second without the first step, which warms
    up. The run sweeps the folder away if this process is killed.
    """
    tokens = [float(sum(map(len, row_ids(student, chat, *row)))) for row in rows]
    rows_per_step = min(recipe.rows_per_step, max(1, len(rows) // 2))
    step_ends = list[float]()
    with TemporaryDirectory(dir=run.folder, prefix="probe-", suffix=".tmp") as folder:
        finetune(
            start,
            rows,
            Path(folder),
            chat=chat,
            recipe=replace(recipe, epochs=1, rows_per_step=rows_per_step),
            seed=0,
            options=replace(options, checkpoint_every_s=1e9),
            on_progress=lambda done, total: step_ends.append(time.perf_counter()),
        )
    timed_tokens = (len(rows) - rows_per_step) * fmean(tokens)
    return estimate_mean(tokens), timed_tokens / (step_ends[-1] - step_ends[0])
