"""N real pairs and N student steps: what they used stands for all the others.

The pairs are bought through the run's own teacher and ledger, as round −1: they count against its budget, and a run
that selects one of their seeds finds the answers there. Where the prompt shows the student's attempt, which changes as
it learns, no answer can be found again: then the probe's pairs have an n of their own.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean
from tempfile import TemporaryDirectory

from ..errors import ConfigError
from ..ledger.costs import Usage
from ..ledger.ledger import Ledger
from ..run.directory import Run
from ..student.attempt import Asked, attempt
from ..student.chat import Chat, prompt_ids, row_ids
from ..student.frozen import Frozen
from ..student.training.finetune import Means, Recipe, finetune
from ..teachers import Teacher
from ..types import Attempt, Draft, Example, Pick
from .roles import spread
from .values import Range

ROUND = -1
N_SHOWN = 999_999  # of a pair whose request holds an attempt


@dataclass(frozen=True)
class Bought:
    """pairs: those that count as generated. usages: (seed, role, usage) of their calls. usd: picodollars."""

    pairs: int
    usages: tuple[tuple[str, str, Usage], ...]
    tokens: int
    usd: int
    drafts: tuple[Draft, ...]


def chosen(
    seeds: Sequence[Example], n: int, drawn: Callable[[str, str, int], Random]
) -> tuple[Example, ...]:
    """The probe's seeds: drawn by their ids, wherever they stand in the pool."""
    if not 2 <= n <= len(seeds):
        fix = "a mean needs 2 pairs for its standard error"
        raise ConfigError(
            "--probe", got=n, allowed=f"2 to {len(seeds)}, the number of seeds", fix=fix
        )
    return tuple(
        sorted(seeds, key=lambda e: (drawn("probe", e.id, 0).random(), e.id))[:n]
    )


def buy(
    run: Run,
    ledger: Ledger,
    teacher: Teacher,
    seeds: Sequence[Example],
    attempts: Sequence[Attempt],
) -> Bought:
    """attempts: of these seeds, if the prompt shows them. Raises ConfigError: the run has begun to buy, or
    fewer than two pairs were bought."""
    if ledger.spend().pairs > ledger.spend(round=ROUND).pairs:
        raise ConfigError(
            f"the run in {run.folder} has begun to buy: there is nothing to probe",
            fix="plan it without --probe; `teachback status` says what it has used",
        )
    n, drafts = N_SHOWN if attempts else 0, list[Draft]()
    picks = [Pick(e.id, n, rank, None) for rank, e in enumerate(seeds)]

    def generate() -> None:  # None: the run's directory keeps no step of it
        drafts.extend(teacher.generate(ROUND, picks, attempts))

    run.step(ROUND, "generate", generate)
    spend = ledger.spend(round=ROUND)
    if spend.pairs < 2:
        why = next(
            (draft.reason for draft in drafts if draft.reason),
            "the budget does not pay for more",
        )
        raise ConfigError(
            "a probe needs two bought pairs",
            got=f"{spend.pairs}: {why}",
            fix="see to that, and again",
        )
    usd = spend.usd + spend.in_doubt_usd
    return Bought(
        spend.pairs, tuple(ledger.usages(ROUND)), spend.tokens, usd, tuple(drafts)
    )


def answers(
    student: Frozen, chat: Chat, asked: Sequence[Asked], cap: int
) -> tuple[list[Attempt], Range, float]:
    """The student's answers, the tokens of one (its prompt's among them), and tokens a second."""
    attempt(student, chat, asked[:1], 2)  # warms up
    started = time.perf_counter()
    done = attempt(student, chat, asked, cap).attempts
    seconds = time.perf_counter() - started
    tokens = [
        len(prompt_ids(student, chat, q.message)) + a.n_tokens
        for q, a in zip(asked, done, strict=True)
    ]
    return done, spread([float(n) for n in tokens]), sum(tokens) / seconds


def learn(
    start: Path,
    student: Frozen,
    chat: Chat,
    rows: Sequence[tuple[str, str]],
    run: Run,
    recipe: Recipe,
    means: Means,
) -> tuple[Range, float]:
    """Tokens of a (message, answer) row, and tokens a second of finetuning on them, which is thrown away.

    The first step is left out: it warms up. The folder is one that the run sweeps away, should this be killed.
    """
    tokens = [float(sum(map(len, row_ids(student, chat, *row)))) for row in rows]
    step = min(recipe.rows_per_step, max(1, len(rows) // 2))
    times = list[float]()
    with TemporaryDirectory(dir=run.folder, prefix="probe-", suffix=".tmp") as folder:
        finetune(
            start,
            rows,
            Path(folder),
            chat=chat,
            recipe=replace(recipe, epochs=1, rows_per_step=step),
            seed=0,
            means=replace(means, checkpoint_every_s=1e9),
            tell=lambda done, total: times.append(time.perf_counter()),
        )
    return spread(tokens), (len(rows) - step) * fmean(tokens) / (times[-1] - times[0])
